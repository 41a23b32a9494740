import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'libsql';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { writeSample } from '../../jobs/sample/index.ts';
import { asAdmin, dropSystems, dump, emptyTarget, run, scratch, systemNamed } from './harness.ts';

const BATCH_ROWS = 100;

describe('rows that a constraint refuses', () => {
  const platform = inject('platform');
  const system = systemNamed('trdinger');
  let home: string;
  let first: string;
  let second: string;
  /** What the contracts refuse. */
  let refusedByContract: number;
  let undisturbed: Record<string, string>;
  let undisturbedSecond: Record<string, string>;
  /** Legacy ids of candles in three batches. */
  let bad: number[];

  const steps = (names: string[], more = 0, source = first) =>
    run(platform, home, {
      system: 'trdinger',
      steps: names,
      source,
      budget: refusedByContract + more,
      batchRows: BATCH_ROWS,
    });

  const query = async <T extends object>(sql: string, values: unknown[] = []): Promise<T[]> =>
    (await asAdmin(platform, system.database, (client) => client.query<T>(sql, values))).rows;

  /** Records that are in quarantine for a constraint's sake, as `table locator code field`. */
  const refused = async () =>
    (
      await query<{ what: string }>(
        `select concat_ws(' ', locator, code, nullif(field, '')) as what from migration.quarantine
         where replayed_at is null and run_id = (select max(id) from migration.run)
           and (code in ('not_these', 'not_777') or code like 'SQLSTATE%') order by 1`,
      )
    ).map(({ what }) => what);

  const account = async () => {
    const [sums] = await query<Record<string, number>>(
      `select sum(read)::int as read, sum(inserted + updated + unchanged + merged + quarantined)::int as accounted,
         sum(quarantined)::int as quarantined,
         (select count(*)::int from migration.quarantine where replayed_at is null
            and run_id = (select max(id) from migration.run)) as listed
       from migration.batch where run_id = (select max(id) from migration.run)`,
    );
    expect(sums!.accounted).toBe(sums!.read);
    expect(sums!.listed).toBe(sums!.quarantined);
    return sums!.quarantined!;
  };

  const change = (folder: string, sql: string) => {
    const store = new Database(join(folder, 'trdinger', 'trdinger.db'));
    store.exec(sql);
    store.close();
  };

  beforeAll(async () => {
    home = await scratch();
    first = join(await scratch(), 'first');
    second = join(await scratch(), 'second');
    await dropSystems(platform);
    const sample = { out: first, seed: 9, rows: { ohlcv_data: 400 }, systems: ['trdinger'] };
    refusedByContract = (await writeSample(sample)).quarantined.trdinger!;
    await cp(first, second, { recursive: true });
    expect((await steps(['backup', 'provision', 'schema', 'load'])).error).toBeUndefined();
    undisturbed = await dump(platform, system);
    const rows = await query<{ id: number }>(
      `select legacy_id::int as id from (select legacy_id, row_number() over (order by symbol, timeframe, timestamp) as n
         from ohlcv_data) as numbered where n in (1, 155, 300) order by id`,
    );
    bad = rows.map(({ id }) => id);
    expect(bad).toHaveLength(3);
    // In the second snapshot the bad rows have a volume of 777; one of them was not there before.
    change(
      second,
      `update ohlcv_data set volume = 777 where id in (${bad});
       update ohlcv_data set volume = volume + 1 where id % 7 = 0 and id not in (${bad}) and volume < 1e300;
       insert into ohlcv_data (symbol, timeframe, timestamp, open, high, low, close, volume)
         values ('BTC/USDT:USDT', '1h', '2025-06-11 00:00:00.000000', 1, 1, 1, 1, 777)`,
    );
    await emptyTarget(platform, system);
    expect((await steps(['backup', 'load'], 0, second)).error).toBeUndefined();
    undisturbedSecond = await dump(platform, system);
  });

  it('stand alone in quarantine under its name, the others are stored; without the constraint they leave it', async () => {
    await emptyTarget(platform, system);
    await query(`alter table ohlcv_data add constraint not_these check (legacy_id not in (${bad}))`);
    await query('alter table funding_rate_data alter column index_price set not null');

    const report = await steps(['backup', 'load']);
    const expected = [
      ...bad.map((id) => `ohlcv_data rowid ${id} not_these`),
      expect.stringMatching(/^funding_rate_data rowid \d+ SQLSTATE_23502 index_price$/),
    ];
    expect((await refused()).sort()).toEqual(expect.arrayContaining(expected));
    expect(await refused()).toHaveLength(4);
    expect(report).toMatchObject({ ok: false, error: { code: 'budget', exitCode: 6 } });
    expect(report.error!.message).toContain(`${refusedByContract + 4} records are in quarantine`);
    expect(report.error!.message).toContain('public.ohlcv_data not_these 3');
    // What is good was stored all the same.
    const [{ n }] = (await query<{ n: number }>('select count(*)::int as n from ohlcv_data')) as [
      { n: number },
    ];
    expect(undisturbed.ohlcv_data).toMatch(new RegExp(`^${n + 3} rows`));
    expect(await account()).toBe(refusedByContract + 4);
    const payloads = await query<{ payload: string }>(
      `select payload from migration.quarantine where code = 'not_these' order by locator`,
    );
    expect(payloads.map(({ payload }) => JSON.parse(payload).id).sort()).toEqual([...bad].sort());

    // Within the budget the load is a success; the proof is not, for the catalog is not what the schema step left.
    expect((await steps(['load'], 4)).error).toBeUndefined();
    const proof = await steps(['verify'], 4);
    expect(proof.error).toMatchObject({ code: 'differences', exitCode: 7 });
    expect(proof.checks.filter((check) => !check.ok).map((check) => check.name)).toContain(
      'catalog is as the schema step left it',
    );
    for (const table of Object.values(proof.tables)) expect(table.differences).toBe(0);
    // Nor is it when the plan was run again: to see a change is not to have made it.
    const again = await steps(['schema', 'load', 'verify'], 4);
    expect(again.error).toMatchObject({ exitCode: 7 });

    // As long as the cause is there they stay.
    expect((await steps(['replay'], 4)).error).toBeUndefined();
    expect(await refused()).toHaveLength(4);

    await query('alter table ohlcv_data drop constraint not_these');
    await query('alter table funding_rate_data alter column index_price drop not null');
    const replayed = await steps(['replay']);
    expect(replayed.error).toBeUndefined();
    expect(replayed.remarks).toContain('4 records left quarantine');
    expect(await refused()).toEqual([]);
    expect(await account()).toBe(refusedByContract);
    expect(await dump(platform, system)).toEqual(undisturbed);
    expect((await steps(['index', 'verify'])).error).toBeUndefined();
    // And once more is nothing.
    expect((await steps(['replay'])).remarks).toContain('0 records left quarantine');
    expect(await account()).toBe(refusedByContract);
  });

  it('do so too when a second snapshot is merged', async () => {
    await emptyTarget(platform, system);
    expect((await steps(['backup', 'load'])).error).toBeUndefined();
    await query('alter table ohlcv_data add constraint not_777 check (volume <> 777)');
    const report = await steps(['backup', 'load'], 0, second);
    expect(report.error).toMatchObject({ code: 'budget', exitCode: 6 });
    const refusals = await refused();
    expect(refusals).toHaveLength(4);
    for (const id of bad) expect(refusals).toContain(`ohlcv_data rowid ${id} not_777`);
    expect(await account()).toBe(refusedByContract + 4);
    // All that the constraint lets through was merged.
    const others = await query<{ n: number }>(
      `select count(*)::int as n from ohlcv_data where legacy_id % 7 = 0 and not legacy_id = any($1)`,
      [bad],
    );
    expect(report.tables['public.ohlcv_data']).toMatchObject({ inserted: 0, removed: 0 });
    expect(report.tables['public.ohlcv_data']!.updated).toBeGreaterThan(0);
    expect(report.tables['public.ohlcv_data']!.updated).toBeLessThanOrEqual(others[0]!.n);

    // The earlier version of a refused record is not what the source holds: the proof says so.
    const proof = await steps(['verify'], 4);
    expect(proof.error).toMatchObject({ exitCode: 7 });
    expect(proof.tables['public.ohlcv_data']).toMatchObject({ differences: 3 });

    await query('alter table ohlcv_data drop constraint not_777');
    const replayed = await steps(['replay']);
    expect(replayed.error).toBeUndefined();
    expect(replayed.remarks).toContain('4 records left quarantine');
    expect(await account()).toBe(refusedByContract);
    expect(await dump(platform, system)).toEqual(undisturbedSecond);
    expect((await steps(['index', 'verify'])).error).toBeUndefined();
  });
});
