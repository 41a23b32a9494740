import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'libsql';
import { beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { writeSample } from '../../jobs/sample/index.ts';
import { changeCandles } from '../candle-changes.ts';
import { asAdmin, dropSystems, dump, emptyTarget, run, scratch, systemNamed } from './harness.ts';

describe('a snapshot of which little has changed', () => {
  const platform = inject('platform');
  const system = systemNamed('trdinger');
  let home: string;
  let source: string;
  let file: string;
  let first: Buffer;
  /** What the last load said of the tables of which it read only what differs. */
  let short: string[];

  const steps = (names: string[], how: { reload?: boolean; dryRun?: boolean; signal?: AbortSignal } = {}) => {
    short = [];
    const log = (line: string) => {
      const found = /^trdinger: (\w+) \d+ of \d+ looked at again$/.exec(line);
      if (found) short.push(found[1]!);
    };
    return run(platform, home, {
      ...{ system: 'trdinger', steps: names, source, budget: 10_000, batchRows: 50, log },
      ...how,
    });
  };
  const rows = (sql: string) =>
    asAdmin(platform, system.database, async (client) => (await client.query(sql)).rows);
  const last = '(select max(id) from migration.run)';
  /** What the last run's ledger says of each table, however it came about. */
  const ledger = async () => ({
    progress:
      await rows(`select table_name, read, inserted + updated + unchanged as stored, merged, quarantined, complete
      from migration.progress where run_id = ${last} order by 1`),
    quarantine: await rows(`select table_name, locator, code, field, detail, payload, replayed_at
      from migration.quarantine where run_id = ${last} order by 1, 2`),
    merged: await rows(`select table_name, locator, winner, rule, identical, payload
      from migration.merged where run_id = ${last} order by 1, 2`),
    notes: await rows(`select table_name, rule, sum(noted::bigint) from migration.batch,
      jsonb_each_text(notes) as note (rule, noted) where run_id = ${last} group by 1, 2 order by 1, 2`),
  });
  const target = async () => ({ rows: await dump(platform, system), ledger: await ledger() });
  /** Of the report, what a load says however it was done. */
  const said = ({ tables }: Awaited<ReturnType<typeof steps>>) =>
    Object.entries(tables).map(([table, { read, source, merged, quarantined, reasons, notes }]) => [
      table,
      { read, source, merged, quarantined, reasons, notes },
    ]);
  const succeed = async (...of: Parameters<typeof steps>) => {
    const report = await steps(...of);
    expect(report.error).toBeUndefined();
    return report;
  };
  const change = (sql: string) => {
    const db = new Database(file);
    db.exec(sql);
    db.close();
  };
  const touch = () => change('update ohlcv_data set volume = volume + 1 where id % 500 = 0');

  beforeAll(async () => {
    home = await scratch();
    source = join(await scratch(), 'sample');
    file = join(source, 'trdinger', 'trdinger.db');
    await dropSystems(platform);
    await writeSample({
      ...{ out: source, seed: 7, rows: { ohlcv_data: 4000 }, systems: ['trdinger'] },
    });
    first = await readFile(file);
    await succeed(['backup', 'provision', 'schema']);
  });

  beforeEach(async () => {
    await emptyTarget(platform, system);
    await writeFile(file, first);
    await succeed(['backup', 'load', 'index', 'verify']);
  });

  it.each([1, 2, 3])('leads to what a load of all of it leads to (%i)', async (seed) => {
    const done: string[] = [];
    // One after the other, so that each begins with what the one before has left.
    for (let round = 0; round < 3; round++) {
      done.push(...changeCandles(file, seed * 10 + round, 6));
      const report = await succeed(['backup', 'load']);
      expect(short, done.join('\n')).toContain('ohlcv_data');
      const found = await target();
      const { error } = await steps(['verify']);
      expect(error, done.join('\n')).toBeUndefined();
      if (round < 2) continue;
      await emptyTarget(platform, system);
      const whole = await succeed(['load']);
      expect(short).toEqual([]);
      expect(found, done.join('\n')).toEqual(await target());
      expect(said(report)).toEqual(said(whole));
    }
  });

  it('writes what differs and no other row, and says so', async () => {
    touch();
    change('delete from ohlcv_data where id = 700');
    const report = await succeed(['backup', 'load']);
    // The others are referred to, or refer to one, or have a contract without a lane.
    expect(short).toEqual(['ohlcv_data', 'funding_rate_data', 'data_collection_log']);
    const [{ n }] = await rows(`select count(*)::int as n from ohlcv_data where xmin::text::bigint >=
      (select max(xmin::text::bigint) from migration.batch where table_name = 'ohlcv_data' and run_id = ${last})`);
    const { read, inserted, updated, unchanged, merged, quarantined, removed } =
      report.tables['public.ohlcv_data']!;
    expect(n).toBe(updated);
    expect({ inserted, removed }).toEqual({ inserted: 0, removed: 1 });
    expect(updated).toBeGreaterThan(5);
    expect(read).toBe(updated + unchanged + merged + quarantined);
    const again = await succeed(['load', 'verify']);
    expect(short).toEqual([]);
    expect(again.tables['public.ohlcv_data']).toMatchObject({ inserted: 0, updated: 0, removed: 0 });
  });

  it('is read as a whole when every row is to be compared', async () => {
    touch();
    await succeed(['backup', 'load'], { reload: true });
    expect(short).toEqual([]);
    await succeed(['verify']);
  });

  it('is read as a whole by other code, into another schema, and in a dry run', async () => {
    touch();
    await succeed(['backup', 'load'], { dryRun: true });
    expect(short).toEqual([]);
    for (const column of ['code', 'schema']) {
      await rows(`update migration.run set ${column} = 'another'`);
      await succeed(['load']);
      expect(short).toEqual([]);
      touch();
      await succeed(['backup']);
    }
    await succeed(['load', 'verify']);
    expect(short).toContain('ohlcv_data');
  });

  it('is read as a whole when the snapshot before it is gone or another', async () => {
    const folder = join(home, 'snapshots', 'trdinger');
    const place = join(folder, (await readFile(join(folder, 'current'), 'utf8')).trim());
    touch();
    await succeed(['backup']);
    await rename(place, `${place}-away`);
    await succeed(['load', 'verify']);
    expect(short).toEqual([]);
    await rename(`${place}-away`, place);
  });

  it('is read as a whole after a load that was stopped', async () => {
    touch();
    await succeed(['backup']);
    await rows(`create function refuse() returns trigger language plpgsql as $$
                begin raise exception 'the disk is full' using errcode = '53100'; end $$`);
    await rows(`create trigger refuse before update on ohlcv_data for each row execute function refuse()`);
    const failed = await steps(['load'], { reload: true });
    expect(failed.error?.message).toContain('the disk is full');
    touch();
    await succeed(['backup']);
    await rows('drop trigger refuse on ohlcv_data; drop function refuse()');
    await succeed(['load', 'verify']);
    expect(short).toEqual([]);
  });

  it('that fails leaves nothing of the table, and the next load goes on', async () => {
    touch();
    await succeed(['backup']);
    const before = await dump(platform, system);
    await rows(`create function refuse() returns trigger language plpgsql as $$
                begin raise exception 'the disk is full' using errcode = '53100'; end $$`);
    await rows(`create trigger refuse before insert on migration.batch for each row
                when (new.table_name = 'ohlcv_data') execute function refuse()`);
    const failed = await steps(['load']);
    expect(failed.error?.message).toContain('the disk is full');
    expect(await dump(platform, system)).toEqual(before);
    await rows('drop trigger refuse on migration.batch; drop function refuse()');
    await succeed(['load', 'verify']);
  });

  it('is read as a whole where the target is not what was loaded', async () => {
    touch();
    await rows('delete from ohlcv_data where legacy_id = 500');
    await succeed(['backup', 'load', 'verify']);
    expect(short).not.toContain('ohlcv_data');
    expect(short).toContain('funding_rate_data');
  });

  it('is read as a whole where the table refuses a row, then and the next time', async () => {
    await rows(
      'create unique index once on data_collection_log (records_collected) where records_collected < 0',
    );
    try {
      change(`insert into data_collection_log (symbol, timeframe, start_time, end_time, records_collected, status)
              select symbol, timeframe, start_time, end_time, -77, status from data_collection_log where id in (1, 2)`);
      const report = await succeed(['backup', 'load', 'verify']);
      expect(short).not.toContain('data_collection_log');
      expect(report.tables['public.data_collection_log']!.reasons).toMatchObject({ once: 1 });
      change(
        `update data_collection_log set records_collected = -78 where id = (select max(id) from data_collection_log)`,
      );
      const next = await succeed(['backup', 'load', 'verify']);
      expect(short).not.toContain('data_collection_log');
      expect(next.tables['public.data_collection_log']!.reasons).not.toHaveProperty('once');
    } finally {
      await rows('drop index once');
    }
  });
});
