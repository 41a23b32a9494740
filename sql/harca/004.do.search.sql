-- Vector indexes: one for each partition, model and dimension, as `build_vector_indexes` made them.
create table vector_indexes (
  partition text collate "C" not null,
  model text collate "C" not null,
  dimensions integer not null,
  -- What to build in place of the default: ivfflat, hnsw or exact.
  wanted text check (wanted in ('exact', 'ivfflat', 'hnsw')),
  -- What there is; exact is none.
  kind text not null default 'exact' check (kind in ('exact', 'ivfflat', 'hnsw')),
  index_name text,
  -- Searchable rows when it was built.
  rows bigint not null default 0,
  lists integer,
  -- How far a search looks, for the recall that was asked for: ivfflat.probes, or hnsw.ef_search.
  probes integer,
  -- recall@10 of a sample of the stored vectors, at that.
  recall double precision,
  built_at timestamptz not null default now(),
  primary key (partition, model, dimensions)
);

-- A parameter of an extension is known once its library is loaded, which this does.
select '[1]'::vector;

-- The query of the nearest rows of one partition: $1 is the vector, $2 how many, $3 a filter of the metadata. Model and
-- dimensions are written out, so that the partial index of exactly these is used. Beyond 2,000 dimensions only half
-- precision can be indexed; the distance that is answered is always the exact one.
create function nearest_sql(partition text, model text, dimensions integer, kind text) returns text
language sql immutable parallel safe as $$
  select format(
    '(select id, store, legacy_key, content, metadata, embedding <=> $1 as distance from %I
      where model = %L and dimensions = %s and searchable and ($3::jsonb is null or metadata_matches(metadata, $3))
      order by %s limit $2)',
    partition, model, dimensions,
    case
      when kind = 'exact' then 'embedding <=> $1, id'
      when dimensions > 2000 then format('(embedding::halfvec(%1$s)) <=> $1::halfvec(%1$s)', dimensions)
      else format('(embedding::vector(%s)) <=> $1', dimensions)
    end)
$$;

-- The k nearest rows of the same model (by any of its names) and dimension: nearest first, ties in order of the id. score is
-- 1 - cosine distance. Through an index four times as many candidates are taken and put into order by their exact distance.
-- With a filter there are still k rows, as far as there are any that it holds for.
--
-- k       1 to 10,000; null is 5; none for less
-- filter  an object, see metadata_matches; null or JSON's null is none; anything else is refused (SQLSTATE 22023)
create function match_embeddings(
  query vector, model text, k integer default 5, min_score double precision default null, filter jsonb default null
) returns table (id uuid, store text, legacy_key text, content text, metadata jsonb, score double precision)
language plpgsql stable rows 10
-- Restored at the end: what the body sets is set for this search only.
set ivfflat.probes = 1
set hnsw.ef_search = 40
-- An index scan that gives the order is preferred to any sort, whatever the statistics say.
set enable_sort = off
set jit = off
as $$
#variable_conflict use_column
declare
  canonical text := canonical_model(match_embeddings.model);
  -- Without it a filter would take away from the candidates and leave fewer than k (pgvector before 0.8).
  iterative boolean := coalesce(current_setting('ivfflat.iterative_scan', true), 'off') <> 'off';
  queries text;
  exact text;
  found bigint;
  probes integer;
  ef_search integer;
  wanted integer := least(coalesce(match_embeddings.k, 5), 10000);
  held jsonb := nullif(match_embeddings.filter, 'null');
