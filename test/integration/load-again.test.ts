import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'libsql';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import {
  asAdmin,
  copyOfLegacy,
  dropSystems,
  dump,
  emptyTarget,
  run,
  scratch,
  systemNamed,
  writers,
} from './harness.ts';

/** What the bad records of the test data need, in either system. */
const BUDGET = 11;

/** What became of the rows of a target between two looks at it. */
function difference(before: Map<string, string>, after: Map<string, string>) {
  return {
    written: [...after]
      .filter(([row, xmin]) => before.has(row) && before.get(row) !== xmin)
      .map(([row]) => row),
    added: [...after.keys()].filter((row) => !before.has(row)),
    gone: [...before.keys()].filter((row) => !after.has(row)),
  };
}

describe.each(['trdinger', 'lightning-talk'])('%s, loaded again', (name) => {
  const platform = inject('platform');
  const system = systemNamed(name);
  let home: string;
  let source: string;

  const steps = (names?: string[], batchRows?: number, reload?: boolean) =>
    run(platform, home, { system: name, steps: names, source, budget: BUDGET, batchRows, reload });

  /** Loads what the source is now. @returns what was written, and the report */
  const loadedNow = async (reload = false) => {
    const before = await writers(platform, system);
    const report = await steps(['backup', 'load'], undefined, reload);
    expect(report.error).toBeUndefined();
    const became = difference(before, await writers(platform, system));
    expect((await steps(['index', 'verify'])).error).toBeUndefined();
    const tables = Object.entries(report.tables).map(([table, { inserted, updated, removed }]) => [
      table.replace('public.', ''),
      { inserted, updated, removed },
    ]);
    const touched = tables.filter(([, counts]) => Object.values(counts!).some((n) => n > 0));
    return { ...became, report, touched: Object.fromEntries(touched) as Record<string, unknown> };
  };

  beforeAll(async () => {
    home = await scratch();
    source = await copyOfLegacy();
    await dropSystems(platform);
    expect((await steps()).error).toBeUndefined();
  });

  it('the same snapshot writes no row, and says so', async () => {
    const before = await writers(platform, system);
    const batches = () =>
      asAdmin(platform, system.database, async (client) => {
        const { rows } = await client.query('select xmin::text, * from migration.batch');
        return rows;
      });
    const ledger = await batches();
    const report = await steps();
    expect(report.error).toBeUndefined();
    expect(difference(before, await writers(platform, system))).toEqual({ written: [], added: [], gone: [] });
    expect(await batches()).toEqual(ledger);
    for (const table of Object.values(report.tables)) {
      expect(table).toMatchObject({ inserted: 0, updated: 0, removed: 0 });
      expect(table.unchanged).toBe(table.source - table.merged - table.quarantined);
    }
  });

  it('in batches of 1, 7 or 10000 records, into nothing or over an earlier snapshot, is the same', async () => {
    const expected = await dump(platform, system);
    for (const batchRows of [1, 7]) {
      await emptyTarget(platform, system);
      expect((await steps(['load'], batchRows)).error).toBeUndefined();
      expect(await dump(platform, system)).toEqual(expected);
    }
    for (const batchRows of [7, 10_000]) {
      await asAdmin(platform, system.database, async (client) => {
        // As if other code had loaded rows that are wrong now.
        await client.query(`update migration.run set code = 'another'`);
        const { table } = system.tables[0]!;
        await client.query(`update public.${table} set updated_at = '2020-01-01', extra = '{"stale": true}'`);
      });
      const { error, tables } = await steps(['load'], batchRows);
      expect(error).toBeUndefined();
      const { source, updated, merged, quarantined } = tables[`public.${system.tables[0]!.table}`]!;
      expect(updated).toBe(source - merged - quarantined);
      expect(await dump(platform, system)).toEqual(expected);
    }
    expect((await steps(['index', 'verify'])).error).toBeUndefined();
  });

  it('interrupted after every single batch, is the same', async () => {
    const expected = await dump(platform, system);
    await emptyTarget(platform, system);
    let runs = 0;
    for (let ended = false; !ended; runs++) {
      const controller = new AbortController();
      const { signal } = controller;
      let asked = 0;
      // It is asked before the step and before each batch.
      signal.throwIfAborted = () => {
        if (++asked > 2) controller.abort();
        AbortSignal.prototype.throwIfAborted.call(signal);
      };
      const { error } = await run(platform, home, {
        system: name,
        steps: ['load'],
        budget: BUDGET,
        batchRows: 11,
        signal,
      });
      if (error) expect(error.exitCode).toBe(130);
      ended = !error;
    }
    const [{ batches }] = await asAdmin(platform, system.database, async (client) => {
      const { rows } = await client.query<{ batches: number }>(
        'select count(*)::int as batches from migration.batch',
      );
      return rows as [{ batches: number }];
    });
    expect(runs).toBe(batches);
    expect(await dump(platform, system)).toEqual(expected);
    expect((await steps(['index', 'verify'])).error).toBeUndefined();
  });

  if (name === 'trdinger') {
    const change = (sql: string) => {
      const store = new Database(join(source, 'trdinger', 'trdinger.db'));
      // The legacy program never enforced foreign keys; this driver does.
      store.exec(`pragma foreign_keys = off; ${sql}`);
      store.close();
    };
    const candle = `symbol = 'BTC/USDT:USDT' and timeframe = '1h' and timestamp = '2025-06-02 05:00:00.000000'`;
    const row = /^ohlcv_data \(BTC\/USDT:USDT,1h,"2025-06-02 05:00:00\+00"\)$/;

    it('one changed candle writes its row alone', async () => {
      change(`update ohlcv_data set close = close + 0.25 where ${candle}`);
      const { written, added, gone, touched, report } = await loadedNow();
      expect(written).toEqual([expect.stringMatching(row)]);
      expect([...added, ...gone]).toEqual([]);
      expect(touched).toEqual({ ohlcv_data: { inserted: 0, updated: 1, removed: 0 } });
      const { source, unchanged, merged, quarantined } = report.tables['public.ohlcv_data']!;
      expect(unchanged).toBe(source - 1 - merged - quarantined);
    });

    it('a change of a column that no mapping knows writes that row alone', async () => {
      change(
        `alter table ohlcv_data add column note text; update ohlcv_data set note = 'checked' where ${candle}`,
      );
      const { written, touched } = await loadedNow();
      expect(written).toEqual([expect.stringMatching(row)]);
      expect(touched).toEqual({ ohlcv_data: { inserted: 0, updated: 1, removed: 0 } });
    });

    it('one added candle is inserted, one deleted candle removed and kept', async () => {
      change(`
        insert into ohlcv_data (symbol, timeframe, timestamp, open, high, low, close, volume, created_at, updated_at)
          select symbol, timeframe, '2025-06-02 21:00:00.000000', open + 1, high + 1, low, close, volume, created_at, updated_at
          from ohlcv_data where ${candle};
        delete from ohlcv_data where ${candle}`);
      const { written, added, gone, touched } = await loadedNow();
      expect(written).toEqual([]);
      expect(added).toEqual(['ohlcv_data (BTC/USDT:USDT,1h,"2025-06-02 21:00:00+00")']);
      expect(gone).toEqual([expect.stringMatching(row)]);
      expect(touched).toEqual({ ohlcv_data: { inserted: 1, updated: 0, removed: 1 } });
      const kept = await asAdmin(platform, system.database, (client) =>
        client.query(
          `select table_name, row->>'timestamp' as timestamp, row->'extra' as extra from migration.removed`,
        ),
      );
      expect(kept.rows).toEqual([
        { table_name: 'ohlcv_data', timestamp: '2025-06-02T05:00:00+00:00', extra: { note: 'checked' } },
      ]);
    });

    it('a negative zero that somebody wrote into the target is corrected by a reload, and nothing else', async () => {
      await asAdmin(platform, system.database, (client) =>
        client.query(
          `update funding_rate_data set funding_rate = '-0' where funding_timestamp = '2025-06-03 16:00:00+00'`,
        ),
      );
      change(`update ohlcv_data set close = close + 0.25 where timeframe = '1d' and timestamp = '2025-06-07 00:00:00.000000'
              and symbol = 'ETH/USDT:USDT'`);
      const { written, touched } = await loadedNow(true);
      expect(written.sort()).toEqual([
        'funding_rate_data (BTC/USDT:USDT,"2025-06-03 16:00:00+00")',
        expect.stringMatching(/^ohlcv_data \(ETH/),
      ]);
      expect(touched).toMatchObject({ funding_rate_data: { inserted: 0, updated: 1, removed: 0 } });
    });

    it('a template that was deleted and made again under its name is one removed and one inserted', async () => {
      change(`update strategy_templates set id = 900 where id = 2`);
      const { added, gone, touched } = await loadedNow();
      expect({ added, gone }).toEqual({ added: ['strategy_templates 900'], gone: ['strategy_templates 2'] });
      expect(touched).toEqual({ strategy_templates: { inserted: 1, updated: 0, removed: 1 } });
    });

    it('a result that was deleted is removed, though others still refer to it in the target', async () => {
      const referring = await asAdmin(platform, system.database, (client) =>
        client.query(`select backtest_result_id as id, count(*)::int as n from generated_strategies
                      where backtest_result_id is not null group by 1 order by 1 limit 1`),
      );
      const { id, n } = referring.rows[0]!;
      change(`delete from backtest_results where id = ${id}`);
      const { gone, touched } = await loadedNow();
      expect(gone).toEqual([`backtest_results ${id}`]);
      expect(touched).toMatchObject({
        backtest_results: { inserted: 0, updated: 0, removed: 1 },
        generated_strategies: { inserted: 0, updated: n, removed: 0 },
      });
    });
    return;
  }

  const change = async (collection: string, from: string, to: string) => {
    const file = join(source, 'lightning-talk', 'server', 'data', `${collection}.json`);
    const parts = (await readFile(file, 'utf8')).split(from);
    expect(parts).toHaveLength(2);
    await writeFile(file, parts.join(to));
  };

  /** One record of a collection, from brace to brace, and the comma after it. */
  const textOf = async (collection: string, id: string): Promise<string> => {
    const file = join(source, 'lightning-talk', 'server', 'data', `${collection}.json`);
    const text = await readFile(file, 'utf8');
    const found = new RegExp(`  \\{\\n    "id": "${id}"[\\s\\S]*?\\n  \\},\\n`).exec(text);
    return found![0];
  };

  it('one changed field of one participant writes that row alone', async () => {
    await change('participants', '"name": "花岡 美雪"', '"name": "花岡 深雪"');
    const { written, added, gone, touched } = await loadedNow();
    expect(written).toEqual([expect.stringMatching(/^participants \(\S+,miyuki\.hanaoka1@example\.net\)$/)]);
    expect([...added, ...gone]).toEqual([]);
    expect(touched).toEqual({ participants: { inserted: 0, updated: 1, removed: 0 } });
  });

  it('a change of a field that no mapping knows writes that row alone', async () => {
    await change('events', '"id": "event-001",', '"id": "event-001", "memo": "雨天決行",');
    const { written, touched } = await loadedNow();
    expect(written).toEqual([expect.stringMatching(/^events /)]);
    expect(touched).toEqual({ events: { inserted: 0, updated: 1, removed: 0 } });
  });

  it('zero that becomes negative zero is a change', async () => {
    const talk = await textOf('talks', '1738436400000-wqhnuvton');
    const rated = (rating: string) =>
      talk.replace(
        '"averageRating": "2.83",\n    "totalVotes"',
        `"averageRating": ${rating},\n    "totalVotes"`,
      );
    expect(rated('0')).not.toBe(talk);
    await change('talks', talk, rated('0'));
    await loadedNow();
    await change('talks', rated('0'), rated('-0.0'));
    const { written, touched } = await loadedNow();
    expect(written).toEqual([expect.stringMatching(/^talks /)]);
    expect(touched).toEqual({ talks: { inserted: 0, updated: 1, removed: 0 } });
  });

  it('one deleted participant is removed and kept; one added is inserted', async () => {
    const record = await textOf('participants', '1737090000000-amb50it04');
    await change('participants', record, record.replaceAll(/1737090000000-amb50it04|miyuki/g, 'another'));
    const { written, added, gone, touched } = await loadedNow();
    expect(written).toEqual([]);
    expect(added).toEqual([expect.stringMatching(/,another\.hanaoka1@example\.net\)$/)]);
    expect(gone).toEqual([expect.stringMatching(/,miyuki\.hanaoka1@example\.net\)$/)]);
    expect(touched).toEqual({ participants: { inserted: 1, updated: 0, removed: 1 } });
  });

  it('a participant with another address is the same participant, and the talk is still theirs', async () => {
    await change('participants', 'hinata.takahashi0@example.com', 'hinata@example.com');
    const { added, gone, report } = await loadedNow();
    expect(added).toEqual([expect.stringMatching(/^participants .*,hinata@example\.com\)$/)]);
    expect(gone).toEqual([expect.stringMatching(/^participants .*,hinata\.takahashi0@example\.com\)$/)]);
    expect(report.tables['public.participants']).toMatchObject({ inserted: 1, removed: 1 });
  });

  it('a participant who withdrew leaves the talk without a speaker', async () => {
    const record = await textOf('participants', '1736478000000-iqwuukg0f');
    await change('participants', record, '');
    const { gone, written } = await loadedNow();
    expect(gone).toEqual([expect.stringMatching(/^participants .*,hinata@example\.com\)$/)]);
    expect(written).toEqual([expect.stringMatching(/^talks /)]);
  });
});
