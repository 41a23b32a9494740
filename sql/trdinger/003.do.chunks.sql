-- Chunks of a year, where a week was too little: that is 1,225 candles of a symbol, and eight years of them are 411 chunks,
-- each of which every query of a series has to be planned for. Of 5 million candles (ten symbols) a year a chunk takes 0.01 of
-- the time to plan such a query, 0.73 of the processor to COPY them, 0.5 to index and 0.2 to vacuum them; compressed they
-- take 0.76 of the space, as a batch of compressed rows is within a chunk. A chunk of ten symbols is then 140 MB, of the one
-- symbol of the application 14 MB. It is compressed a month after its year has ended. Only chunks that are new are as long:
-- a table with rows keeps its weeks beside them. The other two have still fewer rows: 90 in a month of settlements.
select set_chunk_time_interval('ohlcv_data', interval '365 days');
select set_chunk_time_interval('funding_rate_data', interval '365 days');
select set_chunk_time_interval('open_interest_data', interval '365 days');

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
