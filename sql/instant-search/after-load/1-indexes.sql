-- The plan's indexes and those of the hot queries.
create index if not exists idx_users_email_lower on users (lower(email));
create index if not exists idx_study_books_user_id on study_books (user_id, created_at desc);
create index if not exists idx_questions_study_book_id on questions (study_book_id, created_at);
create index if not exists idx_typing_logs_user_id on typing_logs (user_id, created_at desc);
create index if not exists idx_typing_logs_question_id on typing_logs (question_id, user_id, created_at desc);
create index if not exists idx_typing_logs_created_at on typing_logs (created_at);
create index if not exists idx_learning_events_user_occurred on learning_events (user_id, occurred_at desc);
create index if not exists idx_learning_events_action on learning_events (action, occurred_at desc);
