-- INTERVAL-TEXT
select set_chunk_time_interval('ohlcv_data', interval '365 days');

-- Which series there are. A distinct reads every candle, of which there are millions in few series. In the Timescale edition
-- compressed rows are counted by the batch; the count keeps the planner from reading them one by one. The Apache edition
-- asks the key's index for the next series after each.
do $$
begin
  if current_setting('timescaledb.license') = 'timescale' then
    create view ohlcv_series as select symbol, timeframe from ohlcv_data group by symbol, timeframe having count(*) > 0;
  else
    create view ohlcv_series as
    with recursive series as (
      (select symbol, timeframe from ohlcv_data order by symbol, timeframe limit 1)
      union all
      select next.symbol, next.timeframe from series, lateral (
        select symbol, timeframe from ohlcv_data
        where (symbol, timeframe) > (series.symbol, series.timeframe) order by symbol, timeframe limit 1) as next
    )
    select symbol, timeframe from series;
  end if;
end $$;
