import { ofAll, type Query, same } from './query.ts';

const SYMBOL = 'BTC/USDT:USDT';
const SERIES = `symbol = '${SYMBOL}' and timeframe = '1h'`;
const BAR = 'timestamp, open, high, low, close, volume';
/** Both ends belong to a range; the sample's ordinary candles end with May 2025. */
const MONTH = `between '2025-02-01 00:00:00.000000' and '2025-03-01 00:00:00.000000'`;

const latest = (value: string, table: string, time: string) =>
  `(select ${value} from ${table} as past where past.symbol = bar.symbol and past.${time} <= bar.timestamp
    order by past.${time} desc limit 1)`;

const fittest = (order: string) =>
  `select * from generated_strategies where experiment_id = 3 order by fitness_score ${order} limit 100`;

const showcase = (active: string, order: string) =>
  `select * from strategy_showcase where ${active} and category = 'breakout' order by sharpe_ratio ${order} limit 20`;

const figures = (active: string) =>
  `select category, count(*), avg(expected_return), avg(sharpe_ratio) from strategy_showcase where ${active} group by category`;

/** A fetch of 1,000 hours, of which the first half is there already. The application wrote row by row. */
function fetched(columns: string, more: string): string {
  const first = Date.UTC(2025, 5, 1) - 500 * 3_600_000;
  const rows = Array.from({ length: 1000 }, (_, at) => {
    const time = new Date(first + at * 3_600_000).toISOString().replace('T', ' ').replace('Z', '000');
    return `('${SYMBOL}', '1h', '${time}', 1, 2, 0.5, 1.5, 10${more})`;
  });
  return `insert into ohlcv_data (symbol, timeframe, ${BAR}${columns}) values ${rows.join(',')} on conflict do nothing`;
}

/** What trdinger asks all the time; times are without a zone in SQLite, and in UTC here. */
export const trdingerQueries: readonly Query[] = [
  same('oldest candles', `select ${BAR} from ohlcv_data where ${SERIES} order by timestamp limit 1000`),
  same(
    'candles of a month',
    `select ${BAR} from ohlcv_data where ${SERIES} and timestamp ${MONTH} order by timestamp limit 1000`,
  ),
  same('newest time of a series', `select max(timestamp) from ohlcv_data where ${SERIES}`),
  same(
    'range of a series',
    `select min(timestamp), max(timestamp), count(*) from ohlcv_data where ${SERIES}`,
  ),
  {
    ...same(
      'range of every series',
      'select symbol, timeframe, min(timestamp), max(timestamp), count(*) from ohlcv_data group by symbol, timeframe',
    ),
    whole: true,
    spellings: true,
  },
  {
    name: 'symbols',
    sqlite: ['select distinct symbol from ohlcv_data'],
    postgres: ['select distinct symbol from ohlcv_series'],
    spellings: true,
  },
  // The application joins the three in its own memory.
  same(
    'series of a backtest',
    `select ${BAR} from ohlcv_data where ${SERIES} order by timestamp`,
    `select data_timestamp, open_interest_value from open_interest_data where symbol = '${SYMBOL}' order by data_timestamp`,
    `select funding_timestamp, funding_rate from funding_rate_data where symbol = '${SYMBOL}' order by funding_timestamp`,
  ),
  same(
    'as-of join of a month',
    `select ${BAR}, ${latest('open_interest_value', 'open_interest_data', 'data_timestamp')} as interest,
       ${latest('funding_rate', 'funding_rate_data', 'funding_timestamp')} as rate
     from ohlcv_data as bar where ${SERIES} and timestamp ${MONTH} order by timestamp`,
  ),
  same('newest backtests', 'select * from backtest_results order by created_at desc limit 20'),
  same(
    'backtests of a series',
    `select * from backtest_results where ${SERIES} order by created_at desc limit 20`,
  ),
  same('a backtest', 'select * from backtest_results where id = 5'),
  {
    name: 'fittest of an experiment',
    sqlite: [fittest('desc')],
    // SQLite has null last on desc, PostgreSQL first.
    postgres: [fittest('desc nulls last')],
  },
  same(
    'a generation of an experiment',
    'select * from generated_strategies where experiment_id = 3 and generation = 49 order by id',
  ),
  {
    name: 'showcase by sharpe ratio',
    sqlite: [showcase('is_active = 1', 'desc')],
    postgres: [showcase('is_active', 'desc nulls last')],
  },
  ofAll({
    name: 'figures of the showcase',
    sqlite: [figures('is_active = 1')],
    postgres: [figures('is_active')],
  }),
  {
    name: 'insert of 1,000 candles',
    sqlite: [fetched('', '')],
    postgres: [fetched(', source_symbol, source_timeframe', `, '${SYMBOL}', '1h'`)],
    writes: true,
  },
  { ...same('delete of a series', `delete from ohlcv_data where ${SERIES}`), writes: true },
  { ...same('delete of a symbol', `delete from ohlcv_data where symbol = '${SYMBOL}'`), writes: true },
  { ...same('delete of a timeframe', `delete from ohlcv_data where timeframe = '4h'`), writes: true },
  {
    name: 'delete of all candles',
    sqlite: ['delete from ohlcv_data'],
    postgres: ['truncate ohlcv_data'],
    writes: true,
    whole: true,
  },
];
