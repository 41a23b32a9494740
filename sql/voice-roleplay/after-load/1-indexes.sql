-- The plan's indexes and those of the hot queries. Those of texts are hashes, which take a text of any length. A user's own
-- sessions are found by the primary key.
create index if not exists idx_users_email on users using hash (lower(email));
create index if not exists idx_limits_last_roleplay on user_usage_limits (last_roleplay_date nulls first);
create index if not exists idx_limits_last_reset on user_usage_limits (last_reset_date);
create index if not exists idx_sessions_started on roleplay_sessions (started_at desc);
create index if not exists idx_sessions_created on roleplay_sessions (created_at);
create index if not exists idx_sessions_session on roleplay_sessions using hash (session_id);
create index if not exists idx_conversation_created on conversation_history (created_at);
create index if not exists idx_audio_conversation on audio_files (conversation_id);
create index if not exists idx_audio_expires on audio_files (expires_at);
create index if not exists idx_scenarios_category on scenarios using hash (category);
create index if not exists idx_reminder_sent on reminder_logs (sent_at desc);
create index if not exists idx_ab_tests_status on ab_tests using hash (status);
create index if not exists idx_prompt_templates_name on prompt_templates using hash (name);
