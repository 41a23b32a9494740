-- The plan's compression: voice metrics after a week, those of the system after three days.
select add_compression_policy('voice_analysis_metrics', interval '7 days', if_not_exists => true);
select add_compression_policy('system_performance_metrics', interval '3 days', if_not_exists => true);
-- The plan's retention stays off until the clean-up phase: nothing is dropped while a way back is open. Then:
-- select add_retention_policy('voice_analysis_metrics', interval '2 years', if_not_exists => true);
-- select add_retention_policy('system_performance_metrics', interval '1 year', if_not_exists => true);
