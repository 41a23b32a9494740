import type { EngineCheck, TargetCheck } from '../../engine/mapping.ts';
import { BAR_SECONDS, canonicalSql, SYMBOLS, TIMEFRAMES } from './symbols.ts';

const stepSql = `case timeframe ${[...BAR_SECONDS].map(([name, seconds]) => `when '${name}' then ${seconds}`).join(' ')} end`;

/**
 * Bars of each series, and how many are missing between its first and its last one; one dialect for both engines. Gap by
 * gap it would take a sort of all bars, and tell no more: no two bars of a series have one time.
 * @param bars SQL of series and `at`, in seconds since 1970
 */
const barsSql = (bars: string) => `
  select symbol, timeframe, count(*), (max(at) - min(at)) / ${stepSql} + 1 - count(*)
  from (${bars}) as bars group by symbol, timeframe order by symbol, timeframe`;

/** H11: a series has as many bars, and as many missing, before and after. */
export const gaps: EngineCheck = {
  name: 'bars of each series, and missing ones',
  table: 'ohlcv_data',
  source: barsSql(
    `select ${canonicalSql('symbol', SYMBOLS)} as symbol, ${canonicalSql('timeframe', TIMEFRAMES)} as timeframe,
       unixepoch(substr(timestamp, 1, 19)) as at
     from ohlcv_data where rowid not in (select id from temp.set_aside) limit -1`,
  ),
  target: barsSql(
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
