import type { EngineCheck, TargetCheck } from '../../engine/mapping.ts';
import { BAR_SECONDS, canonicalSql, SYMBOLS, TIMEFRAMES } from './symbols.ts';

const stepSql = `case timeframe ${[...BAR_SECONDS].map(([name, seconds]) => `when '${name}' then ${seconds}`).join(' ')} end`;

/**
 * Bars that are missing between the first and the last of each series; one dialect for both engines.
 * @param bars SQL of series and `at`, in seconds since 1970
 */
const gapSql = (bars: string) => `
  select symbol, timeframe, count(*), cast(sum(missing) as bigint) from (
    select symbol, timeframe,
      (at - lag(at) over (partition by symbol, timeframe order by at)) / ${stepSql} - 1 as missing
    from (${bars}) as bars) as steps
  where missing > 0 group by symbol, timeframe order by symbol, timeframe`;

/** H11: a series has the same gaps before and after. */
export const gaps: EngineCheck = {
  name: 'gaps in each series',
  table: 'ohlcv_data',
  source: gapSql(
    `select ${canonicalSql('symbol', SYMBOLS)} as symbol, ${canonicalSql('timeframe', TIMEFRAMES)} as timeframe,
       unixepoch(timestamp) as at
     from ohlcv_data where rowid not in (select id from temp.set_aside) limit -1`,
  ),
  target: gapSql(
    `select symbol collate "C" as symbol, timeframe collate "C" as timeframe,
       date_part('epoch', date_trunc('second', timestamp))::bigint as at
     from public.ohlcv_data`,
  ),
};

const hypertable = (table: string, column: string): TargetCheck => ({
  name: 'hypertable partitioned by time',
  table,
  sql: `select column_name || ' every ' || extract(epoch from time_interval)::bigint / 86400 || ' days'
        from timescaledb_information.dimensions
        where hypertable_schema = 'public' and hypertable_name = '${table}' and dimension_number = 1`,
  expect: `${column} every 365 days`,
});

export const layout: readonly TargetCheck[] = [
  hypertable('ohlcv_data', 'timestamp'),
  hypertable('funding_rate_data', 'funding_timestamp'),
  hypertable('open_interest_data', 'data_timestamp'),
];
