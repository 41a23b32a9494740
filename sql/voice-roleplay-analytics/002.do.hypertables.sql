-- Hypertables before the first row, in either edition. A week of what each session or minute writes, a month of what comes
-- once a day or less.
select create_hypertable('model_predictions', by_range('time', interval '30 days'), create_default_indexes => false);
select create_hypertable('voice_analysis_metrics', by_range('time', interval '7 days'), create_default_indexes => false);
select create_hypertable('talk_skill_analysis', by_range('time', interval '7 days'), create_default_indexes => false);
select create_hypertable('system_performance_metrics', by_range('time', interval '7 days'), create_default_indexes => false);
select create_hypertable('audio_quality_analysis', by_range('time', interval '7 days'), create_default_indexes => false);
select create_hypertable('user_growth_tracking', by_range('time', interval '30 days'), create_default_indexes => false);
select create_hypertable('sales_performance_tracking', by_range('time', interval '30 days'), create_default_indexes => false);

-- Compression is in the Timescale edition only; the Apache edition answers 0A000. The plan asked for policies on tables
-- that compression was not enabled for.
do $$
begin
  if current_setting('timescaledb.license') = 'timescale' then
    alter table voice_analysis_metrics set (timescaledb.compress, timescaledb.compress_segmentby = 'session_id, metric_type',
      timescaledb.compress_orderby = 'time desc');
    alter table system_performance_metrics set (timescaledb.compress,
      timescaledb.compress_segmentby = 'metric_category, metric_name', timescaledb.compress_orderby = 'time desc');
  end if;
end $$;

create view monthly_skill_summary as
  select time_bucket(interval '1 month', time) as month, user_id, skill_category, count(*) as measurements,
    avg(skill_score) as average, min(skill_score) as lowest, max(skill_score) as highest
  from talk_skill_analysis group by 1, user_id, skill_category;

create view daily_system_health as
  select time_bucket(interval '1 day', time) as day, metric_category, metric_name, count(*) as measurements,
    avg(metric_value) as average, min(metric_value) as lowest, max(metric_value) as highest
  from system_performance_metrics group by 1, metric_category, metric_name;