begin
  if jsonb_typeof(held) <> 'object' then
    raise exception 'filter is a JSON object of metadata members, not %', jsonb_typeof(held)
      using errcode = 'invalid_parameter_value';
  end if;
  if match_embeddings.query is null or wanted < 1 or vector_norm(match_embeddings.query) = 0 then return; end if;
  select
    string_agg(nearest_sql(p.relname::text, canonical, vector_dims(match_embeddings.query),
      case when iterative or held is null then coalesce(i.kind, 'exact') else 'exact' end), ' union all '),
    string_agg(nearest_sql(p.relname::text, canonical, vector_dims(match_embeddings.query), 'exact'), ' union all '),
    max(i.probes) filter (where i.kind = 'ivfflat'),
    max(i.probes) filter (where i.kind = 'hnsw')
  into queries, exact, probes, ef_search
  from pg_partition_tree('vector_embeddings') as t
  join pg_class as p on p.oid = t.relid
  left join vector_indexes as i
    on i.partition = p.relname::text and i.model = canonical and i.dimensions = vector_dims(match_embeddings.query)
  where t.isleaf;
  if probes is not null then perform set_config('ivfflat.probes', probes::text, true); end if;
  if ef_search is not null then perform set_config('hnsw.ef_search', ef_search::text, true); end if;
  if held is not null and queries <> exact then
    -- A graph may have rows that no way leads to, and a filter may hold for these alone.
    execute format('select count(*) from (%s) as nearest', queries) into found
    using match_embeddings.query, 4 * wanted, held;
    if found < wanted then queries := exact; end if;
  end if;
  return query execute format(
    'select id, store, legacy_key, content, metadata, 1 - distance from (%s) as nearest
     where distance <> ''NaN'' and ($4 is null or 1 - distance >= $4) order by distance, id limit $2 / 4', queries)
  using match_embeddings.query, 4 * wanted, held, match_embeddings.min_score;
end $$;

-- Share of the true k nearest that a search of one partition finds, over these vectors.
-- limits[i] is the exact distance of the k-th nearest of samples[i]: rows that are as near are as good.
create function recall_of(
  partition text, model text, dimensions integer, kind text, probes integer, samples vector[], limits double precision[],
  k integer
) returns double precision
language plpgsql stable
set ivfflat.probes = 1
set hnsw.ef_search = 40
set enable_sort = off
set jit = off
as $$
declare
  found double precision := 0;
  n bigint;
begin
  perform set_config(case recall_of.kind when 'hnsw' then 'hnsw.ef_search' else 'ivfflat.probes' end,
    recall_of.probes::text, true);
  for i in 1 .. cardinality(samples) loop
    execute format('select count(*) from (select distance from %s as nearest order by distance limit $2 / 4) as top
      where distance <= $4', nearest_sql(partition, model, dimensions, kind))
    into n using samples[i], 4 * k, null::jsonb, limits[i] + 1e-9;
    found := found + n::double precision / k;
  end loop;
  return found / cardinality(samples);
end $$;

-- Up to n stored vectors of one index, always the same ones, and how far the k-th nearest of each is: no index is used.
create function recall_sample(
  partition text, model text, dimensions integer, n integer, k integer,
  out samples vector[], out limits double precision[]
) language plpgsql stable set jit = off as $$
begin
  execute format(
    'select array_agg(s.embedding order by s.hash, s.legacy_key), array_agg(s.far order by s.hash, s.legacy_key) from (
       select *, (select max(distance) from (
         select e.embedding <=> s.embedding as distance from %1$I as e
         where e.model = %2$L and e.dimensions = %3$s and e.searchable order by distance limit $2) as top) as far
       from (select embedding, legacy_key, hashtextextended(legacy_key, 0) as hash from %1$I
             where model = %2$L and dimensions = %3$s and searchable order by hash, legacy_key limit $1) as s offset 0) as s',
    partition, model, dimensions)
  into samples, limits using n, k;
end $$;

-- pgvector from 0.8 on goes on with an index scan until there are enough rows.
do $$
declare
  name text;
begin
  if (select string_to_array(extversion, '.')::integer[] >= '{0,8}' from pg_extension where extname = 'vector') then
    foreach name in array array[
      'match_embeddings(vector, text, integer, double precision, jsonb)',
      'recall_of(text, text, integer, text, integer, vector[], double precision[], integer)'
    ] loop
      execute format('alter function %s set ivfflat.iterative_scan = relaxed_order', name);
      execute format('alter function %s set hnsw.iterative_scan = relaxed_order', name);
      execute format('alter function %s set hnsw.max_scan_tuples = 1000000', name);
      -- What such a scan remembers may take this many times work_mem, or it ends before it has found the last rows.
      execute format('alter function %s set hnsw.scan_mem_multiplier = 1000', name);
    end loop;
  end if;
end $$;
