import { join } from 'node:path';
import Database from 'libsql';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import type { TableMapping } from '../../jobs/engine/mapping.ts';
import { writeSample } from '../../jobs/sample/index.ts';
import {
  asAdmin,
  begin,
  dropSystems,
  dump,
  emptyTarget,
  noBackend,
  type Outcome,
  run,
  scratch,
  systemNamed,
  until,
  waitingBackend,
  whileHolding,
} from './harness.ts';

const BATCH_ROWS = 700;

/** A batch as the ledger has it. */
interface LedgerBatch {
  table_name: string;
  n: number;
  read: number;
  inserted: number;
  updated: number;
  unchanged: number;
  merged: number;
  quarantined: number;
  last: boolean;
}

describe('a load that is killed with SIGKILL', () => {
  const platform = inject('platform');
  const system = systemNamed('trdinger');
  const { database, tables } = system;
  let home: string;
  let first: string;
  let second: string;
  let budget: number;
  /** What an undisturbed load of each source leaves in a database that held nothing. */
  let undisturbed: Record<string, string>;
  let undisturbedSecond: Record<string, string>;
  let batches: LedgerBatch[];

  const query = async <T extends object>(sql: string, values: unknown[] = []): Promise<T[]> =>
    (await asAdmin(platform, database, (client) => client.query<T>(sql, values))).rows;

  const ledger = (): Promise<LedgerBatch[]> =>
    query(`select table_name, n, read::int, inserted::int, updated::int, unchanged::int, merged::int,
             quarantined::int, last
           from migration.batch where run_id = (select max(id) from migration.run) order by committed_at`);

  const steps = (names: string[], source = first, batchRows = BATCH_ROWS) =>
    run(platform, home, { system: 'trdinger', steps: names, source, budget, batchRows });

  /** Starts a load as a process, kills it when `moment` has come, and frees what it waits for. */
  const killed = async (
    statements: string[],
    moment: (done: Promise<Outcome>) => Promise<unknown>,
    batchRows = BATCH_ROWS,
  ) => {
    await whileHolding(platform, database, statements, async (release) => {
      const args = ['load', '--system', 'trdinger', '--batch-rows', String(batchRows)];
      const { child, done } = begin(platform, home, [...args, '--quarantine-budget', String(budget)]);
      await Promise.race([
        moment(done),
        done.then((outcome) => expect.fail(`ended before it was killed: ${JSON.stringify(outcome)}`)),
      ]);
      child.kill('SIGKILL');
      expect(await done).toMatchObject({ code: null, signal: 'SIGKILL' });
      await release();
    });
    await noBackend(platform, database);
  };

  /** The same command again, to its end; then the target must be what it always is. */
  const resumed = async (expected: Record<string, string>, batchRows = BATCH_ROWS) => {
    const report = await steps(['load'], first, batchRows);
    expect(report.error).toBeUndefined();
    expect(await dump(platform, system)).toEqual(expected);
    // Nothing was read twice or left out: the batches of each table touch, and their accounts are what a constraint checks.
    const gaps = await query(
      `select from (select from_position, lag(to_position, 1, 0::bigint) over (partition by table_name order by n) as before
         from migration.batch where run_id = (select max(id) from migration.run)) as steps where from_position <> before`,
    );
    expect(gaps).toEqual([]);
    for (const [table, { source, read, inserted, updated, unchanged, merged, quarantined }] of Object.entries(
      report.tables,
    )) {
      expect([table, read]).toEqual([table, source]);
      expect([table, inserted + updated + unchanged + merged + quarantined]).toEqual([table, read]);
    }
    expect((await steps(['index', 'verify'])).error).toBeUndefined();
  };

  const keyOrder = (mapping: TableMapping) => mapping.key.map((column) => `"${column}"`).join(', ');

  /** A row of the undisturbed load, uncommitted, where another session's COPY will meet its key. */
  const rowInTheWay = (table: string, at: number): string[] => [
    // Foreign keys are not the point.
    'set local session_replication_role = replica',
    `insert into public.${table} select * from reference.${table}
     order by ${keyOrder(tables.find((mapping) => mapping.table === table)!)} limit 1 offset ${at}`,
  ];

  /** The checkpoint of a batch, uncommitted: the loader has written all of its rows when it meets it. */
  const checkpointInTheWay = ({ table_name, n }: LedgerBatch): string[] => [
    `insert into migration.batch (run_id, table_name, n, from_position, to_position, read, inserted, updated, unchanged,
       merged, quarantined, last)
     select max(id), '${table_name}', ${n}, -1, -1, 0, 0, 0, 0, 0, 0, false from migration.run`,
  ];

  beforeAll(async () => {
    home = await scratch();
    await dropSystems(platform);
    first = join(await scratch(), 'first');
    second = join(await scratch(), 'second');
    const sample = { seed: 7, rows: { ohlcv_data: 3000 }, systems: ['trdinger'] };
    await writeSample({ ...sample, out: second });
    budget = (await writeSample({ ...sample, out: first })).quarantined.trdinger!;
    const store = new Database(join(second, 'trdinger', 'trdinger.db'));
    store.exec(`update ohlcv_data set volume = volume + 1 where id % 3 = 0 and volume < 1e300;
                delete from ohlcv_data where id % 50 = 7;
                update funding_rate_data set mark_price = 1 where id % 2 = 0;
                delete from strategy_showcase where id = 3;
                update ga_experiments set progress = 0.5 where id = 2;
                -- The first takes the name that the second had: refused until the second has its new one.
                update strategy_showcase set name = '*' || name where id = 2;
                update strategy_showcase set name = (select substr(name, 2) from strategy_showcase where id = 2) where id = 1`);
    store.close();

    const plan = ['backup', 'provision', 'schema', 'load', 'index', 'verify'];
    expect((await steps(plan, second)).error).toBeUndefined();
    undisturbedSecond = await dump(platform, system);
    await emptyTarget(platform, system);
    expect((await steps(['backup', 'load', 'index', 'verify'])).error).toBeUndefined();
    undisturbed = await dump(platform, system);
    batches = await ledger();
    await query('create schema reference');
    for (const { table } of tables) {
      await query(`create table reference.${table} as table public.${table}`);
    }
  });

  it('in every batch in turn, one kill after another', async () => {
    await emptyTarget(platform, system);
    const stored = new Map(tables.map(({ table }) => [table, 0]));
    for (const [at, batch] of batches.entries()) {
      const { table_name, inserted } = batch;
      const before = stored.get(table_name)!;
      // At its first row (all before it is committed, nothing of it is written), in its middle, before its checkpoint.
      const places = [
        () => rowInTheWay(table_name, before),
        () => rowInTheWay(table_name, before + (inserted >> 1)),
        () => (at === 0 ? rowInTheWay(table_name, inserted - 1) : checkpointInTheWay(batch)),
      ];
      await killed(places[at % places.length]!(), () => waitingBackend(platform, database));
      expect(await ledger()).toEqual(batches.slice(0, at));
      const found = tables.map(({ table, key }) => {
        const expected = `select * from reference.${table} order by ${key.join(', ')} limit ${stored.get(table)}`;
        return `select '${table}' as table, (select count(*)::int from public.${table}) as rows,
          (select count(*)::int from ((${expected}) except table public.${table}) as _) as missing`;
      });
      expect(await query(found.join(' union all '))).toEqual(
        tables.map(({ table }) => ({ table, rows: stored.get(table), missing: 0 })),
      );
      stored.set(table_name, before + inserted);
    }
    await resumed(undisturbed);
    expect(await ledger()).toEqual(batches);
    expect(await query('select count(*)::int as n from migration.run')).toEqual([{ n: 1 }]);
  });

  it.each([1, 4, 11])('as soon as batch %i is seen, in tables without chunks', async (wanted) => {
    await emptyTarget(platform, system);
    await query('truncate ohlcv_data, funding_rate_data, open_interest_data');
    await killed(
      [],
      () =>
        until('a batch', async () => {
          const [{ n }] = (await query<{ n: number }>('select count(*)::int as n from migration.batch')) as [
            { n: number },
          ];
          return n >= wanted;
        }),
      100,
    );
    const seen = await query<LedgerBatch>('select * from migration.batch');
    expect(seen.length).toBeGreaterThanOrEqual(wanted);
    await resumed(undisturbed, 100);
    // What was committed was not done again.
    expect(await query('select * from migration.batch')).toEqual(expect.arrayContaining(seen));
  });

  it('while it merges a second snapshot: in mid-table, between tables, while rows are removed', async () => {
    await emptyTarget(platform, system);
    expect((await steps(['backup', 'load', 'index', 'verify'])).error).toBeUndefined();
    // As after a load by other code, every row is compared.
    await query(`update migration.run set code = 'another'`);
    const waits = () => waitingBackend(platform, database);
    const [{ gone }] = (await query<{ gone: number }>(
      'select (select count(*)::int from ohlcv_data where legacy_id % 50 = 7) + 1 as gone',
    )) as [{ gone: number }];
    expect((await steps(['backup'], second)).error).toBeUndefined();
    // The row is found apart from its lock: OFFSET locks what it skips.
    const row = (table: string, at: number) => {
      const key = keyOrder(tables.find((mapping) => mapping.table === table)!);
      return [
        `select from public.${table} where (${key}) =
           (select ${key} from public.${table} order by ${key} limit 1 offset ${at}) for update`,
      ];
    };
    const tablesSoFar = async () => new Set((await ledger()).map((batch) => batch.table_name)).size;
    // What is gone goes first.
    await killed(['select from ohlcv_data where legacy_id = 57 for update'], waits);
    const removals = () => query('select table_name from migration.removal');
    expect(await removals()).toHaveLength(tables.length - 1);
    expect(await ledger()).toEqual([]);
    await killed(row('ohlcv_data', 30), waits);
    expect(await removals()).toHaveLength(tables.length);
    expect(await ledger()).toEqual([]);
    expect((await dump(platform, system)).ga_experiments).toBe(undisturbed.ga_experiments);
    await killed(row('ohlcv_data', 1100), waits);
    expect(await ledger()).toHaveLength(1);
    await killed(row('funding_rate_data', 0), waits);
    expect(await tablesSoFar()).toBe(1);
    await killed(row('strategy_templates', 2), waits);
    expect(await tablesSoFar()).toBe(tables.length - 1);
    await resumed(undisturbedSecond);
    expect(await removals()).toHaveLength(tables.length);
    const kept = await query<{ n: number }>('select count(*)::int as n from migration.removed');
    expect(kept).toEqual([{ n: gone }]);
    expect(
      await query('select mode, count(*)::int as n from migration.run group by mode order by 1'),
    ).toEqual([
      { mode: 'append', n: 1 },
      { mode: 'merge', n: 1 },
    ]);
  });
});
