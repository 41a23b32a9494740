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
import { type Compared, compareLoaded, type Divergence } from '../engine/compare.ts';
import { cut } from '../engine/cut.ts';
import { catalogDigest } from '../engine/digest.ts';
import { valuesWithoutField } from '../engine/export.ts';
import { shareTarget } from '../engine/hold.ts';
import {
  findRun,
  isComplete,
  notesOf,
  type Progress,
  progressOf,
  reasonsOf,
  removalsOf,
} from '../engine/ledger.ts';
import type { TableMapping } from '../engine/mapping.ts';
import { Pace } from '../engine/pace.ts';
import { Parents } from '../engine/parents.ts';
import type { OpenStore } from '../engine/store.ts';
import { CutoverError } from '../errors.ts';
import { tableReport } from '../report.ts';
import { readTwice } from '../sources/second-reader.ts';
import type { OrderedReader } from '../sources/source.ts';
import {
  asRole,
  checkBudget,
  connectAs,
  crewOf,
  identityOf,
  paceOf,
  type StepContext,
  withCurrentStore,
} from './context.ts';
import { isCutOver } from './final.ts';

/** So many divergences are listed; all are counted. */
const LISTED = 10_000;

/**
 * Proves that the target holds what the snapshot holds: every field of every row, what both engines compute of each
 * column, the layout of the schema, and the replica. Reads the primary in one REPEATABLE READ snapshot under a role that
 * can write nothing but its findings.
 *
 * @throws CutoverError `differences`, `budget`
 */
export async function verify(context: StepContext): Promise<Divergence[]> {
  const { system, report } = context;
  const startedAt = new Date();
  const divergences: Divergence[] = [];
  await paceOf(context).pass(0, context.signal);
  const guard = await connectAs(context, 'verifier');
  try {
    await shareTarget(guard);
    // Without a final sync it may be asked at any time how far a database has gone from its snapshot.
    if (context.final !== undefined && (await isCutOver(context, guard))) return divergences;
    await asRole(context, 'verifier', (client) =>
      withCurrentStore(context, 'proof', async (store, snapshot) => {
        await client.query('begin isolation level repeatable read read only');
        // It waits in its transaction while threads compare in the same snapshot.
        await client.query('set local idle_in_transaction_session_timeout = 0');
        const identity = await identityOf(context, snapshot, await catalogDigest(client));
        const { rows: recorded } = await client.query<{ digest: string }>(
          'select digest from migration.fingerprint order by id desc limit 1',
        );
        const schema = recorded[0]?.digest ?? 'nothing recorded';
        // A catalog that was changed after the load is no reason not to look: a check below says so.
        const run = (await findRun(client, identity)) ?? (await findRun(client, { ...identity, schema }));
        const progress = run ? await progressOf(client, run.id) : new Map<string, Progress>();
        if (!run || !isComplete(run, system.tables, progress, await removalsOf(client, run.id))) {
          throw new CutoverError(
            'target',
            `${system.name}: the current snapshot has not been loaded completely by this code into this schema`,
            `Run: cutover load --system ${system.name}`,
          );
        }
        const reasons = await reasonsOf(client, run.id);
        const notes = await notesOf(client, run.id);
        const parents = new Parents();
        const exported = await client.query<{ view: string }>('select pg_export_snapshot() as view');
        const view = exported.rows[0]!.view;
        const crew = crewOf(context, 'proof', snapshot);
        const pace = new Pace({ maxRowsPerSecond: context.pace?.maxRowsPerSecond });
        let rows = 0;
        try {
          for (const mapping of system.tables) {
            if (store.isLarge?.(mapping)) crew.prepare();
            const reader = await store.reader(mapping, parents);
            try {
              const compared = await compareInParts(
                crew,
                view,
                client,
                run.id,
                mapping,
                reader,
                parents,
                pace,
                context.signal,
              );
              divergences.push(...compared.divergences.slice(0, LISTED - divergences.length));
              rows += compared.rows;
              const table = tableReport(report, mapping.table);
              if (table.read === 0) {
                const {
                  read,
                  inserted,
                  updated,
                  unchanged,
                  merged,
                  quarantined: q,
                } = progress.get(mapping.table)!;
                Object.assign(table, {
                  read,
                  unchanged: inserted + updated + unchanged,
                  merged,
                  quarantined: q,
                });
              }
              table.source = reader.count;
              table.compared = compared.fields;
              table.differences = compared.differences;
              table.reasons = reasons.get(mapping.table) ?? {};
              table.notes = notes.get(mapping.table) ?? {};
            } finally {
              await reader.close();
            }
          }
          report.compared = { snapshot: identity.snapshot, code: identity.code, rows };
          report.checks = [
            ...(await checksOf(context, client, store, crew, run.id)),
            {
              name: 'catalog is as the schema step left it',
              table: '*',
              ok: schema === identity.schema,
              source: schema,
              target: identity.schema,
            },
          ];
        } finally {
          await crew.end();
        }
        await client.query('commit');
        if (!context.dryRun) await record(context, identity, startedAt, rows, divergences, guard);
      }),
    );
  } finally {
    await guard.end().catch(() => {});
  }
  const differences = Object.values(report.tables).reduce((sum, table) => sum + table.differences, 0);
  const failed = report.checks.filter((check) => !check.ok);
  if (differences > 0 || failed.length > 0) throw differ(context, differences, divergences, failed);
  checkBudget(context);
  return divergences;
}

