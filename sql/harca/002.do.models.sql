-- Names of one model (hazard V12). `default` is what a setting of that time said, so it is nobody's alias.
create table model_aliases (
  alias text collate "C" primary key,
  model text collate "C" not null
);

insert into model_aliases (alias, model) values
  ('openai-ada-002', 'text-embedding-ada-002'),
  ('openai-3-small', 'text-embedding-3-small'),
  ('openai-3-large', 'text-embedding-3-large'),
  ('local-minilm', 'all-MiniLM-L6-v2'),
  ('local-mpnet', 'all-mpnet-base-v2');

-- The model's own name, whatever it is called by.
create function canonical_model(name text) returns text language sql stable parallel safe as $$
  select coalesce((select model from model_aliases where alias = name), name)
$$;

-- The name of an entry of the file cache, without `.json`.
create function embedding_key(source_model text, content text) returns text language sql immutable strict parallel safe as $$
  select encode(sha256(convert_to(source_model || ':' || content, 'UTF8')), 'hex')
$$;

-- The cached embeddings of a text, under any name of the model: a look-up by the unique key, not by the text.
create function find_embedding(model text, content text) returns setof vector_embeddings language sql stable as $$
  with names (name) as (
    select canonical_model(find_embedding.model)
    union select a.alias from model_aliases as a where a.model = canonical_model(find_embedding.model)
  )
  select e.* from names join vector_embeddings as e
    on e.store = 'cache' and e.legacy_key = embedding_key(names.name, find_embedding.content)
  order by e.legacy_key collate "C", e.dimensions
$$;
