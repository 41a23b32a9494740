import { beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { urlFor, withConnection } from '../../jobs/database.ts';
import {
  asAdmin,
  begin,
  candleInTheWay,
  candleStore,
  dropSystems,
  dump,
  emptyTarget,
  noBackend,
  run,
  scratch,
  systemNamed,
  waitingBackend,
  whileHolding,
} from './harness.ts';

const BATCH_ROWS = 200;

describe('a load that is stopped', () => {
  const platform = inject('platform');
  const system = systemNamed('trdinger');
  let home: string;
  let source: string;
  let budget: number;
  let undisturbed: Record<string, string>;
  /** A row of the third batch. */
  let inTheWay: string;

  const steps = (names: string[], signal?: AbortSignal) =>
    run(platform, home, { system: 'trdinger', steps: names, source, budget, batchRows: BATCH_ROWS, signal });

  const terminate = (which: string, values: unknown[] = []) =>
    asAdmin(platform, system.database, async (client) => {
      const { rowCount } = await client.query(
        `select pg_terminate_backend(pid, 10000) from pg_stat_activity where ${which}`,
        values,
      );
      expect(rowCount).toBe(1);
    });

  const committed = () =>
    asAdmin(platform, system.database, async (client) => {
      const { rows } = await client.query<{ batches: number; inserted: number; rows: number }>(
        `select count(*)::int as batches, coalesce(sum(inserted), 0)::int as inserted,
           (select count(*)::int from ohlcv_data) as rows
         from migration.batch where table_name = 'ohlcv_data'`,
      );
      return rows[0]!;
    });

  const resumes = async () => {
    const before = await committed();
    const report = await steps(['load', 'index', 'verify']);
    expect(report.error).toBeUndefined();
    expect(await dump(platform, system)).toEqual(undisturbed);
    const { source, inserted, unchanged, merged, quarantined } = report.tables['public.ohlcv_data']!;
    expect(unchanged).toBe(before.inserted);
    expect(inserted).toBe((await committed()).inserted - before.inserted);
    expect(inserted + unchanged + merged + quarantined).toBe(source);
  };

  beforeAll(async () => {
    home = await scratch();
    await dropSystems(platform);
    ({ source, budget } = await candleStore(5, 1200));
    expect((await steps(['backup', 'provision', 'schema', 'load'])).error).toBeUndefined();
    undisturbed = await dump(platform, system);
    inTheWay = await candleInTheWay(platform, 500);
  });

  beforeEach(() => emptyTarget(platform, system));

  it.each(['SIGINT', 'SIGTERM'] as const)('by %s ends its batch, exits 130 and resumes', async (signal) => {
    const outcome = await whileHolding(platform, system.database, [inTheWay], async (release) => {
      const { child, done } = begin(platform, home, [
        'load',
        '--system',
        'trdinger',
        '--batch-rows',
        String(BATCH_ROWS),
      ]);
      await waitingBackend(platform, system.database);
      expect(await committed()).toMatchObject({ batches: 2, rows: 400 });
      child.kill(signal);
      await release();
      return done;
    });
    expect(outcome).toMatchObject({ code: 130, signal: null });
    expect(outcome.stdout + outcome.stderr).toMatch(/interrupted[\s\S]*resumes/);
    const { batches, rows, inserted } = await committed();
    expect(rows).toBe(inserted);
    expect(batches).toBe(3);
    await resumes();
  });

  it('by a second SIGINT ends at once, and resumes', async () => {
    const outcome = await whileHolding(platform, system.database, [inTheWay], async () => {
      const { child, done } = begin(platform, home, [
        'load',
        '--system',
        'trdinger',
        '--batch-rows',
        String(BATCH_ROWS),
      ]);
      await waitingBackend(platform, system.database);
      const again = setInterval(() => child.kill('SIGINT'), 50);
      return done.finally(() => clearInterval(again));
    });
    expect(outcome.code ?? outcome.signal).toBe('SIGINT');
    await noBackend(platform, system.database);
    expect(await committed()).toMatchObject({ batches: 2, rows: 400 });
    await resumes();
  });

  it('by an AbortSignal between two steps or batches reports 130', async () => {
    const controller = new AbortController();
    const report = await whileHolding(platform, system.database, [inTheWay], async (release) => {
      const done = steps(['load', 'verify'], controller.signal);
      await waitingBackend(platform, system.database);
      controller.abort();
      await release();
      return done;
    });
    expect(report).toMatchObject({ ok: false, error: { code: 'interrupted', exitCode: 130 } });
    expect(report.checks).toEqual([]);
    await resumes();
  });

  it('by the loss of its connection in mid-COPY exits 4, says so, and resumes', async () => {
    const report = await whileHolding(platform, system.database, [inTheWay], async () => {
      const done = steps(['load']);
      await terminate('pid = $1', [await waitingBackend(platform, system.database)]);
      return done;
    });
    expect(report).toMatchObject({ ok: false, error: { code: 'target', exitCode: 4 } });
    expect(report.error!.message).toMatch(/^\S+:\d+\/trdinger: the connection was lost: /);
    expect(report.error!.fix).toMatch(/resumes/);
    expect(await committed()).toEqual({ batches: 2, inserted: 400, rows: 400 });
    await resumes();
  });

  it('by the loss of its connection before a checkpoint leaves nothing of the batch', async () => {
    await whileHolding(platform, system.database, [inTheWay], async () => {
      const done = steps(['load']);
      await terminate('pid = $1', [await waitingBackend(platform, system.database)]);
      expect(await done).toMatchObject({ error: { exitCode: 4 } });
    });
    const checkpoint = `insert into migration.batch (run_id, table_name, n, from_position, to_position, read, inserted,
        updated, unchanged, merged, quarantined, last)
      select max(id), 'ohlcv_data', 4, -1, -1, 0, 0, 0, 0, 0, 0, false from migration.run`;
    await whileHolding(platform, system.database, [checkpoint], async () => {
      const done = steps(['load']);
      await terminate('pid = $1', [await waitingBackend(platform, system.database)]);
      expect(await done).toMatchObject({ error: { exitCode: 4 } });
    });
    const { batches, inserted, rows } = await committed();
    expect({ batches, rows }).toEqual({ batches: 3, rows: inserted });
    await resumes();
  });

  it('by the loss of a connection that was idle is no bug either', async () => {
    const url = urlFor(platform.timescale, system.database);
    const lost = withConnection(url, async (client) => {
      const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
      const ended = new Promise((settle) => client.once('end', settle));
      await terminate('pid = $1', [rows[0]!.pid]);
      await ended;
      await client.query('select 1');
    });
    await expect(lost).rejects.toMatchObject({ kind: 'target', exitCode: 4 });
    await expect(lost).rejects.toThrow(/the connection was lost/);
  });

  it('is not stopped by the loss of the session that holds the target, as long as nobody else takes it', async () => {
    const report = await whileHolding(platform, system.database, [inTheWay], async (release) => {
      const done = steps(['load']);
      await waitingBackend(platform, system.database);
      await terminate(`pid = (select pid from pg_locks where locktype = 'advisory' and granted and objsubid = 1
        and database = (select oid from pg_database where datname = '${system.database}'))`);
      await release();
      return done;
    });
    expect(report.error).toBeUndefined();
    expect(await dump(platform, system)).toEqual(undisturbed);
  });
});
