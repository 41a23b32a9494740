-- INTERVAL-TEXT
select set_chunk_time_interval('ohlcv_data', interval '90 days');

-- Which series there are. A distinct would read every candle; this asks the key's index for the next series after each.
create view ohlcv_series as
with recursive series as (
  (select symbol, timeframe from ohlcv_data order by symbol, timeframe limit 1)
  union all
  select next.symbol, next.timeframe from series, lateral (
    select symbol, timeframe from ohlcv_data
    where (symbol, timeframe) > (series.symbol, series.timeframe) order by symbol, timeframe limit 1) as next
)
select symbol, timeframe from series;
