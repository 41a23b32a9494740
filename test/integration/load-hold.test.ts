import { hostname } from 'node:os';
import { beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import {
  asAdmin,
  begin,
  candleInTheWay,
  candleStore,
  dropSystems,
  dump,
  emptyTarget,
  run,
  scratch,
  systemNamed,
  until,
  waitingBackend,
  whileHolding,
} from './harness.ts';

const BATCH_ROWS = 200;

describe('a target that a run holds', () => {
  const platform = inject('platform');
  const system = systemNamed('trdinger');
  let home: string;
  let source: string;
  let budget: number;
  let undisturbed: Record<string, string>;
  /** A row of the third batch. */
  let inTheWay: string;

  const steps = (names: string[], dryRun = false) =>
    run(platform, home, { system: 'trdinger', steps: names, source, budget, batchRows: BATCH_ROWS, dryRun });

  const loader = () =>
    begin(platform, home, [
      'load',
      ...['--system', 'trdinger', '--batch-rows', String(BATCH_ROWS), '--quarantine-budget', String(budget)],
    ]);

  const query = async <T extends object>(sql: string): Promise<T[]> =>
    (await asAdmin(platform, system.database, (client) => client.query<T>(sql))).rows;

  /** All that a run leaves in the ledger and in the first table. */
  const traces = () =>
    query(`select (select row(t.*)::text from migration.target as t) as target,
             (select count(*)::int from migration.run) as runs, (select count(*)::int from migration.batch) as batches,
             (select count(*)::int from migration.verification) as proofs, (select count(*)::int from ohlcv_data) as rows`);

  const waiting = (n: number) =>
    until(`${n} sessions waiting`, async () => {
      const found = await query(
        `select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
           and application_name like 'cutover%'`,
      );
      return found.length === n;
    });

  const endSessionOfHolder = async () => {
    const ended = await query(
      `select pg_terminate_backend(pid, 10000) from pg_locks where locktype = 'advisory' and granted and objsubid = 1
         and database = (select oid from pg_database where datname = current_database())`,
    );
    expect(ended).toHaveLength(1);
  };

  beforeAll(async () => {
    home = await scratch();
    await dropSystems(platform);
    ({ source, budget } = await candleStore(6, 1200));
    expect((await steps(['backup', 'provision', 'schema', 'load'])).error).toBeUndefined();
    undisturbed = await dump(platform, system);
    inTheWay = await candleInTheWay(platform, 500);
  });

  beforeEach(() => emptyTarget(platform, system));

  it('is closed to every other run, which exits 8, names the holder, and writes nothing', async () => {
    await whileHolding(platform, system.database, [inTheWay], async (release) => {
      const { child, done } = loader();
      await waitingBackend(platform, system.database);
      const before = await traces();
      const begun = new Date(Date.now() - 60_000).toISOString();
      const refused = await Promise.all([
        steps(['load']),
        steps(['load'], true),
        steps(['replay']),
        steps(['verify']),
        loader().done,
      ]);
      const since = /is held by cutover load since (\S+Z) pid (\d+) on (\S+)/;
      for (const report of refused.slice(0, 4) as Awaited<ReturnType<typeof steps>>[]) {
        expect(report).toMatchObject({ ok: false, error: { code: 'held', exitCode: 8 } });
        const [, at, pid, host] = since.exec(report.error!.message)!;
        expect({ pid, isHere: hostname().startsWith(host!) }).toEqual({
          pid: String(child.pid),
          isHere: true,
        });
        expect(at! > begun && at! <= new Date().toISOString()).toBe(true);
      }
      const other = refused[4] as Awaited<ReturnType<typeof loader>['done']>;
      expect(other.code).toBe(8);
      expect(other.stdout + other.stderr).toMatch(since);
      expect(await traces()).toEqual(before);
      expect(await query('select holder from migration.target')).toEqual([
        { holder: `${hostname()} pid ${child.pid} (load)` },
      ]);
      await release();
      expect(await done).toMatchObject({ code: 0 });
    });
    expect(await dump(platform, system)).toEqual(undisturbed);
    expect((await steps(['index', 'verify'])).error).toBeUndefined();
  });

  it('by a verification is named so, and is open to another verification', async () => {
    expect((await steps(['load', 'index'])).error).toBeUndefined();
    const lock = 'lock table ohlcv_data in access exclusive mode';
    await whileHolding(platform, system.database, [lock], async (release) => {
      const first = steps(['verify']);
      await waitingBackend(platform, system.database);
      const second = steps(['verify']);
      const load = await steps(['load']);
      expect(load.error).toMatchObject({ exitCode: 8 });
      expect(load.error!.message).toMatch(/is held by cutover verify since \S+Z pid \d+ on /);
      await waiting(2);
      await release();
      expect((await first).error).toBeUndefined();
      expect((await second).error).toBeUndefined();
    });
  });

  it('is taken over when its session is lost: the earlier run ends its batch, and its next one is refused', async () => {
    const [earlier, later] = await whileHolding(platform, system.database, [inTheWay], async (release) => {
      const first = steps(['load']);
      await waitingBackend(platform, system.database);
      await endSessionOfHolder();
      const second = steps(['load']);
      await waiting(2);
      expect(await query('select count(*)::int as n from migration.batch')).toEqual([{ n: 2 }]);
      await release();
      return Promise.all([first, second]);
    });
    expect(earlier).toMatchObject({ ok: false, error: { code: 'held', exitCode: 8 } });
    expect(earlier.error!.message).toMatch(/was taken over by \S+ pid \d+ \(load\) at \d{4}-/);
    expect(later.error).toBeUndefined();
    // What the later run did not write is the two batches before it, and the one that was open: nothing came after.
    const { inserted, unchanged, source, merged, quarantined } = later.tables['public.ohlcv_data']!;
    const [three] = await query<{ n: number }>(
      `select sum(inserted)::int as n from migration.batch where table_name = 'ohlcv_data' and n <= 3`,
    );
    expect(unchanged).toBe(three!.n);
    expect(inserted).toBe(source - merged - quarantined - unchanged);
    expect(await query('select count(*)::int as n from migration.run')).toEqual([{ n: 1 }]);
    expect(await dump(platform, system)).toEqual(undisturbed);
    expect((await steps(['index', 'verify'])).error).toBeUndefined();
  });

  it('is taken over from a run that was killed, whose last batch is still open on the server', async () => {
    await whileHolding(platform, system.database, [inTheWay], async (release) => {
      const { child, done } = loader();
      await waitingBackend(platform, system.database);
      child.kill('SIGKILL');
      expect(await done).toMatchObject({ signal: 'SIGKILL' });
      const later = steps(['load']);
      await waiting(2);
      await release();
      const { tables, error } = await later;
      expect(error).toBeUndefined();
      expect(tables['public.ohlcv_data']!.unchanged).toBe(2 * BATCH_ROWS);
    });
    expect(await dump(platform, system)).toEqual(undisturbed);
    expect((await steps(['index', 'verify'])).error).toBeUndefined();
  });
});
