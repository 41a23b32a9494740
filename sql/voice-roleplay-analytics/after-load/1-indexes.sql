create index if not exists idx_predictions_version_time on model_predictions (model_version, time desc);
create index if not exists idx_status_trained on model_status (trained_at desc nulls last);
create index if not exists idx_files_sha256 on model_files (sha256);
create index if not exists idx_voice_metrics_session on voice_analysis_metrics (session_id, time desc);
create index if not exists idx_skill_user_time on talk_skill_analysis (user_id, skill_category, time desc);
create index if not exists idx_system_metrics_name on system_performance_metrics (metric_category, metric_name, time desc);
