-- What search_questions looks into; built after the load, when that is several times faster. The trigrams take as long as
-- both others, so they begin first.
create index if not exists idx_questions_trigram on questions using gin (question gin_trgm_ops, answer gin_trgm_ops);
create index if not exists idx_questions_search_words on questions using gin (search_words);
create index if not exists idx_questions_search_vector on questions using gin (search_vector);
