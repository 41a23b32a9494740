import Database from 'libsql';
import { type Random, random } from '../jobs/sample/random.ts';

/** What can happen to a candle between two snapshots; each is given the id of a candle and answers SQL. */
const KINDS: readonly ((id: number, random: Random) => string)[] = [
  (id) => `update ohlcv_data set volume = volume + 1 where id = ${id}`,
  // Not one of the columns that are the key, and none that a watcher looks at.
  (id) => `update ohlcv_data set updated_at = '2025-06-13 00:00:00' where id = ${id}`,
  // Its key, by one bar, by many, and by its text alone.
  (id) => moved(id, '-1 hours'),
  (id) => moved(id, '-20 hours'),
  (id) =>
    `update or ignore ohlcv_data set timestamp = substr(timestamp, 1, 19) where id = ${id} and timestamp like '%.000000'`,
  // Its spelling: it may meet another of that key, or become another series.
  (id) => `update or ignore ohlcv_data set symbol = replace(symbol, '/USDT:USDT', 'USDT') where id = ${id}`,
  (id) => `update or ignore ohlcv_data set symbol = 'BTC/USDT:USDT' where id = ${id}`,
  (id) => `update or ignore ohlcv_data set timeframe = upper(timeframe) where id = ${id}`,
  (id) => `delete from ohlcv_data where id = ${id}`,
  (id) => `delete from ohlcv_data where rowid between ${id} and ${id} + 5`,
  // A duplicate under another spelling: equal, and with another volume.
  (id) => copied(id, { symbol: `replace(symbol, '/USDT:USDT', 'USDT')` }),
  (id) => copied(id, { symbol: `replace(symbol, '/USDT:USDT', '-USDT')`, volume: 'volume * 2' }),
  (id) => copied(id, { timeframe: 'upper(timeframe)', close: 'close + 1' }),
  // A copy of the bar nine hours before, as a new one and over the one that is there.
  (id) => copied(id, { timestamp: later('+9 hours') }),
  (id) => shifted(id, '+9 hours'),
  (id) => shifted(id, '+8 hours'),
  (id) => `${shifted(id, '+9 hours')}; ${shifted(id, '+18 hours')}`,
  // Before the first, behind the last, and in series of their own.
  (id) => copied(id, { timestamp: `'2001-01-01 00:00:00.000000'` }),
  (id) => copied(id, { timestamp: `'2025-06-11 12:00:00.000000'` }),
  (id, random) => copied(id, { symbol: `'S${random.int(0, 9)}/USDT'` }),
  (id) => copied(id, { symbol: `'AAA'` }),
  // What a contract refuses, notes, or takes again.
  (id) => `update ohlcv_data set close = 'none' where id = ${id}`,
  (id) => `update ohlcv_data set close = 9e999 where id = ${id}`,
  (id) => `update ohlcv_data set created_at = '2001-01-01 00:00:00' where id = ${id}`,
  (id) => `update or ignore ohlcv_data set timestamp = 'some day' where id = ${id}`,
  (id) => `update or ignore ohlcv_data set symbol = x'ff' || id where id = ${id}`,
  (id) => moved(id, '+17 minutes'),
  (id) => moved(id, '-1 hours', `timeframe in ('4h', '1d')`),
  () =>
    `update ohlcv_data set close = 1 where id = (select id from ohlcv_data where typeof(close) = 'text' limit 1)`,
  () =>
    `update or ignore ohlcv_data set symbol = 'BTC/USDT:USDT' where id = (select id from ohlcv_data where typeof(symbol) = 'blob' limit 1)`,
  () => `update ohlcv_data set created_at = '2025-07-01 00:00:00' where created_at < '2002'`,
  // A whole series goes, or is another one from now on.
  () => `delete from ohlcv_data where symbol = 'ETH/USDT:USDT' and timeframe = '1d'`,
  (id) => `update or ignore ohlcv_data set symbol = 'NEW' where symbol = (select symbol from ohlcv_data
           where id = ${id} and symbol like 'S%')`,
  // The rows that say something of shifted copies and duplicates lie behind all ordinary ones.
  () =>
    `update ohlcv_data set open = open + 1 where timestamp between '2025-06-09 00:00' and '2025-06-09 01:30'`,
  () => `delete from ohlcv_data where timestamp between '2025-06-09 00:00' and '2025-06-09 00:30'`,
  () =>
    `delete from ohlcv_data where symbol = 'BTC/USDT:USDT' and timestamp between '2025-06-02 01:00' and '2025-06-02 02:30'`,
  // Other tables.
  (id) => `update funding_rate_data set mark_price = mark_price + 1 where id = ${id} % 20 + 1`,
  (id) => `delete from funding_rate_data where id = ${id} % 20 + 1`,
  (id) => `insert or ignore into funding_rate_data (symbol, funding_rate, funding_timestamp, timestamp)
    select 'BTCUSDT', funding_rate * 2, funding_timestamp, timestamp from funding_rate_data where id = ${id} % 20 + 1`,
  (id) => `update or ignore open_interest_data set symbol = 'ETHUSDT' where id = ${id} % 20 + 1`,
  (id) => `update strategy_templates set name = name || '!' where id = ${id} % 3 + 1`,
];

const later = (by: string) => `strftime('%Y-%m-%d %H:%M:%S.000000', timestamp, '${by}')`;

const moved = (id: number, by: string, where = 'true') =>
  `update or ignore ohlcv_data set timestamp = ${later(by)} where ${where} and timestamp like '2%'
     and id >= ${id} and id <= ${id} + ${where === 'true' ? 0 : 300}`;

/** Another candle that is like one but for some columns, as SQL. */
function copied(id: number, columns: Readonly<Record<string, string>>): string {
  const names = ['symbol', 'timeframe', 'timestamp', 'open', 'high', 'low', 'close', 'volume', 'created_at'];
  return `insert or ignore into ohlcv_data (${names.join(', ')})
    select ${names.map((name) => columns[name] ?? name).join(', ')} from ohlcv_data
    where id = ${id} and timestamp like '2%'`;
}

/** Gives a bar's values to the one that lies so much later. */
const shifted = (id: number, by: string) => `
  update ohlcv_data set (open, high, low, close, volume) =
    (select open, high, low, close, volume from ohlcv_data where id = ${id})
  where (symbol, timeframe, timestamp) = (select symbol, timeframe, ${later(by)} from ohlcv_data where id = ${id})
    and exists (select 1 from ohlcv_data where id = ${id})`;

/** Makes changes of random kinds to random candles of a legacy file. @returns what it did, as SQL */
export function changeCandles(file: string, seed: number, changes: number): string[] {
  const r = random(seed, 'changes');
  const db = new Database(file);
  try {
    return Array.from({ length: changes }, () => {
      const ids = db.prepare('select id from ohlcv_data order by id').raw().all() as number[][];
      // Neighbours are often changed together.
      const near = r.int(0, ids.length - 1);
      const id = ids[Math.min(ids.length - 1, near + r.int(0, 3))]![0]!;
      const sql = KINDS[r.int(0, KINDS.length - 1)]!(id, r);
      db.exec(sql);
      return sql;
    });
  } finally {
    db.close();
  }
}
