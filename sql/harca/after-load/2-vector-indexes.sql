-- Which of them there should be depends on the rows.
analyze vector_embeddings;
select build_vector_indexes();
