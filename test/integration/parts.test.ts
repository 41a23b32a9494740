import { beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import {
  accountsOf,
  asAdmin,
  candleStore,
  dropSystems,
  dump,
  emptyTarget,
  run,
  scratch,
  stoppedIn,
  systemNamed,
} from './harness.ts';

describe('a large table in parts', () => {
  const platform = inject('platform');
  const system = systemNamed('trdinger');
  const table = 'public.ohlcv_data';
  let home: string;
  let source: string;
  let budget: number;
  let onOneThread: Record<string, string>;
  let accounts: unknown;

  const steps = (names: string[], threads = 2, signal?: AbortSignal) =>
    run(platform, home, {
      ...{ system: 'trdinger', steps: names, source, budget, signal },
      ...{ threads, partRows: 1, batchRows: 50 },
    });
  const rows = (sql: string) =>
    asAdmin(platform, system.database, async (client) => (await client.query(sql)).rows);
  const ledger = () => accountsOf(rows);

  beforeAll(async () => {
    home = await scratch();
    await dropSystems(platform);
    ({ source, budget } = await candleStore(7, 1500));
    expect((await steps(['backup', 'provision', 'schema', 'load'], 1)).error).toBeUndefined();
    onOneThread = await dump(platform, system);
    accounts = await ledger();
    expect(await rows('select count(*)::int as n from migration.part')).toEqual([
      { n: system.tables.length },
    ]);
  });

  beforeEach(() => emptyTarget(platform, system));

  it('has the same rows and the same accounts as on one thread', async () => {
    const report = await steps(['load']);
    expect(report.error).toBeUndefined();
    expect(await dump(platform, system)).toEqual(onOneThread);
    expect(await ledger()).toEqual(accounts);
    const parts = await rows(
      `select part, from_position, to_position from migration.part where table_name = 'ohlcv_data' order by part`,
    );
    expect(parts.length).toBeGreaterThan(4);
    const bounds = parts
      .flatMap(({ from_position, to_position }) => [from_position, to_position])
      .map(Number);
    expect(bounds.slice(1, -1).filter((_, i) => i % 2 === 0)).toEqual(
      bounds.slice(1, -1).filter((_, i) => i % 2 === 1),
    );
    expect([bounds[0], bounds.at(-1)]).toEqual([0, report.tables[table]!.source]);
    // As many sessions took part as there are threads.
    expect(await rows('select count(*)::int as n from migration.batch where sha256 is null')).toEqual([
      { n: 0 },
    ]);
  });

  it.each([1, 3])('stopped on two threads goes on with %i, from where each part was', async (threads) => {
    const stopped = await stoppedIn('ohlcv_data', rows, (signal) => steps(['load'], 2, signal));
    const before = await rows('select * from migration.batch order by table_name, n');
    expect(before.length).toBeGreaterThan(2);
    const report = await steps(['load', 'index', 'verify'], threads);
    expect(report.error).toBeUndefined();
    expect(await dump(platform, system)).toEqual(onOneThread);
    expect(await ledger()).toEqual(accounts);
    // Nothing that was committed was done again.
    const committed = before.map(({ table_name, n }) => `${table_name} ${n}`);
    const after = await rows('select * from migration.batch order by table_name, n');
    expect(after.filter(({ table_name, n }) => committed.includes(`${table_name} ${n}`))).toEqual(before);
    expect(stopped.error?.code ?? 'interrupted').toBe('interrupted');
  });

  it('a part that fails ends the load with its reason, and the next one goes on', async () => {
    await rows(`create function refuse() returns trigger language plpgsql as $$
                begin raise exception 'the disk is full' using errcode = '53100'; end $$`);
    await rows(`create trigger refuse before insert on ohlcv_data for each row
                when (new.symbol = 'ETH/USDT:USDT' and new.timeframe = '4h') execute function refuse()`);
    const failed = await steps(['load']);
    expect(failed.error?.code).toBe('target');
    expect(failed.error?.message).toContain('the disk is full');
    await rows('drop trigger refuse on ohlcv_data; drop function refuse()');
    expect((await steps(['load'])).error).toBeUndefined();
    expect(await dump(platform, system)).toEqual(onOneThread);
    expect(await ledger()).toEqual(accounts);
  });

  it('is compared part by part: each difference is found once, before, between and behind the parts too', async () => {
    expect((await steps(['load', 'index', 'verify'])).error).toBeUndefined();
    const candle = (symbol: string, timeframe: string) =>
      `insert into ohlcv_data (symbol, timeframe, timestamp, open, high, low, close, volume, source_symbol, source_timeframe)
       values ('${symbol}', '${timeframe}', '2020-01-01', 1, 2, 0, 1, 5, '${symbol}', '${timeframe}')`;
    for (const [symbol, timeframe] of [
      ['AAA', '1h'],
      ['BTC/USDT:USDT', '1a'],
      ['BTC/USDT:USDT', '1h'],
      ['ZZZ', '1h'],
    ] as const) {
      await rows(candle(symbol, timeframe));
    }
    await rows(`delete from ohlcv_data where ctid = (select ctid from ohlcv_data where symbol = 'ETH/USDT:USDT'
                and timeframe = '15m' order by timestamp limit 1)`).catch(() => {});
    await rows(`update ohlcv_data set close = close + 1 where (symbol, timeframe, timestamp) =
                (select symbol, timeframe, timestamp from ohlcv_data where timeframe = '1d' order by timestamp desc limit 1)`);
    const alone = await steps(['verify'], 1);
    const together = await steps(['verify'], 3);
    expect(alone.error?.code).toBe('differences');
    expect(together.tables[table]!.differences).toBe(alone.tables[table]!.differences);
    const wrong = alone.checks.filter(({ ok }) => !ok).map(({ name }) => name);
    expect(wrong).toEqual(
      expect.arrayContaining(['bars of each series, and missing ones', 'sum(close)', 'min(timestamp)']),
    );
    expect(together.checks).toEqual(alone.checks);
    expect(together.tables[table]!.differences).toBeGreaterThanOrEqual(5);
    expect(together.error?.message.replace(/; check .*/s, '')).toBe(
      alone.error?.message.replace(/; check .*/s, ''),
    );
  });
});
