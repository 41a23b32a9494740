import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { asAdmin, dropSystems, LEGACY, run, scratch } from './harness.ts';
import { BUDGET } from './proof.ts';

const platform = inject('platform');

/** Bytes and times of everything in a folder. */
async function everything(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of [...(await readdir(folder)), '.']) {
    const { mtimeMs, ctimeMs, mode, size } = await stat(join(folder, name));
    const bytes = name === '.' ? '' : await readFile(join(folder, name));
    found[name] = `${mode} ${size} ${mtimeMs} ${ctimeMs} ${createHash('sha256').update(bytes).digest('hex')}`;
  }
  return found;
}

/** An application that works on the store and is then cut off, as by a power failure. */
async function workOn(file: string, program: string): Promise<void> {
  const child = spawn(
    process.execPath,
    [
      '-e',
      `const db = new (require('libsql'))(process.argv[1]); ${program}; process.kill(process.pid, 'SIGKILL');`,
      file,
    ],
    { stdio: 'inherit' },
  );
  const [, signal] = await once(child, 'exit');
  expect(signal).toBe('SIGKILL');
}

const names = (folder: string) => readdir(folder).then((entries) => entries.sort());

describe('a store that an application left open', () => {
  let base: string;
  let home: string;
  let stores = 0;

  beforeAll(async () => {
    base = await scratch();
  });
  beforeEach(async () => {
    await dropSystems(platform);
    home = join(base, `home-${++stores}`);
  });

  async function storeAfter(program: string): Promise<{ source: string; folder: string }> {
    const source = join(base, `source-${stores}`);
    const folder = join(source, 'trdinger');
    await mkdir(folder, { recursive: true });
    await cp(join(LEGACY, 'trdinger', 'trdinger.db'), join(folder, 'trdinger.db'));
    await workOn(join(folder, 'trdinger.db'), program);
    return { source, folder };
  }

  const templates = () =>
    asAdmin(platform, 'trdinger', async (client) => {
      const { rows } = await client.query<{ id: string; name: string }>(
        'select id, name from strategy_templates order by id',
      );
      return rows.map((row) => `${row.id} ${row.name}`);
    });

  it('in WAL mode: what only its -wal holds is migrated, and the store stays as it is', async () => {
    const { source, folder } = await storeAfter(`
      db.pragma('journal_mode = wal');
      db.pragma('wal_autocheckpoint = 0');
      db.exec("update strategy_templates set name = 'changed in the log' where id = 1");
      db.exec("delete from strategy_templates where id = 2");
      db.exec("insert into strategy_templates (id, name, config_json, created_at) values (90, 'only in the log', '{}', '2025-06-01 00:00:00')")`);
    expect(await names(folder)).toEqual(['trdinger.db', 'trdinger.db-shm', 'trdinger.db-wal']);
    expect((await stat(join(folder, 'trdinger.db-wal'))).size).toBeGreaterThan(0);
    expect(await readFile(join(folder, 'trdinger.db'), 'latin1')).not.toContain('only in the log');
    const before = await everything(folder);

    const report = await run(platform, home, { system: 'trdinger', source, budget: BUDGET });
    expect(report.error).toBeUndefined();
    const found = await templates();
    expect(found).toContain('1 changed in the log');
    expect(found).toContain('90 only in the log');
    expect(found.filter((row) => row.startsWith('2 '))).toEqual([]);
    expect(await everything(folder)).toEqual(before);

    // The same store again: nothing to do, and still nothing is touched.
    const again = await run(platform, home, { system: 'trdinger', source, budget: BUDGET });
    expect(again).toMatchObject({
      ok: true,
      tables: { 'public.strategy_templates': { inserted: 0, updated: 0 } },
    });
    expect(await everything(folder)).toEqual(before);
  });

  it('with a hot journal: what was not committed is not migrated, and the store stays as it is', async () => {
    // A cache of one page makes SQLite write into the file before the transaction has ended.
    const { source, folder } = await storeAfter(`
      db.pragma('journal_mode = delete');
      db.pragma('cache_size = 1');
      db.pragma('cache_spill = 1');
      db.exec('begin');
      db.exec("update strategy_templates set name = 'never committed ' || id");
      db.exec('update ohlcv_data set volume = volume + 1');
      db.exec("insert into data_collection_log (symbol, timeframe, start_time, end_time, status) select symbol, timeframe, start_time, end_time, hex(randomblob(2000)) from data_collection_log")`);
    expect(await names(folder)).toEqual(['trdinger.db', 'trdinger.db-journal']);
    expect(await readFile(join(folder, 'trdinger.db'), 'latin1')).toContain('never committed');
    const before = await everything(folder);

    const report = await run(platform, home, { system: 'trdinger', source, budget: BUDGET });
    expect(report.error).toBeUndefined();
    expect((await templates()).join()).not.toContain('never committed');
    expect(await everything(folder)).toEqual(before);

    // It is the data of the store as it was before: loading that one changes nothing.
    const original = await run(platform, home, { system: 'trdinger', source: LEGACY, budget: BUDGET });
    expect(original.error).toBeUndefined();
    for (const { inserted, updated, removed } of Object.values(original.tables)) {
      expect({ inserted, updated, removed }).toEqual({ inserted: 0, updated: 0, removed: 0 });
    }
  });

  it('with a -wal whose last commit is cut: it never happened, as for SQLite itself', async () => {
    const { source, folder } = await storeAfter(`
      db.pragma('journal_mode = wal');
      db.pragma('wal_autocheckpoint = 0');
      db.exec("insert into strategy_templates (id, name, config_json, created_at) values (90, 'only in the log', '{}', '2025-06-01 00:00:00')")`);
    const wal = join(folder, 'trdinger.db-wal');
    await truncate(wal, (await stat(wal)).size - 100);
    const before = await everything(folder);
    const report = await run(platform, home, { system: 'trdinger', source, budget: BUDGET });
    expect(report.error).toBeUndefined();
    expect(await templates()).toHaveLength(5);
    expect(await everything(folder)).toEqual(before);
  });
});
