import { describe, expect, it } from 'vitest';
import { type Batch, batches } from '../../jobs/engine/batches.ts';
import type { KeyedRow } from '../../jobs/engine/mapping.ts';
import { Parents } from '../../jobs/engine/parents.ts';
import type { Raw, SourceRecord } from '../../jobs/sources/source.ts';
import { trdinger } from '../../jobs/systems/trdinger/index.ts';
import { outcome, readerOf, record, scopeOf } from '../records.ts';

const tableNamed = (name: string) => trdinger.tables.find(({ table }) => table === name)!;
const fieldOf = (table: string, column: string) =>
  tableNamed(table).fields.find((field) => field.column === column)!;
const bytes = (text: string) => Buffer.from(text);
const ohlcv = tableNamed('ohlcv_data');

/** 2025-06-02 plus so many hours, as the program writes times. */
const at = (hours: number) =>
  new Date(Date.UTC(2025, 5, 2) + hours * 3_600_000).toISOString().replace('T', ' ').replace('Z', '000');

interface Bar {
  readonly symbol?: string;
  readonly timeframe?: string;
  readonly timestamp: string;
  /** Open, high, low, close, volume. */
  readonly values?: readonly number[];
  readonly created?: string | null;
}

/** Bars in the order given, numbered from 1. */
function bars(...all: readonly Bar[]): SourceRecord[] {
  return all.map(({ symbol = 'BTC/USDT:USDT', timeframe = '1h', timestamp, values, created }, i) => {
    const [open, high, low, close, volume] = values ?? [i + 1, i + 2, i + 0.5, i + 1.5, 10 + i];
    const fields: Record<string, Raw> = {
      id: BigInt(i + 1),
      symbol: bytes(symbol),
      timeframe: bytes(timeframe),
      timestamp: bytes(timestamp),
      ...{ open, high, low, close, volume },
      created_at: created === null ? null : bytes(created ?? '2026-01-01 00:00:00'),
      updated_at: null,
    };
    return record(fields, `ohlcv_data rowid ${i + 1}`);
  });
}

async function load(records: readonly SourceRecord[], from = 0, rows = 1000) {
  const found: Batch[] = [];
  for await (const batch of batches(ohlcv, readerOf(records, false), new Parents(), { rows, from }))
    found.push(batch);
  const ids = (locators: readonly { readonly locator: string }[]) =>
    locators.map(({ locator }) => Number(locator.split(' ').at(-1)));
  return {
    stored: ids(found.flatMap((batch) => batch.starts.map((_, i) => ({ locator: batch.locator(i) })))),
    merged: found.flatMap(({ merged }) => merged),
    rejected: found.flatMap(({ rejected }) =>
      rejected.map(({ locator, code }) => [ids([{ locator }])[0], code]),
    ),
    notes: found.map(({ notes }) => notes),
  };
}

describe('symbols (H1) and timeframes (H13)', () => {
  const symbol = (raw: string) =>
    ['symbol', 'source_symbol'].map((column) => String(outcome(fieldOf('ohlcv_data', column), bytes(raw))));
  const timeframe = (raw: string) =>
    ['timeframe', 'source_timeframe'].map((column) =>
      String(outcome(fieldOf('ohlcv_data', column), bytes(raw))),
    );

  it.each(['BTC', 'ETH'])('the spellings of %s lead to one, and what the source had stays', (base) => {
    for (const alias of [
      `${base}USDT`,
      `${base}-USDT`,
      `${base}USDT_PERP`,
      `${base}/USDT`,
      `${base}/USDT:USDT`,
    ]) {
      expect(symbol(alias)).toEqual([`${base}/USDT:USDT`, alias]);
    }
  });

  it.each(['SOL/USDT:USDT', 'SOLUSDT', 'btcusdt', 'BTCUSD', 'BTC/USDC:USDC', ' BTCUSDT', ''])(
    'nothing is guessed of %j',
    (raw) => {
      expect(symbol(raw)).toEqual([raw, raw]);
    },
  );

  it('letter case of a timeframe does not count, but a month is no minute', () => {
    expect(['1D', '15M', '30M', '1H', '4H', '1d'].map((raw) => timeframe(raw)[0])).toEqual([
      '1d',
      '15m',
      '30m',
      '1h',
      '4h',
      '1d',
    ]);
    expect(timeframe('1D')[1]).toBe('1D');
    expect(timeframe('1M')).toEqual(['1M', '1M']);
  });

  it('a name that is no text, or that PostgreSQL cannot hold, is refused', () => {
    const field = fieldOf('ohlcv_data', 'symbol');
    expect([5n, null, bytes('A\0B'), Buffer.from([0xe6])].map((raw) => outcome(field, raw))).toEqual([
      'WRONG_TYPE',
      'WRONG_TYPE',
      'NUL_CHARACTER',
      'INVALID_UTF8',
    ]);
  });

  it('every table stores both', () => {
    for (const table of [
      'funding_rate_data',
      'open_interest_data',
      'data_collection_log',
      'backtest_results',
    ]) {
      expect(String(outcome(fieldOf(table, 'symbol'), bytes('BTCUSDT')))).toBe('BTC/USDT:USDT');
      expect(String(outcome(fieldOf(table, 'source_symbol'), bytes('BTCUSDT')))).toBe('BTCUSDT');
    }
  });
});

