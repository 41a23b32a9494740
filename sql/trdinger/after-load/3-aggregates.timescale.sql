-- One statement at a time: a continuous aggregate can't be refreshed within a transaction.
call refresh_continuous_aggregate('ohlcv_daily', null, null);
call refresh_continuous_aggregate('funding_rate_daily', null, null);
call refresh_continuous_aggregate('open_interest_daily', null, null);
select add_continuous_aggregate_policy('ohlcv_daily', start_offset => interval '7 days', end_offset => interval '1 hour', schedule_interval => interval '1 hour', if_not_exists => true);
select add_continuous_aggregate_policy('funding_rate_daily', start_offset => interval '7 days', end_offset => interval '1 hour', schedule_interval => interval '8 hours', if_not_exists => true);
select add_continuous_aggregate_policy('open_interest_daily', start_offset => interval '7 days', end_offset => interval '1 hour', schedule_interval => interval '1 hour', if_not_exists => true);
