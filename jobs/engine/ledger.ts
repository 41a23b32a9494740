import type pg from 'pg';
import type { Batch, Merged, Rejected } from './batches.ts';
import type { Part } from './part.ts';

/** What a proof or a load is about: the same three digests mean the same rows. */
export interface Identity {
  readonly system: string;
  /** Digest of the snapshot's manifest. */
  readonly snapshot: string;
  readonly code: string;
  readonly schema: string;
}

export interface Run {
  readonly id: string;
  readonly mode: 'append' | 'merge';
}

/** What happened to the records of one table. `read = inserted + updated + unchanged + merged + quarantined`. */
export interface Counts {
  read: number;
  inserted: number;
  updated: number;
  unchanged: number;
  merged: number;
  quarantined: number;
}

export function addCounts(to: Counts, more: Counts): void {
  for (const key of Object.keys(more) as (keyof Counts)[]) to[key] += more[key];
}

export interface Progress extends Counts {
  complete: boolean;
}

export interface PartProgress {
  /** Where the next batch begins. */
  readonly position: number;
  readonly lastBatch: number;
  readonly complete: boolean;
}

const NOTHING: Progress = {
  read: 0,
  inserted: 0,
  updated: 0,
  unchanged: 0,
  merged: 0,
  quarantined: 0,
  complete: false,
};

type RunOf = Run & Omit<Identity, 'system'>;

/** The latest load of exactly this snapshot by this code into this schema, if no other load came after it. */
export async function findRun(client: pg.Client, of: Identity): Promise<Run | undefined> {
  const last = await lastRun(client, of);
  const same = last?.snapshot === of.snapshot && last.code === of.code && last.schema === of.schema;
  return same ? { id: last.id, mode: last.mode } : undefined;
}

/** The load before a run, if it was one by the same code into the same schema. */
export async function runBefore(client: pg.Client, run: Run, of: Identity): Promise<RunOf | undefined> {
  const last = await lastRun(client, of, run);
  return last?.code === of.code && last.schema === of.schema ? last : undefined;
}

/** @param before the run before which it is the last; absent: of all */
async function lastRun(client: pg.Client, { system }: Identity, before?: Run): Promise<RunOf | undefined> {
  const { rows } = await client.query<RunOf>(
    `select id, mode, snapshot, code, schema from migration.run
     where system = $1 and step = 'load' and ($2::bigint is null or id < $2) order by id desc limit 1`,
    [system, before?.id],
  );
  return rows[0];
}

export async function beginRun(
  client: pg.Client,
  of: Identity,
  fence: bigint,
  mode: Run['mode'],
): Promise<Run> {
  const { rows } = await client.query<Run>(
    `insert into migration.run (system, step, fence, snapshot, code, schema, mode)
     values ($1, 'load', $2, $3, $4, $5, $6) returning id, mode`,
    [of.system, fence, of.snapshot, of.code, of.schema, mode],
  );
  return rows[0]!;
}

/** Says that whoever holds the target under this fence goes on with a run. */
export async function leadRun(client: pg.Client, run: Run, fence: bigint): Promise<void> {
  await client.query('update migration.run set fence = $1 where id = $2', [fence, run.id]);
}

/** The fence under which a run is led; undefined when whoever came last to the target leads another one, or none. */
export async function fenceOf(client: pg.Client, run: Run): Promise<bigint | undefined> {
  const { rows } = await client.query<{ fence: string }>(
    'select fence from migration.target join migration.run using (fence) where run.id = $1',
    [run.id],
  );
  return rows[0] && BigInt(rows[0].fence);
}

/** Whether the schema step has made the ledger, all of it. */
export async function hasLedger(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ has: boolean }>(
    `select to_regclass('migration.part_progress') is not null as has`,
  );
  return rows[0]!.has;
}

/** How far each table of a run is, by table name. */
export async function progressOf(client: pg.Client, runId: string): Promise<Map<string, Progress>> {
  const { rows } = await client.query<Record<string, string> & { table_name: string; complete: boolean }>(
    'select * from migration.progress where run_id = $1',
    [runId],
  );
  return new Map(
    rows.map((row) => [
      row.table_name,
      {
        read: Number(row.read),
        inserted: Number(row.inserted),
        updated: Number(row.updated),
        unchanged: Number(row.unchanged),
        merged: Number(row.merged),
        quarantined: Number(row.quarantined),
        complete: row.complete,
      },
    ]),
  );
}