describe('the time of a bar (H2, H3)', () => {
  /** What becomes of it: the reason, or the rules that were noted. */
  function time(timeframe: string, timestamp: string, created: string | null = '2026-01-01 00:00:00') {
    const scope = scopeOf({
      timeframe: bytes(timeframe),
      created_at: created === null ? null : bytes(created),
    });
    const found = outcome(fieldOf('ohlcv_data', 'timestamp'), bytes(timestamp), scope);
    return typeof found === 'string' ? found : scope.notes.map(({ rule }) => rule).join() || 'kept';
  }

  it.each([
    ['15m', '2025-06-02 00:15:00', 'kept'],
    ['15m', '2025-06-02 00:15:00.000000', 'kept'],
    ['1h', '2025-06-02 13:00:00', 'kept'],
    ['4h', '2025-06-02 20:00:00', 'kept'],
    ['1d', '2025-06-02 00:00:00', 'kept'],
    ['1D', '2025-06-02 00:00:00', 'kept'],
    ['1h', '1999-12-31 23:00:00', 'kept'],
    // Off the grid by less than an hour.
    ['15m', '2025-06-02 00:07:00', 'H2'],
    ['1h', '2025-06-02 01:00:00.123456', 'H2'],
    ['1h', '2025-06-02 00:30:00', 'H2'],
    ['1d', '2025-06-02 00:00:01', 'H2'],
    ['1h', '1999-12-31 23:59:59.999999', 'H2'],
    // By whole hours.
    ['4h', '2025-06-02 01:00:00', 'MISALIGNED_TIMESTAMP'],
    ['1d', '2025-06-02 09:00:00', 'MISALIGNED_TIMESTAMP'],
    ['1D', '2025-06-02 09:00:00', 'MISALIGNED_TIMESTAMP'],
    ['1d', '1999-12-31 09:00:00', 'MISALIGNED_TIMESTAMP'],
    // A timeframe whose length is not known has no grid.
    ['1w', '2025-06-03 01:02:03', 'kept'],
    ['1h', 'yesterday', 'BAD_TIMESTAMP'],
  ])('%s at %s: %s', (timeframe, timestamp, expected) => {
    expect(time(timeframe, timestamp)).toBe(expected);
  });

  it.each([
    ['2025-06-02 11:30:00', 'kept'], // the bar is stored half an hour early: a clock may be wrong by that
    ['2025-06-02 11:29:59', 'FUTURE_TIMESTAMP'],
    ['2025-06-02 03:00:00', 'FUTURE_TIMESTAMP'], // nine hours
    ['2025-06-02 12:00:00.000001', 'kept'],
    ['long ago', 'kept'], // a matter of created_at's own contract
  ])('a bar of 12:00 that was stored at %s: %s', (created, expected) => {
    expect(time('1h', '2025-06-02 12:00:00', created)).toBe(expected);
  });

  it('without created_at nothing says that it is too late', () => {
    expect(time('1h', '2999-06-02 12:00:00', null)).toBe('kept');
    expect(outcome(fieldOf('ohlcv_data', 'created_at'), bytes('long ago'))).toBe('BAD_TIMESTAMP');
  });

  it.each([
    ['funding_rate_data', 'funding_timestamp'],
    ['open_interest_data', 'data_timestamp'],
  ])('in %s the time is no later than the insertion either, and has no grid', (table, column) => {
    const field = fieldOf(table, column);
    const scope = (created: string) => scopeOf({ created_at: bytes(created) });
    expect(outcome(field, bytes('2025-06-02 12:34:56'), scope('2025-06-02 12:34:56'))).toBe(
      802_182_896_000_000,
    );
    expect(outcome(field, bytes('2025-06-02 12:34:56'), scope('2025-06-02 03:34:56'))).toBe(
      'FUTURE_TIMESTAMP',
    );
  });
});

