create index if not exists idx_vector_embeddings_id on vector_embeddings (id);
create index if not exists idx_vector_embeddings_model on vector_embeddings (model, dimensions);
create index if not exists idx_vector_embeddings_metadata on vector_embeddings using gin (metadata);
-- Deletion by the path of a document, or of a folder of them.
create index if not exists idx_vector_embeddings_path on vector_embeddings ((metadata ->> 'documentPath') text_pattern_ops)
  where metadata ? 'documentPath';
create index if not exists idx_knowledge_sections_category on knowledge_sections (category);
create index if not exists idx_usage_stats_created on usage_stats (created_at desc);