/** The parts of a table, as this run or the one that it goes on with cut it; none before the first batch. */
export async function partsOf(client: pg.Client, runId: string, table: string): Promise<Part[]> {
  const { rows } = await client.query<{ n: number; from: string; to: string }>(
    `select part as n, from_position as from, to_position as to from migration.part
     where run_id = $1 and table_name = $2 order by part`,
    [runId, table],
  );
  return rows.map(({ n, from, to }) => ({ n, from: Number(from), to: Number(to) }));
}

export async function recordParts(
  client: pg.Client,
  runId: string,
  table: string,
  parts: readonly Part[],
): Promise<void> {
  await client.query(
    `insert into migration.part (run_id, table_name, part, from_position, to_position)
     select $1, $2, * from unnest($3::integer[], $4::bigint[], $5::bigint[])`,
    [runId, table, parts.map(({ n }) => n), parts.map(({ from }) => from), parts.map(({ to }) => to)],
  );
}

/** How far the parts of a table are, by number. */
export async function partProgressOf(
  client: pg.Client,
  runId: string,
  table: string,
): Promise<Map<number, PartProgress>> {
  const { rows } = await client.query<{
    part: number;
    position: string;
    last_batch: number;
    complete: boolean;
  }>(
    `select part, position, last_batch, complete from migration.part_progress
     where run_id = $1 and table_name = $2`,
    [runId, table],
  );
  return new Map(
    rows.map(({ part, position, last_batch, complete }) => [
      part,
      { position: Number(position), lastBatch: last_batch, complete },
    ]),
  );
}

/** How many rows a merging run removed, by table; a table that is not in it has not come so far. */
export async function removalsOf(client: pg.Client, runId: string): Promise<Map<string, number>> {
  const { rows } = await client.query<{ table_name: string; removed: string }>(
    'select table_name, removed from migration.removal where run_id = $1',
    [runId],
  );
  return new Map(rows.map((row) => [row.table_name, Number(row.removed)]));
}

/** Whether a run has done all that it has to do; nowhere stored, always derived. */
export function isComplete(
  run: Run,
  tables: readonly { readonly table: string }[],
  progress: ReadonlyMap<string, Progress>,
  removals: ReadonlyMap<string, number>,
): boolean {
  return tables.every(
    ({ table }) => progress.get(table)?.complete && (run.mode === 'append' || removals.has(table)),
  );
}

export function progressIn(progress: Map<string, Progress>, table: string): Progress {
  return progress.get(table) ?? NOTHING;
}