describe('a bar that repeats the one nine hours earlier (H3)', () => {
  const same = [1, 2, 0.5, 1.5, 10];

  it('is set aside, the earlier one stays', async () => {
    const found = await load(
      bars({ timestamp: at(0), values: same }, { timestamp: at(1) }, { timestamp: at(9), values: same }),
    );
    expect(found.stored).toEqual([1, 2]);
    expect(found.rejected).toEqual([[3, 'SHIFTED_COPY']]);
  });

  it.each([
    ['eight hours earlier', { timestamp: at(8) }],
    ['ten hours earlier', { timestamp: at(10) }],
    ['of another symbol', { timestamp: at(9), symbol: 'ETH/USDT:USDT' }],
    ['of another timeframe', { timestamp: at(9), timeframe: '30m' }],
    ['with another volume', { timestamp: at(9), values: [1, 2, 0.5, 1.5, 11] }],
    ['with another open', { timestamp: at(9), values: [1.1, 2, 0.5, 1.5, 10] }],
  ])('is something else %s', async (_what, second) => {
    const name = (each: SourceRecord) => `${each.get('symbol')} ${each.get('timeframe')}`;
    const sorted = bars({ timestamp: at(0), values: same }, { values: same, ...second }).sort((a, b) =>
      Buffer.compare(bytes(name(a)), bytes(name(b))),
    );
    expect((await load(sorted)).rejected).toEqual([]);
  });

  it('is no copy where nothing was traded: such bars are all alike', async () => {
    const flat = [5, 5, 5, 5, 0];
    const found = await load(bars({ timestamp: at(0), values: flat }, { timestamp: at(9), values: flat }));
    expect(found.stored).toEqual([1, 2]);
  });

  it('is found under another spelling of its symbol', async () => {
    const found = await load(
      bars({ timestamp: at(0), values: same }, { timestamp: at(9), values: same, symbol: 'BTCUSDT' }),
    );
    expect(found.rejected).toEqual([[2, 'SHIFTED_COPY']]);
  });

  it('is found again wherever a load goes on, however many spellings each bar has', async () => {
    const symbols = ['BTC/USDT:USDT', 'BTCUSDT', 'BTC-USDT', 'BTCUSDT_PERP', 'BTC/USDT'];
    const all: Bar[] = [];
    // Ten hours of the shortest bars under all their names; those of the last hour repeat the first.
    for (let quarter = 0; quarter < 40; quarter++) {
      for (const timeframe of ['15m', '15M']) {
        for (const symbol of symbols) {
          for (const timestamp of [at(quarter / 4), at(quarter / 4).slice(0, 19)]) {
            const price = quarter % 36;
            all.push({ symbol, timeframe, timestamp, values: [price, price + 1, price, price, 7] });
          }
        }
      }
    }
    const records = bars(...all).sort((a, b) =>
      Buffer.compare(a.get('timestamp') as Buffer, b.get('timestamp') as Buffer),
    );
    const whole = await load(records);
    expect(whole.rejected.map(([, code]) => code)).toEqual(Array(80).fill('SHIFTED_COPY'));
    for (const from of [720, 721, 740, 799]) {
      const rest = await load(records, from);
      const ids = records.slice(from).map((each) => Number(each.get('id')));
      expect(rest.rejected.map(([id]) => id)).toEqual(ids);
    }
  });
});

