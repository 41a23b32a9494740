-- The plan's time-series indexes; the key's own index already serves (symbol, timeframe, timestamp).
create index if not exists idx_ohlcv_symbol_time on ohlcv_data (symbol, timestamp desc);
create index if not exists idx_ohlcv_timeframe_time on ohlcv_data (timeframe, timestamp desc);
create index if not exists idx_ohlcv_legacy_id on ohlcv_data (legacy_id);
create index if not exists idx_funding_timestamp_symbol on funding_rate_data (funding_timestamp desc, symbol);
create index if not exists idx_funding_legacy_id on funding_rate_data (legacy_id);
create index if not exists idx_oi_timestamp_symbol on open_interest_data (data_timestamp desc, symbol);
create index if not exists idx_oi_legacy_id on open_interest_data (legacy_id);

create index if not exists idx_log_created on data_collection_log (created_at desc);
create index if not exists idx_backtest_created on backtest_results (created_at desc);
create index if not exists idx_backtest_symbol_timeframe on backtest_results (symbol, timeframe);
create index if not exists idx_backtest_strategy_created on backtest_results (strategy_name, created_at desc);
create index if not exists idx_ga_experiments_status on ga_experiments (status);
create index if not exists idx_ga_experiments_created on ga_experiments (created_at desc);
-- SQLite sorts null last on desc, PostgreSQL first: the index follows the legacy order.
create index if not exists idx_strategies_fitness on generated_strategies (experiment_id, fitness_score desc nulls last);
create index if not exists idx_strategies_generation on generated_strategies (experiment_id, generation);
create index if not exists idx_strategies_backtest on generated_strategies (backtest_result_id);
create index if not exists idx_showcase_active on strategy_showcase (is_active, category, risk_level);
create index if not exists idx_showcase_return on strategy_showcase (expected_return desc nulls last);
create index if not exists idx_showcase_sharpe on strategy_showcase (sharpe_ratio desc nulls last);
create index if not exists idx_showcase_backtest on strategy_showcase (backtest_result_id);
create index if not exists idx_template_category on strategy_templates (category, is_public);

-- New rows continue after the highest legacy id.
select setval(pg_get_serial_sequence('public.' || name, 'id'), greatest(1, top), top > 0)
from (values
  ('data_collection_log', (select coalesce(max(id), 0) from data_collection_log)),
  ('backtest_results', (select coalesce(max(id), 0) from backtest_results)),
  ('ga_experiments', (select coalesce(max(id), 0) from ga_experiments)),
  ('generated_strategies', (select coalesce(max(id), 0) from generated_strategies)),
  ('strategy_showcase', (select coalesce(max(id), 0) from strategy_showcase)),
  ('strategy_templates', (select coalesce(max(id), 0) from strategy_templates))
) as tables (name, top);
