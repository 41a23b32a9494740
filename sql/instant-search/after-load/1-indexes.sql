-- The plan's indexes and those of the hot queries. Those of texts are hashes: a B-tree refuses a row whose text it can't
-- compress to 2,704 bytes.
create index if not exists idx_users_email_lower on users using hash (lower(email));
create index if not exists idx_study_books_user_id on study_books (user_id, created_at desc);
create index if not exists idx_questions_study_book_id on questions (study_book_id, created_at);
create index if not exists idx_typing_logs_user_id on typing_logs (user_id, created_at desc);
create index if not exists idx_typing_logs_question_id on typing_logs (question_id, user_id, created_at desc);
create index if not exists idx_typing_logs_created_at on typing_logs (created_at);
-- A user's events are few enough to be sorted; of one who has very many, the newest are met first among all events.
create index if not exists idx_learning_events_user on learning_events using hash (user_id);
create index if not exists idx_learning_events_occurred on learning_events (occurred_at desc);
create index if not exists idx_learning_events_action on learning_events using hash (action);
