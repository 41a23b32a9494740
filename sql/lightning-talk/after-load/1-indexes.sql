-- The plan's indexes and those of the hot queries.
create index if not exists idx_events_date on events (date);
create index if not exists idx_events_status_date on events (status, date);
create index if not exists idx_participants_event_created on participants (event_id, created_at desc);
create index if not exists idx_participants_email on participants (email_key);
create index if not exists idx_talks_event_status on talks (event_id, status);
create index if not exists idx_talks_participant on talks (participant_id);
create index if not exists idx_analytics_event_type on analytics (event_type, occurred_at desc);
create index if not exists idx_analytics_event on analytics (event_id, occurred_at desc);
create index if not exists idx_analytics_created on analytics (created_at);
create index if not exists idx_presentations_event on presentations (event_id);
create index if not exists idx_interactions_presentation on presentation_interactions (presentation_id, occurred_at desc);
create index if not exists idx_users_email on users (lower(email));
create index if not exists idx_voting_talk on voting_sessions (talk_id);
