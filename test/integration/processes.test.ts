import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { connect, urlFor } from '../../jobs/database.ts';
import type { Processes } from '../../jobs/engine/follow.ts';
import { atomically, holdTarget, shareTarget } from '../../jobs/engine/hold.ts';
import type { SystemReport } from '../../jobs/report.ts';
import {
  accountsOf,
  asAdmin,
  begin,
  candleStore,
  dropSystems,
  dump,
  emptyTarget,
  run,
  scratch,
  systemNamed,
  until,
} from './harness.ts';

describe('several processes that load one system', () => {
  const platform = inject('platform');
  const system = systemNamed('trdinger');
  const table = 'public.ohlcv_data';
  let home: string;
  let source: string;
  let budget: number;
  let alone: Record<string, string>;
  let accounts: unknown;

  const how = { batchRows: 50, partRows: 1, threads: 1 };
  const steps = (
    names: string[],
    processes?: Processes,
    more: { signal?: AbortSignal; reload?: boolean } = {},
  ) => run(platform, home, { system: 'trdinger', steps: names, source, budget, ...how, processes, ...more });
  const load = (own: number, all: number, more?: { signal?: AbortSignal; reload?: boolean }) =>
    steps(['load'], { own, all, patienceMs: 5000 }, more);
  /** As in a pod of an Indexed Job. */
  const child = (own: number, all: number) => {
    process.env.JOB_COMPLETION_INDEX = String(own);
    const begun = begin(platform, home, [
      ...['job', 'load', '--system', 'trdinger', '--processes', String(all), '--batch-rows', '50'],
      ...['--part-rows', '1', '--threads', '1', '--quarantine-budget', String(budget)],
    ]);
    delete process.env.JOB_COMPLETION_INDEX;
    return begun;
  };
  const rows = (sql: string) =>
    asAdmin(platform, system.database, async (client) => (await client.query(sql)).rows);
  const batches = () => rows('select * from migration.batch order by run_id, table_name, n');
  /** How many sessions are at a part of a large table now. */
  const atWork = async () => {
    const [{ n }] =
      (await rows(`select count(*)::int as n from pg_locks where locktype = 'advisory' and granted and objsubid = 2
      and database = (select oid from pg_database where datname = current_database())`)) as [{ n: number }];
    return n;
  };
  const seen = async (n: number) =>
    (await batches()).filter((of) => of.table_name === 'ohlcv_data').length >= n;
  const isEqual = async () => {
    expect(await dump(platform, system)).toEqual(alone);
    expect(await accountsOf(rows)).toEqual(accounts);
  };
  /** Nothing that was committed was done again. */
  const keeps = async (before: Awaited<ReturnType<typeof batches>>) => {
    const after = new Map((await batches()).map((of) => [`${of.table_name} ${of.n}`, of]));
    for (const of of before) expect(after.get(`${of.table_name} ${of.n}`)).toEqual(of);
  };
  const readBy = (report: SystemReport) => report.tables[table]?.read ?? 0;

  /** So that there is time for all of them. */
  const slow = (seconds: number) =>
    rows(`create function wait() returns trigger language plpgsql as $$
            begin perform pg_sleep(${seconds}); return null; end $$;
          create trigger wait after insert on ohlcv_data for each statement execute function wait()`);
  const fast = () => rows('drop function if exists wait cascade');

  /** What a load had committed whose leader was stopped in the middle. */
  const abandoned = async () => {
    await slow(0.3);
    const stop = new AbortController();
    const leading = load(0, 2, { signal: stop.signal });
    await until('some batches', () => seen(3));
    stop.abort(new Error('stopped'));
    expect((await leading).error?.code).toBe('interrupted');
    return batches();
  };

  beforeAll(async () => {
    home = await scratch();
    await dropSystems(platform);
    ({ source, budget } = await candleStore(7, 1500));
    expect((await steps(['backup', 'provision', 'schema', 'load'])).error).toBeUndefined();
    alone = await dump(platform, system);
    accounts = await accountsOf(rows);
  });

  beforeEach(() => emptyTarget(platform, system));
  afterEach(fast);

  it.each([2, 3])('%i give the same rows and accounts as one, and each its share', async (all) => {
    await slow(0.3);
    const reports = await Promise.all(Array.from({ length: all }, (_, own) => load(own, all)));
    expect(reports.map(({ error }) => error)).toEqual(reports.map(() => undefined));
    await isEqual();
    const [leader, ...others] = reports;
    for (const report of others) {
      expect(readBy(report)).toBeGreaterThan(0);
      expect(report.tables[table]!.source).toBe(leader!.tables[table]!.source);
      expect(Object.keys(report.tables)).toEqual([table]);
      expect(report.remarks.join()).toContain(`of ${all}: only what it did itself`);
    }
    // The leader tells of the whole load, and the others' shares are of it.
    const { source, read, inserted, merged, quarantined } = leader!.tables[table]!;
    expect(read).toBe(source);
    expect(inserted + merged + quarantined).toBe(read);
    expect(others.reduce((sum, report) => sum + readBy(report), 0)).toBeLessThan(read);
    expect(await rows('select count(*)::int as n from migration.run')).toEqual([{ n: 1 }]);
    expect(
      (await rows('select from migration.part where table_name = $$ohlcv_data$$')).length,
    ).toBeGreaterThan(all);
    await fast();
    expect((await steps(['index', 'verify'])).error).toBeUndefined();
  });

  it('one that is killed leaves its part to the others, which go on where it was', async () => {
    await slow(0.3);
    const other = child(1, 2);
    // It takes longer to start.
    await until('a session of the other', async () => {
      const [{ n }] = (await rows(`select count(*)::int as n from pg_stat_activity
        where datname = current_database() and application_name like 'cutover%'`)) as [{ n: number }];
      return n > 0;
    });
    const leading = load(0, 2);
    await until('both at work', async () => (await atWork()) === 2 && (await seen(5)));
    other.child.kill('SIGKILL');
    expect((await other.done).signal).toBe('SIGKILL');
    const before = await batches();
    expect((await leading).error).toBeUndefined();
    await isEqual();
    await keeps(before);
  });

  it('without their leader the others end, and the next load goes on where every part was', async () => {
    await slow(0.3);
    const leader = child(0, 2);
    const following = load(1, 2);
    await until('both at work', async () => (await atWork()) === 2 && (await seen(5)));
    leader.child.kill('SIGKILL');
    expect((await leader.done).signal).toBe('SIGKILL');
    const { error } = await following;
    expect(error).toMatchObject({ code: 'prerequisite', exitCode: 5 });
    expect(error!.message).toContain(
      'no process leads the load of database trdinger: nobody has held it for 5 s',
    );
    const before = await batches();
    await fast();
    expect((await load(0, 2)).error).toBeUndefined();
    await isEqual();
    await keeps(before);
  });

  it('goes on under another leader of the same load, and not under one of another load', async () => {
    await slow(0.3);
    const stop = new AbortController();
    const leading = load(0, 2, { signal: stop.signal });
    const following = load(1, 2);
    await until('both at work', async () => (await atWork()) === 2 && (await seen(3)));
    stop.abort(new Error('stopped'));
    await leading;
    const again = new AbortController();
    const leadingAgain = load(0, 2, { signal: again.signal });
    const [{ fence }] = (await rows('select fence from migration.target')) as [{ fence: string }];
    await until('another leader', async () => {
      const [run] = await rows('select run.fence from migration.run join migration.target using (fence)');
      return run !== undefined && run.fence !== fence;
    });
    await until('both at work', async () => (await atWork()) === 2);
    again.abort(new Error('stopped'));
    await leadingAgain;
    // A load that compares every row again is another one.
    const other = await steps(['load'], undefined, { reload: true });
    expect(other.error).toBeUndefined();
    expect((await following).error).toMatchObject({ code: 'held', exitCode: 8 });
    expect(await dump(platform, system)).toEqual(alone);
    const runs = await rows('select id from migration.run order by id');
    expect(runs).toHaveLength(2);
    // Nothing came from the first one once the second had the target.
    expect(
      await rows(`select from migration.batch join migration.run on run.id = ${runs[1]!.id}
        where batch.run_id = ${runs[0]!.id} and batch.committed_at > run.started_at`),
    ).toEqual([]);
  });

  it('one that comes before the leader and before the schema waits; one that comes behind ends at once', async () => {
    await dropSystems(platform);
    expect((await steps(['provision'])).error).toBeUndefined();
    let ended = false;
    const early = load(1, 2).finally(() => {
      ended = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(ended).toBe(false);
    expect((await steps(['schema', 'load'], { own: 0, all: 2 })).error).toBeUndefined();
    expect((await early).error).toBeUndefined();
    await isEqual();
    // It leaves the snapshot alone, also where nothing seals it.
    const [{ snapshot }] = (await rows('select snapshot from migration.run')) as [{ snapshot: string }];
    const seal = join(home, 'snapshots', 'trdinger', snapshot, 'seal');
    await rm(seal);
    const begun = Date.now();
    const late = await load(1, 2);
    expect(late.error).toBeUndefined();
    expect(late.tables).toEqual({});
    expect(Date.now() - begun).toBeLessThan(4000);
    expect(await child(1, 2).done).toMatchObject({ code: 0, stderr: '' });
    expect(await readdir(join(home, 'reports'))).toEqual(['last-1.json']);
    await expect(stat(seal)).rejects.toThrow('ENOENT');
    expect((await load(0, 2)).tables[table]).toMatchObject({ inserted: 0 });
  });

  it('a load that compares every row again is not taken for the one before, which is complete', async () => {
    expect((await load(0, 1)).error).toBeUndefined();
    await slow(0.3);
    await rows(`update ohlcv_data set close = close + 1 where timeframe = '1h'`);
    const [other, leader] = await Promise.all([
      load(1, 2, { reload: true }),
      new Promise((resolve) => setTimeout(resolve, 1500)).then(() => load(0, 2, { reload: true })),
    ]);
    expect([other.error, leader.error]).toEqual([undefined, undefined]);
    expect(readBy(other)).toBeGreaterThan(0);
    expect(await dump(platform, system)).toEqual(alone);
  });

  it('takes no part while somebody else holds the target', async () => {
    const before = await abandoned();
    const client = await connect(urlFor(platform.timescale, system.database));
    try {
      await holdTarget(client, 'replay', false);
      const end = new AbortController();
      setTimeout(() => end.abort(new Error('stopped')), 4000);
      expect((await load(1, 2, { signal: end.signal })).error?.code).toBe('interrupted');
    } finally {
      await client.end();
    }
    expect(await batches()).toEqual(before);
  });

  it('takes no part while a proof reads, of a load whose leader is gone', async () => {
    const before = await abandoned();
    const client = await connect(urlFor(platform.timescale, system.database));
    try {
      await shareTarget(client);
      expect((await load(1, 2)).error?.code).toBe('prerequisite');
    } finally {
      await client.end();
    }
    expect(await batches()).toEqual(before);
  });

  it('waits for a part that somebody else is at', async () => {
    const client = await connect(urlFor(platform.timescale, system.database));
    try {
      await client.query(`select pg_advisory_lock(hashtext('1 ohlcv_data'), 2)`);
      let ended = false;
      const leading = load(0, 2).finally(() => {
        ended = true;
      });
      const left = async () =>
        (await rows(`select part from migration.part left join migration.part_progress using (run_id, table_name, part)
          where table_name = 'ohlcv_data' and complete is not true`)) as { part: number }[];
      await until('all but one', async () => (await left()).map(({ part }) => part).join() === '2');
      await new Promise((resolve) => setTimeout(resolve, 2500));
      expect(ended).toBe(false);
      expect(await left()).toEqual([{ part: 2 }]);
      await client.query('select pg_advisory_unlock_all()');
      expect((await leading).error).toBeUndefined();
      await isEqual();
    } finally {
      await client.end();
    }
  });

  it('a load that takes over is ahead of every next batch, also where one is open all the time', async () => {
    const [reader, taker, writer] = await Promise.all(
      [1, 2, 3].map(() => connect(urlFor(platform.timescale, system.database))),
    );
    const [{ fence }] = (await rows('select fence from migration.target')) as [{ fence: string }];
    try {
      await reader!.query('begin; select from migration.target for share');
      const taken = holdTarget(taker!, 'load', false);
      await until('a load that waits', async () => {
        const waiting = await rows(`select from pg_stat_activity where datname = current_database()
          and wait_event_type = 'Lock' and application_name like 'cutover load%'`);
        return waiting.length === 1;
      });
      const next = atomically(writer!, { fence: BigInt(fence), dryRun: false }, async () => 'written').catch(
        (error: unknown) => error,
      );
      await new Promise((resolve) => setTimeout(resolve, 300));
      await reader!.query('commit');
      expect(await taken).toBe(BigInt(fence) + 1n);
      expect(await next).toMatchObject({ kind: 'held' });
    } finally {
      for (const client of [reader, taker, writer]) await client!.end();
    }
  });

  it('a signal ends one that waits', async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error('stopped')), 500);
    expect((await load(1, 2, { signal: stop.signal })).error?.code).toBe('interrupted');
  });

  it('a session that holds the target is missed within minutes when its machine is gone', async () => {
    const client = await connect(urlFor(platform.timescale, system.database));
    try {
      await holdTarget(client, 'load', true);
      const { rows: found } = await client.query(`select current_setting('tcp_keepalives_idle') as idle`);
      expect(found).toEqual([{ idle: '60' }]);
    } finally {
      await client.end();
    }
  });
});

describe('several processes and a store of files', () => {
  const platform = inject('platform');

  it('the leader loads it alone, the others end well', async () => {
    const home = await scratch();
    await dropSystems(platform);
    const steps = (names: string[], processes?: Processes) =>
      run(platform, home, {
        system: 'lightning-talk',
        steps: names,
        budget: 1000,
        threads: 2,
        partRows: 1,
        processes,
      });
    expect((await steps(['backup', 'provision', 'schema'])).error).toBeUndefined();
    const waiting = steps(['load'], { own: 1, all: 2 });
    // In pods of one volume, its folder could have the name of the leader's.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(await readdir(join(home, 'scratch')).catch(() => [])).toEqual([]);
    const leader = await steps(['load'], { own: 0, all: 2 });
    const other = await waiting;
    expect([other.error, leader.error]).toEqual([undefined, undefined]);
    expect(other.tables).toEqual({});
    expect(leader.tables['public.events']!.read).toBeGreaterThan(0);
  });
});
