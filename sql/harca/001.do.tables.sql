-- harca: embeddings of every store in one table for the applications, a partition for each store that is loaded.
-- The plan's table held one dimension, one key that every run made anew, and no way to say that a model is unknown.

create table vector_embeddings (
  -- cache, document, document-cache, code, embedding; whatever an application adds
  store text collate "C" not null,
  -- What the store itself knows the embedding by; docs/hazards.md says how it is made for each of them.
  legacy_key text collate "C" not null,
  -- 0 without a vector. Part of the key: one text was embedded with 384 and with 768 dimensions (hazard V1).
  dimensions integer not null,
  id uuid not null default gen_random_uuid(),
  -- The store's own id, where it has one; new ones were given at each indexing.
  legacy_id text,
  content text,
  -- The model's own name; source_model is what the store said (hazard V12).
  model text collate "C" not null,
  source_model text not null,
  embedding vector,
  norm double precision generated always as (vector_norm(embedding)) stored,
  -- Why a vector is not to be trusted: hazards V3, V4, V5, V7. The first that applies.
  flag text generated always as (case
    when embedding is null then 'missing'
    when vector_norm(embedding) = 0 then 'zero'
    when vector_norm(embedding) <= 0.2 then 'placeholder'
    when content is null then 'no-content'
    when model in ('simple-hash', 'unknown') then 're-embed'
  end) stored,
  -- What a search may answer: nothing that is flagged, but vectors of an unknown model, which are found under that name.
  searchable boolean not null generated always as (
    embedding is not null and vector_norm(embedding) > 0.2 and content is not null and model <> 'simple-hash'
  ) stored,
  metadata jsonb,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  last_accessed timestamptz,
  -- Past in nearly every row: a vector does not become wrong with time (hazard V10).
  expires_at timestamptz,
  access_count bigint,
  version bigint,
  legacy_path text,
  extra jsonb,
  primary key (store, legacy_key, dimensions),
  constraint dimensions_of_embedding check (dimensions = coalesce(vector_dims(embedding), 0))
) partition by list (store);

create table vector_embeddings_cache partition of vector_embeddings for values in ('cache');
create table vector_embeddings_document partition of vector_embeddings for values in ('document');
create table vector_embeddings_document_cache partition of vector_embeddings for values in ('document-cache');
create table vector_embeddings_code partition of vector_embeddings for values in ('code');
create table vector_embeddings_embedding partition of vector_embeddings for values in ('embedding');
create table vector_embeddings_other partition of vector_embeddings default;

create table knowledge_sections (
  -- Which program wrote it: troubleshooting, postgres
  family text collate "C" not null,
  legacy_id text collate "C" not null,
  id uuid not null default gen_random_uuid() unique,
  title text not null,
  content text not null,
  source text,
  category text,
  technology jsonb,
  date timestamptz,
  section_index integer,
  -- Words between blanks, of which Japanese has few.
  word_count integer,
  char_count integer,
  legacy_path text,
  extra jsonb,
  primary key (family, legacy_id)
);

create table knowledge_indexes (
  name text collate "C" primary key,
  title text,
  description text,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  sections jsonb,
  entries jsonb,
  legacy_path text,
  extra jsonb
);

create table cache_metadata (
  key text collate "C" primary key,
  value jsonb,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  expires_at timestamptz,
  extra jsonb
);

create table usage_stats (
  id uuid primary key default gen_random_uuid(),
  operation text not null,
  duration integer,
  success boolean,
  error_message text,
  metadata jsonb,
  created_at timestamptz default now(),
  extra jsonb
);

create table model_configs (
  id uuid primary key default gen_random_uuid(),
  model_name text not null,
  config jsonb,
  enabled boolean,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  extra jsonb
);
