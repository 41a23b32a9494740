import pg from 'pg';
import { ident } from '../database.ts';
import { batches } from './batches.ts';
import type { CopyBuffer } from './copy-buffer.ts';
import { cut } from './cut.ts';
import {
  addCounts,
  beginRun,
  type Counts,
  findRun,
  hasRefusedRows,
  type Identity,
  isComplete,
  leadRun,
  notesOf,
  type Progress,
  partsOf,
  progressIn,
  progressOf,
  type Run,
  reasonsOf,
  recordParts,
  removalsOf,
} from './ledger.ts';
import { loadChanges } from './load-changes.ts';
import type { TableMapping } from './mapping.ts';
import type { Pace } from './pace.ts';
import { Parents } from './parents.ts';
import type { Part, PartTask } from './part.ts';
import { loadParts } from './parts.ts';
import { keysGone, removeRows } from './remove.ts';
import { replayTables } from './replay.ts';
import type { OpenStore } from './store.ts';

export interface LoadOptions {
  readonly identity: Identity;
  readonly fence: bigint;
  readonly batchRows: number;
  readonly dryRun: boolean;
  /** Compares every row again, although a run of the same snapshot is complete. */
  readonly again?: boolean | undefined;
  /** How many processes load it together, see `follow`; default: this one alone. */
  readonly processes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly pace?: Pace | undefined;
  /** Absent: everything on the one connection, part by part. */
  readonly crew?: LoadCrew | undefined;
  readonly onBatch?: (table: string, done: number, of: number) => void;
  /** Opens an earlier snapshot by its digest, if it is still there as it was; absent: every record is read again. */
  readonly openSnapshot?: (digest: string) => Promise<OpenStore | undefined>;
  /** Called for a table of which only so many records were read again. */
  readonly onChanges?: (table: string, read: number, of: number) => void;
}

/** Threads that load parts side by side, each on a connection of its own. */
export interface LoadCrew {
  readonly threads: number;
  readonly partRows: number;
  /** Says that there will be work. */
  prepare(): void;
  /** Does those tasks whose parts nobody else is at. */
  load(table: string, tasks: readonly PartTask[], onBatch: (written: Counts) => void): Promise<void>;
}

export interface TableLoad extends Counts {
  /** Records that the source has. */
  source: number;
  /** Rows of an earlier snapshot that this call removed. */
  removed: number;
}

export interface Loaded {
  /** What this call did, by table; the records of committed batches count as unchanged. */
  readonly tables: Map<string, TableLoad>;
  /** Records in quarantine by reason code, per table. */
  readonly reasons: Map<string, Record<string, number>>;
  /** Notes by rule, per table. */
  readonly notes: Map<string, Record<string, number>>;
}

/**
 * Loads a snapshot: goes on where a run of the same snapshot, code and schema ended, writes nothing when that run is
 * complete, and only the differences when the tables hold rows of another run. Where that run was a complete one by this
 * code into this schema, and its snapshot is there, only the records that have changed since are looked at again.
 */
export async function load(
  client: pg.Client,
  store: OpenStore,
  tables: readonly TableMapping[],
  options: LoadOptions,
): Promise<Loaded> {
  if (options.dryRun) await client.query('begin');
  const known = options.again ? undefined : await findRun(client, options.identity);
  const run = known ?? (await newRun(client, tables, options));
  // One that was stopped may have been told to compare every row.
  const begins = known === undefined && run.mode === 'merge' && !options.again && !options.dryRun;
  const changes = begins ? await loadChanges(client, store, tables, run, options) : undefined;
  const progress = await progressOf(client, run.id);
  const removals = await removalsOf(client, run.id);
  const complete = isComplete(run, tables, progress, removals);
  if (known && !complete && !options.dryRun) await leadRun(client, run, options.fence);
  const parents = new Parents();
  const gone =
    run.mode === 'merge' && !complete
      ? await rowsGone(client, store, tables, parents, removals)
      : new Map<string, CopyBuffer>();
  const result = new Map<string, TableLoad>();
  for (const { table } of tables) {
    const done = progressIn(progress, table);
    result.set(table, changes?.get(table) ?? { ...since(done, done), source: done.read, removed: 0 });
  }
  // Children first: removing a parent would take the children that are still there along.
  const remove = async (mayWait: (error: unknown) => boolean) => {
    for (const mapping of tables.toReversed()) {
      const keys = gone.get(mapping.table);
      if (!keys || removals.has(mapping.table)) continue;
      try {
        const removed = await removeRows(client, mapping, keys, run, options);
        result.get(mapping.table)!.removed = removed;
        removals.set(mapping.table, removed);
      } catch (error) {
        if (!mayWait(error)) throw error;
      }
    }
  };
  // What is gone goes first, for a new record may bear its name; but not what children that stay still refer to.
  await remove(isStillReferredTo);
  for (const mapping of tables) {
    const done = progressIn(progress, mapping.table);
    // The parents' keys are needed as long as a child may still be converted.
    if (!done.complete || (mapping.parents && !complete)) {
      const counts = result.get(mapping.table)!;
      await loadTable(client, store, mapping, parents, run, done, counts, options);
    }
  }
  await remove(() => false);
  if (run.mode === 'merge' && (await hasRefusedRows(client, run.id))) {
    // A name that was taken may be free now that its row has changed or gone.
    for (const [table, became] of await replayTables(client, store, tables, { ...options, run })) {
      const counts = result.get(table)!;
      for (const key of ['inserted', 'updated', 'unchanged'] as const) {
        counts[key] += became[key];
        counts.quarantined -= became[key];
      }
    }
  }
  const [reasons, notes] = [await reasonsOf(client, run.id), await notesOf(client, run.id)];
  if (options.dryRun) await client.query('rollback');
  return { tables: result, reasons, notes };
}

