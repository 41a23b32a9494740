create index if not exists idx_vector_embeddings_id on vector_embeddings (id);
create index if not exists idx_vector_embeddings_model on vector_embeddings using hash (model);
create index if not exists idx_vector_embeddings_metadata on vector_embeddings using gin (metadata);
-- Deletion by the path of a document, or of a folder of them; unlike a B-tree, it takes a path of any length.
create index if not exists idx_vector_embeddings_path on vector_embeddings using spgist ((metadata ->> 'documentPath'))
  where metadata ? 'documentPath';
create index if not exists idx_knowledge_sections_category on knowledge_sections using hash (category);
create index if not exists idx_usage_stats_created on usage_stats (created_at desc);
