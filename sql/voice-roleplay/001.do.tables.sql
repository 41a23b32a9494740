-- voice-roleplay. The plan's tables, and those that it had no place for (A/B tests, reminder logs, templates, settings).
-- Against the plan: text has no length, limits are the application's 60, a reset and a last session are instants, nobody's
-- address is unique, parents come before their children.

create table users (
  -- Whatever the client sent as an id, the empty text included (hazard R1).
  user_id text collate "C" primary key,
  -- Null where the application has '' (hazard R3); not unique (hazard R4).
  email text,
  username text,
  user_type text not null default 'sales_person',
  experience_level text not null default 'beginner',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  last_login_at timestamptz,
  is_active boolean not null default true,
  department text,
  position text,
  industry text,
  target_skills jsonb,
  preferences jsonb not null default '{}',
  notification_settings jsonb not null default '{"email_enabled": true, "email_address": "", "user_name": "",
    "reminder_days": [3, 1, 0], "timezone": "Asia/Tokyo", "enable_shame_system": false}',
  extra jsonb
);

create table user_usage_limits (
  user_id text collate "C" primary key references users on delete cascade,
  -- What the legacy record had for its user where that was not its key (hazard R2).
  other_user_id jsonb,
  -- Below 0 and above the limit there are values that an administrator made (hazard R8): no check.
  roleplay_sessions_remaining bigint not null default 60,
  video_processing_minutes_used bigint not null default 0,
  monthly_limit_roleplay bigint not null default 60,
  monthly_limit_video_minutes bigint not null default 60,
  last_reset_date timestamptz not null default now(),
  total_roleplay_sessions integer not null default 0,
  consecutive_days integer not null default 0,
  last_roleplay_date timestamptz,
  recent_sessions jsonb not null default '[]',
  recent_improvement_points jsonb not null default '[]',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  extra jsonb
);

-- The speech engine's voices by the application's own names. An engine id of 0 is a voice like any other.
create table speakers (
  speaker_key text collate "C" primary key,
  gender text not null,
  engine_speaker_id integer not null unique
);

-- The other numbering of voices. The two overlap, so a number alone does not say which voice it is.
create table business_speakers (
  business_speaker_id integer primary key,
  engine_speaker_id integer not null,
  engine_style integer not null default 0,
  is_default boolean not null default false
);

create table scenarios (
  scenario_id uuid primary key default gen_random_uuid(),
  legacy_key text collate "C" unique,
  title text not null,
  description text,
  category text,
  difficulty_level text not null default 'beginner',
  -- The application's own word for it.
  legacy_difficulty text,
  industry text,
  customer_persona jsonb,
  scenario_script jsonb,
  success_criteria jsonb,
  common_objections jsonb,
  male_speaker_key text references speakers,
  female_speaker_key text references speakers,
  created_by text,
  is_active boolean not null default true,
  usage_count integer not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

-- An id of a session is one user's: it is text, and another user may have the same (hazard R9). What the legacy record
-- doesn't say (voice, provider, mode) has no default: it would look like something that it said.
create table roleplay_sessions (
  user_id text collate "C" not null references users on delete cascade,
  session_id text collate "C" not null default gen_random_uuid()::text,
  scenario_id uuid references scenarios on delete set null,
  scenario_type text,
  status text not null default 'active',
  started_at timestamptz,
  completed_at timestamptz,
  duration_minutes integer,
  duration_seconds integer,
  performance_score double precision,
  improvement_points jsonb,
  business_speaker_id integer references business_speakers,
  ai_provider text,
  conversation_mode text,
  conversation_context jsonb,
  customer_profile jsonb,
  total_interactions integer,
  avg_response_time_ms integer,
  audio_quality_score numeric(3, 2),
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  extra jsonb,
  primary key (user_id, session_id)
);

-- The two that follow are the application's own from the cut-over on; it kept no conversation and no index of its audio.
create table conversation_history (
  conversation_id uuid primary key default gen_random_uuid(),
  user_id text collate "C" not null,
  session_id text collate "C" not null,
  sequence_number integer not null,
  speaker_role text not null,
  audio_path text,
  audio_duration_seconds double precision,
  audio_format text,
  transcription text,
  ai_response_text text,
  confidence_score numeric(3, 2),
  speech_started_at timestamptz,
  speech_ended_at timestamptz,
  transcribed_at timestamptz,
  responded_at timestamptz,
  intent_detected text,
  sentiment_score numeric(3, 2),
  objection_type text,
  created_at timestamptz not null default now(),
  foreign key (user_id, session_id) references roleplay_sessions on delete cascade,
  unique (user_id, session_id, sequence_number)
);

create table audio_files (
  file_id uuid primary key default gen_random_uuid(),
  conversation_id uuid references conversation_history on delete cascade,
  file_path text not null,
  file_name text not null,
  file_size bigint,
  mime_type text,
  sample_rate integer,
  bit_depth integer,
  channels integer,
  duration_seconds double precision,
  processing_status text not null default 'pending',
  quality_score numeric(3, 2),
  noise_level_db numeric(4, 1),
  expires_at timestamptz not null default now() + interval '30 days',
  created_at timestamptz not null default now()
);

-- An entry has no id. Two may say the same and both were sent, so the last part of the key counts them (hazard R14).
create table reminder_logs (
  user_id text collate "C" not null,
  sent_at timestamptz not null,
  reminder_type text collate "C" not null,
  occurrence integer not null default 1,
  -- Null for what no legacy file had.
  source_file text,
  email_address text,
  success boolean,
  error_message text,
  extra jsonb,
  primary key (user_id, sent_at, reminder_type, occurrence)
);

create table reminder_scheduler_settings (
  source_file text collate "C" primary key,
  enabled boolean,
  check_interval_minutes integer,
  daily_check_hour integer,
  timezone text,
  max_emails_per_batch integer,
  extra jsonb
);

create table prompt_templates (
  source_file text collate "C" primary key,
  name text not null,
  description text,
  category text,
  language text,
  system_prompt text,
  user_prompt_template text,
  parameters jsonb,
  quality_settings jsonb,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  extra jsonb
);

create table ab_tests (
  test_id text collate "C" primary key,
  source_file text,
  -- Whether that file held several tests by their ids, and what the test then had for its own id (hazard R16).
  in_object boolean not null default false,
  own_test_id jsonb,
  test_name text,
  template_a_id text,
  template_b_id text,
  template_a text,
  template_b text,
  description text,
  target_sample_size integer default 100,
  status text,
  sample_size_a integer,
  sample_size_b integer,
  avg_quality_a double precision,
  avg_quality_b double precision,
  p_value_quality double precision,
  effect_size double precision,
  winner text,
  created_at timestamptz default now(),
  stopped_at timestamptz,
  extra jsonb
);

create table voice_settings (
  source_file text collate "C" primary key,
  default_speaker_id integer,
  speakers jsonb,
  extra jsonb
);

create table application_settings (
  source_file text collate "C" not null,
  key text collate "C" not null,
  value jsonb,
  extra jsonb,
  primary key (source_file, key)
);