/** Keys of the rows that the source no longer has, by table, but for tables where they are removed already. */
async function rowsGone(
  client: pg.Client,
  store: OpenStore,
  tables: readonly TableMapping[],
  parents: Parents,
  removals: ReadonlyMap<string, number>,
): Promise<Map<string, CopyBuffer>> {
  const gone = new Map<string, CopyBuffer>();
  for (const mapping of tables) {
    if (removals.has(mapping.table) && !mapping.parents) continue;
    const reader = await store.reader(mapping, parents);
    try {
      gone.set(mapping.table, await keysGone(client, mapping, reader, parents));
    } finally {
      await reader.close();
    }
  }
  return gone;
}

/** SQLSTATE foreign_key_violation. */
function isStillReferredTo(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '23503';
}

async function newRun(
  client: pg.Client,
  tables: readonly TableMapping[],
  options: LoadOptions,
): Promise<Run> {
  const filled = tables.map((mapping) => `exists (select from public.${ident(mapping.table)})`);
  const { rows } = await client.query<{ filled: boolean }>(`select ${filled.join(' or ')} as filled`);
  return beginRun(client, options.identity, options.fence, rows[0]!.filled ? 'merge' : 'append');
}

/** What became of the records since some were done, which count as unchanged. */
function since(done: Progress, now: Progress): Counts {
  return {
    read: now.read,
    inserted: now.inserted - done.inserted,
    updated: now.updated - done.updated,
    unchanged: now.unchanged + done.inserted + done.updated,
    merged: now.merged,
    quarantined: now.quarantined,
  };
}

async function loadTable(
  client: pg.Client,
  store: OpenStore,
  mapping: TableMapping,
  parents: Parents,
  run: Run,
  done: Progress,
  counts: TableLoad,
  options: LoadOptions,
): Promise<void> {
  const { table } = mapping;
  if (!options.dryRun && store.isLarge?.(mapping)) options.crew?.prepare();
  const reader = await store.reader(mapping, parents);
  try {
    counts.source = reader.count;
    if (done.complete) {
      for await (const _ of batches(mapping, reader, parents, {
        from: reader.count,
        rows: options.batchRows,
      }));
      return;
    }
    const crew = options.dryRun ? undefined : options.crew;
    let parts: readonly Part[] = await partsOf(client, run.id, table);
    if (parts.length === 0) {
      // Another process can find out about an SQLite table's records what this one knows; not so about those of files.
      const processes = store.sqlite ? (options.processes ?? 1) : 1;
      parts = cut(
        mapping,
        reader,
        parents,
        crew && { threads: crew.threads * processes, partRows: crew.partRows },
      );
      await recordParts(client, run.id, table, parts);
    }
    const { batchRows, fence, dryRun, signal, pace } = options;
    const onBatch = (written: Counts) => {
      addCounts(counts, written);
      options.onBatch?.(table, counts.read, reader.count);
    };
    const how = { run, fence, batchRows, dryRun, signal, pace, onBatch };
    await loadParts(client, mapping, reader, parents, parts, crew, how);
    // Others may have done some of it.
    Object.assign(counts, since(done, progressIn(await progressOf(client, run.id), table)));
  } finally {
    await reader.close();
  }
}