describe('bars of one key (H1, H2, H13)', () => {
  const first = { timestamp: at(0), values: [1, 2, 0.5, 1.5, 10] };
  const other = { timestamp: at(0), values: [1, 2, 0.5, 1.7, 20] };

  const verdict = async (...all: readonly Bar[]) => {
    const { stored, merged } = await load(bars(...all));
    return {
      stored,
      merged: merged.map(({ locator, winner, rule, identical }) => [
        ...[locator, winner].map((text) => Number(text.split(' ').at(-1))),
        rule,
        identical,
      ]),
    };
  };

  it('the canonical symbol stays, whichever was stored first', async () => {
    expect(await verdict(first, { ...other, symbol: 'BTCUSDT' })).toEqual({
      stored: [1],
      merged: [[2, 1, 'H1', false]],
    });
    expect(await verdict({ ...other, symbol: 'BTCUSDT' }, first)).toEqual({
      stored: [2],
      merged: [[1, 2, 'H1', false]],
    });
  });

  it('whether the values differ is told: the spelling alone is no difference', async () => {
    expect((await verdict(first, { ...first, symbol: 'BTC/USDT' })).merged).toEqual([[2, 1, 'H1', true]]);
  });

  it('without the canonical symbol the lower id stays', async () => {
    expect(await verdict({ ...first, symbol: 'BTC/USDT' }, { ...other, symbol: 'BTCUSDT' })).toEqual({
      stored: [1],
      merged: [[2, 1, 'H1', false]],
    });
  });

  it('of three, two give way to the canonical one', async () => {
    const three = [{ ...first, symbol: 'BTC/USDT' }, { ...other, symbol: 'BTCUSDT' }, first];
    expect(await verdict(...three)).toEqual({
      stored: [3],
      merged: [
        [2, 1, 'H1', false],
        [1, 3, 'H1', true],
      ],
    });
  });

  it('the canonical timeframe stays', async () => {
    const day = { timestamp: '2025-06-02 00:00:00.000000' };
    expect(
      await verdict({ ...first, ...day, timeframe: '1D' }, { ...first, ...day, timeframe: '1d' }),
    ).toEqual({
      stored: [2],
      merged: [[1, 2, 'H13', true]],
    });
  });

  it('the two text forms of an instant are one key, the lower id stays', async () => {
    expect(await verdict({ ...first, timestamp: at(0).slice(0, 19) }, other)).toEqual({
      stored: [1],
      merged: [[2, 1, 'H2', false]],
    });
  });

  it('0.0 and -0.0 are not the same value, NaN is itself', () => {
    const row = (volume: number): KeyedRow => ({
      record: bars(first)[0]!,
      value: (column) =>
        ({
          source_symbol: 'BTCUSDT',
          source_timeframe: '1h',
          open: Number.NaN,
          high: 1,
          low: 1,
          close: 1,
          volume,
        })[column],
    });
    expect(ohlcv.duplicates!(row(0), row(-0), false).identical).toBe(false);
    expect(ohlcv.duplicates!(row(0), row(0), false).identical).toBe(true);
  });
});

describe('other rules', () => {
  it('open interest is guessed to be in quote currency or in contracts, the value is kept (H8)', () => {
    const guess = (value: number) =>
      outcome(
        fieldOf('open_interest_data', 'unit_guess'),
        undefined,
        scopeOf({ open_interest_value: value }),
      );
    expect([1.02e9, 1e7, 9_999_999, 5e4, 0].map(guess)).toEqual([
      'quote',
      'quote',
      'contracts',
      'contracts',
      'contracts',
    ]);
  });

  it('a strategy without its experiment is set aside, one without its backtest is kept (H7)', () => {
    expect(outcome(fieldOf('generated_strategies', 'experiment_id'), 999n)).toBe('ORPHAN_EXPERIMENT');
    const scope = scopeOf({}, { 'backtest_results 5': 5n });
    const field = fieldOf('strategy_showcase', 'backtest_result_id');
    expect([777n, 5n, null].map((raw) => outcome(field, raw, scope))).toEqual([null, 5n, null]);
    expect(scope.notes).toEqual([{ rule: 'H7', path: 'backtest_result_id', was: '777' }]);
  });

  it('series are keyed by symbol and time, everything else by its id', () => {
    expect(Object.fromEntries(trdinger.tables.map(({ table, key }) => [table, key.join()]))).toEqual({
      ohlcv_data: 'symbol,timeframe,timestamp',
      funding_rate_data: 'symbol,funding_timestamp',
      open_interest_data: 'symbol,data_timestamp',
      data_collection_log: 'id',
      backtest_results: 'id',
      ga_experiments: 'id',
      generated_strategies: 'id',
      strategy_showcase: 'id',
      strategy_templates: 'id',
    });
  });
});