/** Records a batch, in the transaction that wrote its rows. */
export async function recordBatch(
  client: pg.Client,
  run: Run,
  table: string,
  { n, part }: { readonly n: number; readonly part: number },
  batch: Pick<Batch, 'from' | 'to' | 'notes' | 'last'> & { readonly sha256: Buffer },
  counts: Counts,
): Promise<void> {
  await client.query(
    `insert into migration.batch (run_id, table_name, n, part, sha256, from_position, to_position, read, inserted,
       updated, unchanged, merged, quarantined, notes, last)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
    [
      run.id,
      table,
      n,
      part,
      batch.sha256,
      batch.from,
      batch.to,
      counts.read,
      counts.inserted,
      counts.updated,
      counts.unchanged,
      counts.merged,
      counts.quarantined,
      batch.notes,
      batch.last,
    ],
  );
}

/** Keeps what batch `n` set aside, in the transaction that wrote its rows. */
export async function setAside(
  client: pg.Client,
  run: Run,
  table: string,
  n: number,
  rejected: readonly Rejected[],
  merged: readonly Merged[],
): Promise<void> {
  if (rejected.length > 0) {
    await client.query(
      `insert into migration.quarantine (run_id, table_name, batch, locator, code, field, detail, payload)
       select $1, $2, $3, * from unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[])`,
      [run.id, table, n, ...columnsOf(rejected, ['locator', 'code', 'field', 'detail', 'payload'])],
    );
  }
  if (merged.length > 0) {
    await client.query(
      `insert into migration.merged (run_id, table_name, batch, locator, winner, rule, identical, payload)
       select $1, $2, $3, * from unnest($4::text[], $5::text[], $6::text[], $7::boolean[], $8::text[])`,
      [run.id, table, n, ...columnsOf(merged, ['locator', 'winner', 'rule', 'identical', 'payload'])],
    );
  }
}

function columnsOf<T extends Rejected | Merged>(
  rows: readonly T[],
  names: readonly (keyof T)[],
): unknown[][] {
  return names.map((name) => rows.map((row) => row[name]));
}

/**
 * Whether a run has rows in quarantine that a table refused, by a constraint that is there now: asked of the ledger, since
 * the process that met them may have been killed.
 */
export async function hasRefusedRows(client: pg.Client, runId: string): Promise<boolean> {
  const { rowCount } = await client.query(
    `select from migration.quarantine where run_id = $1 and replayed_at is null
       and (code like 'SQLSTATE\\_%' or code in (select conname from pg_constraint)
         or code in (select relname from pg_class where relkind = 'i')) limit 1`,
    [runId],
  );
  return rowCount === 1;
}

/**
 * Whether a run has set records of a table aside, or stored them later, for a reason that is none of their own: a contract's
 * code is of capitals, another one is a constraint's name or an SQLSTATE.
 */
export async function hasOtherReasons(client: pg.Client, runId: string, table: string): Promise<boolean> {
  const { rowCount } = await client.query(
    `select from migration.quarantine where run_id = $1 and table_name = $2
       and (replayed_at is not null or code !~ '^[A-Z][A-Z0-9_]*$' or code like 'SQLSTATE\\_%') limit 1`,
    [runId, table],
  );
  return rowCount === 1;
}

/**
 * Takes over what another run has set aside of a table, into a batch of this one, but for some records.
 * @returns how many records it took over
 */
export async function copySetAside(
  client: pg.Client,
  from: Run,
  run: Run,
  table: string,
  n: number,
  but: readonly string[],
): Promise<Pick<Counts, 'quarantined' | 'merged'>> {
  const copy = async (ledger: string, columns: string) => {
    const { rowCount } = await client.query(
      `insert into migration.${ledger} (run_id, table_name, batch, ${columns})
       select $1, table_name, $2, ${columns} from migration.${ledger}
       where run_id = $3 and table_name = $4 and locator <> all($5::text[])`,
      [run.id, n, from.id, table, but],
    );
    return rowCount!;
  };
  return {
    quarantined: await copy('quarantine', 'locator, code, field, detail, payload'),
    merged: await copy('merged', 'locator, winner, rule, identical, payload'),
  };
}

/** Locators of the records of a table that are in quarantine. */
export async function quarantinedIn(client: pg.Client, runId: string, table: string): Promise<Set<string>> {
  const { rows } = await client.query<{ locator: string }>(
    'select locator from migration.quarantine where run_id = $1 and table_name = $2 and replayed_at is null',
    [runId, table],
  );
  return new Set(rows.map((row) => row.locator));
}

/** Quarantined records by reason code, per table. */
export async function reasonsOf(
  client: pg.Client,
  runId: string,
): Promise<Map<string, Record<string, number>>> {
  const { rows } = await client.query<{ table_name: string; code: string; n: string }>(
    `select table_name, code, count(*) as n from migration.quarantine
     where run_id = $1 and replayed_at is null group by table_name, code order by table_name, code`,
    [runId],
  );
  const reasons = new Map<string, Record<string, number>>();
  for (const { table_name, code, n } of rows) {
    const of = reasons.get(table_name) ?? {};
    of[code] = Number(n);
    reasons.set(table_name, of);
  }
  return reasons;
}

/** Notes by rule, per table. */
export async function notesOf(
  client: pg.Client,
  runId: string,
): Promise<Map<string, Record<string, number>>> {
  const { rows } = await client.query<{ table_name: string; rule: string; n: string }>(
    `select table_name, rule, sum(noted::bigint) as n from migration.batch, jsonb_each_text(notes) as note (rule, noted)
     where run_id = $1 group by table_name, rule order by table_name, rule`,
    [runId],
  );
  const notes = new Map<string, Record<string, number>>();
  for (const { table_name, rule, n } of rows) {
    const of = notes.get(table_name) ?? {};
    of[rule] = Number(n);
    notes.set(table_name, of);
  }
  return notes;
}
