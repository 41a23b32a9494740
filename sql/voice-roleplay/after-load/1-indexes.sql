-- The plan's indexes and those of the hot queries.
create index if not exists idx_users_email on users (lower(email));
create index if not exists idx_limits_last_roleplay on user_usage_limits (last_roleplay_date nulls first);
create index if not exists idx_limits_last_reset on user_usage_limits (last_reset_date);
create index if not exists idx_sessions_user_status on roleplay_sessions (user_id, status);
create index if not exists idx_sessions_user_started on roleplay_sessions (user_id, started_at desc);
create index if not exists idx_sessions_created on roleplay_sessions (created_at);
create index if not exists idx_sessions_session on roleplay_sessions (session_id);
create index if not exists idx_conversation_created on conversation_history (created_at);
create index if not exists idx_audio_conversation on audio_files (conversation_id);
create index if not exists idx_audio_expires on audio_files (expires_at);
create index if not exists idx_scenarios_category on scenarios (category, difficulty_level);
create index if not exists idx_reminder_sent on reminder_logs (sent_at desc);
create index if not exists idx_ab_tests_status on ab_tests (status);
create index if not exists idx_prompt_templates_name on prompt_templates (name);
