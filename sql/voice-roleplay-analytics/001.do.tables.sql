-- voice-roleplay's analytics on TimescaleDB: the models' metadata, which has a legacy source, and the plan's time series,
-- which the application writes from the cut-over on.

create extension if not exists timescaledb;

-- A state a file. It is no series: a state that was never trained has no time, and is kept all the same (hazard R19).
create table model_status (
  source_file text collate "C" primary key,
  trained_at timestamptz,
  model_version text,
  quality_model_loaded boolean,
  engagement_model_loaded boolean,
  training_data_count integer,
  quality_r2_score double precision,
  engagement_r2_score double precision,
  feature_importance jsonb,
  extra jsonb
);

-- A prediction has no id: the last part of the key counts those of one moment in one file (hazard R14).
create table model_predictions (
  time timestamptz not null,
  source_file text collate "C" not null default '',
  occurrence integer not null default 1,
  model_version text,
  predicted_quality double precision,
  quality_confidence double precision,
  predicted_engagement double precision,
  feature_importance jsonb,
  improvement_suggestions jsonb,
  extra jsonb,
  primary key (time, source_file, occurrence)
);

-- Every file in the folder of the models, by name, size and hash. Their content is never looked at (hazard R18).
create table model_files (
  source_file text collate "C" primary key,
  file_name text not null,
  size_bytes bigint not null,
  sha256 text not null,
  extra jsonb
);

create table voice_analysis_metrics (
  time timestamptz not null,
  session_id text collate "C" not null,
  metric_type text collate "C" not null,
  user_id text,
  metric_value double precision,
  details jsonb,
  primary key (time, session_id, metric_type)
);

create table talk_skill_analysis (
  time timestamptz not null,
  session_id text collate "C" not null,
  skill_category text collate "C" not null,
  user_id text,
  skill_score double precision,
  improvement_points jsonb,
  primary key (time, session_id, skill_category)
);

create table system_performance_metrics (
  time timestamptz not null,
  metric_category text collate "C" not null,
  metric_name text collate "C" not null,
  metric_value double precision,
  unit text,
  details jsonb,
  primary key (time, metric_category, metric_name)
);

create table user_growth_tracking (
  time timestamptz not null,
  user_id text collate "C" not null,
  overall_score double precision,
  session_count integer,
  details jsonb,
  primary key (time, user_id)
);

create table sales_performance_tracking (
  time timestamptz not null,
  user_id text collate "C" not null,
  figures jsonb,
  primary key (time, user_id)
);

create table audio_quality_analysis (
  time timestamptz not null,
  session_id text collate "C" not null,
  quality_score double precision,
  noise_level_db double precision,
  details jsonb,
  primary key (time, session_id)
);

-- The four levels of a training's evaluation: reaction, learning, behaviour, results.
create table phillips_roi_evaluation (
  evaluation_id uuid primary key default gen_random_uuid(),
  user_id text,
  evaluated_at timestamptz not null default now(),
  level integer not null check (level between 1 and 4),
  score double precision,
  details jsonb
);
