import type pg from 'pg';
import type { Crew } from '../crew/crew.ts';
import { ident, placeOf, roleName, serverOf, urlFor, withConnection } from '../database.ts';
import {
  aggregatesOf,
  type CheckResult,
  compareEngines,
  questionOfCheck,
  SqliteAnswers,
} from '../engine/aggregates.ts';
import { valuesWithoutField } from '../engine/export.ts';
import type { OpenStore } from '../engine/store.ts';
import { CutoverError } from '../errors.ts';
import { readTwice } from '../sources/second-reader.ts';
import type { StepContext } from './context.ts';

/** All that is proved beside the rows: what both engines compute, the layout of the target, its ledger, the replica. */
export async function checksOf(
  context: StepContext,
  client: pg.Client,
  store: OpenStore,
  crew: Crew,
  runId: string,
): Promise<CheckResult[]> {
  const { system } = context;
  const results: CheckResult[] = [];
  if (store.sqlite) {
    const alone = new SqliteAnswers(store.sqlite);
    // The checks take longest: what comes last is short, and no thread waits long for another.
    const questions = [...(system.checks ?? []).map(questionOfCheck), ...system.tables.flatMap(aggregatesOf)];
    const found = await compareEngines(
      client,
      (tasks) => (crew.isThere ? crew.ask(tasks) : alone.all(tasks)),
      questions,
      await rowidsSetAside(client, runId),
    );
    results.push(...found);
  }
  const read = new Set(system.tables.map((mapping) => mapping.entity));
  for (const [collection, files] of store.files ?? []) {
    if (!read.has(collection)) continue;
    const twice = await readTwice(files);
    if (twice)
      results.push({
        name: 'second reader',
        table: collection,
        ok: twice.ok,
        source: twice.theirs,
        target: twice.ours,
      });
  }
  for (const check of system.targetChecks ?? []) {
    const { rows } = await client.query<unknown[]>({ text: check.sql, rowMode: 'array' });
    const found = String(rows[0]?.[0] ?? 'nothing');
    results.push({
      name: check.name,
      table: check.table,
      ok: found === check.expect,
      source: check.expect,
      target: found,
    });
  }
  for (const mapping of system.tables) {
    const filled = await valuesWithoutField(client, mapping);
    results.push({
      name: 'columns without a source are empty',
      table: mapping.table,
      ok: filled.length === 0,
      source: 'none filled',
      target: filled.map(({ column, rows }) => `${column} in ${rows} rows`).join(', ') || 'none filled',
    });
  }
  const { rows: loose } = await client.query<{ name: string }>(
    `select conrelid::regclass || '.' || conname as name from pg_constraint
     where connamespace = 'public'::regnamespace and contype = 'f' and not convalidated`,
  );
  results.push({
    name: 'foreign keys are validated',
    table: '*',
    ok: loose.length === 0,
    source: 'none loose',
    target: loose.map((row) => row.name).join(', ') || 'none loose',
  });
  results.push(...(await ledgerChecks(client, runId)));
  // The replica is of the PostgreSQL primary, which may be the server with TimescaleDB too.
  const { platform } = context;
  const isOnPrimary = placeOf(serverOf(platform, system)) === placeOf(platform.postgres);
  if (platform.replica !== undefined && isOnPrimary) results.push(...(await replicaChecks(context)));
  return results;
}

/** The records that the batches count as set aside are all there, one by one. */
async function ledgerChecks(client: pg.Client, runId: string): Promise<CheckResult[]> {
  const { rows } = await client.query<{ table_name: string; counted: string; kept: string }>(
    `select table_name, quarantined || ' quarantined, ' || merged || ' merged' as counted,
       (select count(*) from migration.quarantine as q
        where q.run_id = p.run_id and q.table_name = p.table_name and replayed_at is null) || ' quarantined, '
       || (select count(*) from migration.merged as m
           where m.run_id = p.run_id and m.table_name = p.table_name) || ' merged' as kept
     from migration.progress as p where run_id = $1 order by table_name`,
    [runId],
  );
  return rows.map(({ table_name, counted, kept }) => ({
    name: 'the ledger keeps what was set aside',
    table: table_name,
    ok: counted === kept,
    source: counted,
    target: kept,
  }));
}

/** Source rows that are in quarantine or merged, by table; SQLite locators end with the rowid. */
async function rowidsSetAside(client: pg.Client, runId: string): Promise<(table: string) => bigint[]> {
  const { rows } = await client.query<{ table_name: string; locator: string }>(
    `select table_name, locator from migration.quarantine where run_id = $1 and replayed_at is null
     union all select table_name, locator from migration.merged where run_id = $1`,
    [runId],
  );
  const byTable = new Map<string, bigint[]>();
  for (const { table_name, locator } of rows) {
    const of = byTable.get(table_name) ?? [];
    of.push(BigInt(locator.slice(locator.lastIndexOf(' ') + 1)));
    byTable.set(table_name, of);
  }
  return (table) => byTable.get(table) ?? [];
}

const REPLAY_PATIENCE_MS = 60_000;

/** The replica, once it has replayed all that the primary had written, holds the same rows. */
async function replicaChecks(context: StepContext): Promise<CheckResult[]> {
  const { system, platform, secrets } = context;
  const role = roleName(system, 'verifier');
  const as = (server: string) => urlFor(server, system.database, role, secrets.password(role));
  const sums = async (client: pg.Client) => {
    const results: string[] = [];
    for (const { table } of system.tables) {
      const { rows } = await client.query<{ sum: string }>(
        `select count(*) || ' rows, sum of hashes ' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) as sum
         from public.${ident(table)} as t`,
      );
      results.push(rows[0]!.sum);
    }
    return results;
  };
  const [lsn, primary] = await withConnection(as(platform.postgres), async (client) => {
    // The log's end may lie within a record of a read's own clean-up, which nobody flushes for up to ten seconds; this
    // message is flushed by its commit, and with it all that came before.
    const { rows } = await client.query<{ lsn: string }>(
      `select pg_logical_emit_message(true, 'cutover', 'verify') as lsn`,
    );
    return [rows[0]!.lsn, await sums(client)] as const;
  });
  const replica = await withConnection(as(platform.replica!), async (client) => {
    const deadline = Date.now() + REPLAY_PATIENCE_MS;
    for (;;) {
      const { rows } = await client.query<{ standby: boolean; there: boolean }>(
        'select pg_is_in_recovery() as standby, pg_last_wal_replay_lsn() >= $1 as there',
        [lsn],
      );
      if (!rows[0]!.standby) {
        throw new CutoverError(
          'target',
          `${placeOf(platform.replica!)} is no replica: it takes writes itself`,
          'Name the standby of the primary with --replica URL; one that was promoted has to be made anew.',
        );
      }
      if (rows[0]!.there) return sums(client);
      if (Date.now() > deadline) {
        throw new CutoverError(
          'target',
          `the replica ${placeOf(platform.replica!)} has not replayed ${lsn} in a minute`,
          'Look why it lags.',
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });
  return system.tables.map(({ table }, i) => ({
    name: 'replica',
    table,
    ok: primary[i] === replica[i],
    source: primary[i]!,
    target: replica[i]!,
  }));
}
