-- Hypertables before the first row, in either edition. Intervals: a week of candles (all timeframes of one symbol are
-- about 7,000 rows) and a month of the series that come every hour or every eight.
select create_hypertable('ohlcv_data', by_range('timestamp', interval '7 days'), create_default_indexes => false);
select create_hypertable('funding_rate_data', by_range('funding_timestamp', interval '30 days'), create_default_indexes => false);
select create_hypertable('open_interest_data', by_range('data_timestamp', interval '30 days'), create_default_indexes => false);

-- Compression and continuous aggregates are in the Timescale edition only; the Apache edition answers 0A000. There the
-- aggregates are materialized views of the same names and columns, and nothing is compressed.
do $$
declare
  timescale constant boolean := current_setting('timescaledb.license') = 'timescale';
  kind constant text := case when timescale then 'with (timescaledb.continuous)' else '' end;
begin
  if timescale then
    alter table ohlcv_data set (timescaledb.compress, timescaledb.compress_segmentby = 'symbol, timeframe',
      timescaledb.compress_orderby = 'timestamp desc');
    alter table funding_rate_data set (timescaledb.compress, timescaledb.compress_segmentby = 'symbol',
      timescaledb.compress_orderby = 'funding_timestamp desc');
    alter table open_interest_data set (timescaledb.compress, timescaledb.compress_segmentby = 'symbol',
      timescaledb.compress_orderby = 'data_timestamp desc');
  end if;
  execute format($view$
    create materialized view ohlcv_daily %s as
    select symbol, timeframe, time_bucket('1 day', timestamp) as day, first(open, timestamp) as open, max(high) as high,
      min(low) as low, last(close, timestamp) as close, sum(volume) as volume, count(*) as bars
    from ohlcv_data group by symbol, timeframe, time_bucket('1 day', timestamp) with no data $view$, kind);
  execute format($view$
    create materialized view funding_rate_daily %s as
    select symbol, time_bucket('1 day', funding_timestamp) as day, avg(funding_rate) as average, sum(funding_rate) as total,
      count(*) as settlements
    from funding_rate_data group by symbol, time_bucket('1 day', funding_timestamp) with no data $view$, kind);
  execute format($view$
    create materialized view open_interest_daily %s as
    select symbol, unit_guess, time_bucket('1 day', data_timestamp) as day, first(open_interest_value, data_timestamp) as open,
      max(open_interest_value) as high, min(open_interest_value) as low, last(open_interest_value, data_timestamp) as close
    from open_interest_data group by symbol, unit_guess, time_bucket('1 day', data_timestamp) with no data $view$, kind);
end $$;