/** Compares a table, a large one part by part side by side. @param view the transaction's own snapshot of the database */
async function compareInParts(
  crew: Crew,
  view: string,
  client: pg.Client,
  runId: string,
  mapping: TableMapping,
  reader: OrderedReader,
  parents: Parents,
  pace: Pace,
  signal: AbortSignal | undefined,
): Promise<Compared> {
  const parts = cut(mapping, reader, parents, crew);
  const table = mapping.table;
  if (parts.length > 1) {
    const known = { reader: reader.known, parents: parents.all };
    const tasks = parts.map(({ from, to, key }, i) => ({
      ...{ table, runId, view, listed: LISTED, known },
      range: { from, to, first: key, before: parts[i + 1]?.key },
    }));
    const found = await crew.compare(tasks);
    const sum = (of: (each: Compared) => number) => found.reduce((total, each) => total + of(each), 0);
    return {
      rows: sum(({ rows }) => rows),
      fields: sum(({ fields }) => fields),
      differences: sum(({ differences }) => differences),
      divergences: found.flatMap((each) => each.divergences).slice(0, LISTED),
    };
  }
  return compareLoaded(client, runId, mapping, reader, parents, LISTED, { pace, signal });
}

async function checksOf(
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
  for (const [collection, files] of Object.entries(store.files ?? {})) {
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

async function record(
  context: StepContext,
  identity: { system: string; snapshot: string; code: string; schema: string },
  startedAt: Date,
  rows: number,
  divergences: readonly Divergence[],
  client: pg.Client,
): Promise<void> {
  const tables = Object.values(context.report.tables);
  await client.query('begin');
  const { rows: made } = await client.query<{ id: string }>(
    `insert into migration.verification
       (system, snapshot, code, schema, started_at, rows_compared, fields_compared, differences, checks)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning id`,
    [
      identity.system,
      identity.snapshot,
      identity.code,
      identity.schema,
      startedAt,
      rows,
      tables.reduce((sum, table) => sum + table.compared, 0),
      tables.reduce((sum, table) => sum + table.differences, 0),
      JSON.stringify(context.report.checks),
    ],
  );
  if (divergences.length > 0) {
    const clean = (text: string | null) => text?.replaceAll('\0', '\\0') ?? null;
    await client.query(
      `insert into migration.divergence (verification_id, n, table_name, key, field, source, target, kind)
       select $1, ordinality, table_name, key, field, source, target, kind
       from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
         with ordinality as d (table_name, key, field, source, target, kind, ordinality)`,
      [
        made[0]!.id,
        divergences.map((each) => each.table),
        divergences.map((each) => clean(each.key)),
        divergences.map((each) => each.field),
        divergences.map((each) => clean(each.source)),
        divergences.map((each) => clean(each.target)),
        divergences.map((each) => each.kind),
      ],
    );
  }
  await client.query('commit');
}

function differ(
  context: StepContext,
  differences: number,
  divergences: readonly Divergence[],
  failed: readonly CheckResult[],
): DivergenceError {
  const lines = [
    ...divergences.slice(0, 5).map((each) => {
      const where = `${each.table} ${each.key}${each.field ? ` field ${each.field}` : ''}`;
      return `${where} ${each.kind}: source ${each.source ?? 'has none'}, target ${each.target ?? 'has none'}`;
    }),
    ...failed
      .slice(0, 5)
      .map((each) => `check ${each.name} of ${each.table}: source ${each.source}, target ${each.target}`),
  ];
  return new DivergenceError(
    `${context.system.name}: ${differences} differences and ${failed.length} failed checks: ${lines.join('; ')}`,
    divergences,
  );
}

/** Source and target differ; carries what was found. */
export class DivergenceError extends CutoverError {
  constructor(
    message: string,
    readonly divergences: readonly Divergence[],
    fix = 'Find out who wrote to the target; correct it there, or load every row again: --reload.',
  ) {
    super('differences', message, fix);
  }
}
