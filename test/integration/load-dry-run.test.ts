import { existsSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'libsql';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { ROLE_KINDS, roleName } from '../../jobs/database.ts';
import type { SystemReport } from '../../jobs/report.ts';
import {
  asAdmin,
  copyOfLegacy,
  cutover,
  dropSystems,
  dump,
  run,
  scratch,
  systemNamed,
  writers,
} from './harness.ts';

const BUDGET = 11;

describe('a dry run', () => {
  const platform = inject('platform');
  const system = systemNamed('trdinger');
  let home: string;
  let source: string;

  const steps = (names: string[] | undefined, dryRun: boolean) =>
    run(platform, home, { system: 'trdinger', steps: names, source, budget: BUDGET, dryRun });

  /** What is on the server of the system: its databases and roles. */
  const onServer = () =>
    asAdmin(platform, 'postgres', async (client) => {
      const { rows } = await client.query<{ name: string }>(
        `select datname as name from pg_database where datname = $1
         union all select rolname || ' ' || coalesce(rolpassword, '') from pg_authid where rolname = any($2)`,
        [system.database, ROLE_KINDS.map((kind) => roleName(system, kind))],
      );
      return rows.map(({ name }) => name).sort();
    });

  /** All rows of the ledger, and which transaction wrote every row of the data: nothing can be committed unseen. */
  const committed = async () => {
    const ledger = await asAdmin(platform, system.database, async (client) => {
      const { rows: tables } = await client.query<{ name: string }>(
        `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'migration' order by 1`,
      );
      const found: Record<string, unknown[]> = {};
      for (const { name } of tables) {
        found[name] = (
          await client.query(`select t.xmin::text, md5(t::text) as row from ${name} as t order by 2`)
        ).rows;
      }
      const { rows: relations } = await client.query(
        `select oid::int, relname, relfilenode::int from pg_class where relnamespace in ('public'::regnamespace, 'migration'::regnamespace)
         order by oid`,
      );
      return { ...found, relations };
    });
    return { ledger, rows: await writers(platform, system), roles: await onServer() };
  };

  const countsOf = ({ tables }: SystemReport) =>
    Object.entries(tables).map(([table, counts]) => {
      const { source, read, inserted, updated, unchanged, merged, quarantined, removed } = counts;
      return { table, source, read, inserted, updated, unchanged, merged, quarantined, removed };
    });

  beforeAll(async () => {
    home = await scratch();
    source = await copyOfLegacy();
    await dropSystems(platform);
  });

  it('of the plan up to provision leaves nothing on a fresh server, and a later step says what is missing', async () => {
    const report = await steps(['inspect', 'backup', 'preflight', 'provision'], true);
    expect(report.error).toBeUndefined();
    expect(await onServer()).toEqual([]);
    for (const step of ['schema', 'load', 'verify', 'replay']) {
      const { error } = await steps([step], true);
      expect([step, error?.exitCode]).toEqual([step, 4]);
      expect(error!.fix).toContain('provision');
    }
    expect(await onServer()).toEqual([]);
  });

  it('of schema leaves a provisioned database empty', async () => {
    expect((await steps(['provision'], false)).error).toBeUndefined();
    const before = await onServer();
    expect(before).toHaveLength(1 + ROLE_KINDS.length);
    expect((await steps(['provision', 'schema'], true)).error).toBeUndefined();
    expect(await onServer()).toEqual(before);
    const tables = await asAdmin(platform, system.database, (client) =>
      client.query(`select from pg_tables where schemaname in ('public', 'migration')`),
    );
    expect(tables.rowCount).toBe(0);
  });

  it('of a first load says what it would write, and writes nothing', async () => {
    expect((await steps(['schema'], false)).error).toBeUndefined();
    const before = await committed();
    const dry = await steps(['load', 'index'], true);
    expect(dry.error).toBeUndefined();
    expect(await committed()).toEqual(before);
    const wet = await steps(['load', 'index'], false);
    expect(wet.error).toBeUndefined();
    expect(countsOf(dry)).toEqual(countsOf(wet));
    expect(dry.tables['public.ohlcv_data']).toMatchObject({ inserted: 190, merged: 6, quarantined: 5 });
    for (const [table, { reasons, notes }] of Object.entries(wet.tables)) {
      expect(dry.tables[table]).toMatchObject({ reasons, notes });
    }
    expect(wet.tables['public.ohlcv_data']).toMatchObject({ reasons: { SHIFTED_COPY: 2 }, notes: { H4: 1 } });
  });

  it('of every step on a loaded target writes nothing, verify included', async () => {
    const before = await committed();
    const dry = await steps(undefined, true);
    expect(dry.error).toBeUndefined();
    expect(dry.checks.length).toBeGreaterThan(0);
    expect((await steps(['replay'], true)).error).toBeUndefined();
    expect(await committed()).toEqual(before);
  });

  it('of a second load says what it would change, remove and set aside, and writes nothing', async () => {
    const earlier = join(await scratch(), 'earlier');
    await cp(source, earlier, { recursive: true });
    const store = new Database(join(source, 'trdinger', 'trdinger.db'));
    store.exec(`update ohlcv_data set close = close + 1 where id in (3, 4, 5);
                delete from funding_rate_data where id = 2;
                insert into strategy_templates (name, config_json) values ('新しい', '{}');
                update ga_experiments set config = 'no json' where id = 1`);
    store.close();
    const before = await committed();
    const content = await dump(platform, system);
    const dry = await steps(['backup', 'load'], true);
    expect(dry.error).toMatchObject({ code: 'budget', exitCode: 6 });
    expect(await committed()).toEqual(before);
    expect(await dump(platform, system)).toEqual(content);
    expect(existsSync(join(home, 'dumps'))).toBe(false);
    const wet = await steps(['backup', 'load'], false);
    expect(countsOf(dry)).toEqual(countsOf(wet));
    expect(dry.tables['public.ohlcv_data']).toMatchObject({ updated: 3, removed: 0 });
    expect(dry.tables['public.funding_rate_data']).toMatchObject({ removed: 1 });
    expect(dry.tables['public.strategy_templates']).toMatchObject({ inserted: 1 });
    expect(dry.tables['public.ga_experiments']).toMatchObject({ removed: 1, reasons: { BAD_JSON: 1 } });
    expect(dry.error!.message).toBe(wet.error!.message);
  });

  it('by the command line prints its counts too', async () => {
    const { code, stdout } = await cutover(
      platform,
      home,
      ...['load', '--system', 'trdinger', '--dry-run', '--json', '--quarantine-budget', '50'],
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout).systems.trdinger.tables['public.ohlcv_data']).toMatchObject({
      inserted: 0,
      updated: 0,
    });
  });
});
