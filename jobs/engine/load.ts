import type pg from 'pg';
import { ident } from '../database.ts';
import { type Batch, batches } from './batches.ts';
import {
  beginRun,
  type Counts,
  findRun,
  type Identity,
  isComplete,
  type Progress,
  progressIn,
  progressOf,
  type Run,
  removalsOf,
} from './ledger.ts';
import type { TableMapping } from './mapping.ts';
import { Parents } from './parents.ts';
import { removeGone } from './remove.ts';
import { RowConverter } from './row-converter.ts';
import type { OpenStore } from './store.ts';
import { TableWriter } from './table-writer.ts';

export interface LoadOptions {
  readonly identity: Identity;
  readonly fence: bigint;
  readonly batchRows: number;
  readonly dryRun: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onBatch?: (table: string, done: number, of: number) => void;
}

export interface TableLoad extends Counts {
  /** Records that the source has. */
  source: number;
  /** Rows of an earlier snapshot that this call removed. */
  removed: number;
}

/**
 * Loads a snapshot: goes on where a run of the same snapshot, code and schema ended, writes nothing when that run is
 * complete, and only the differences when the tables hold rows of another run.
 *
 * @returns what this call did, by table; the records of committed batches count as unchanged
 */
export async function load(
  client: pg.Client,
  store: OpenStore,
  tables: readonly TableMapping[],
  options: LoadOptions,
): Promise<{ run: Run; tables: Map<string, TableLoad> }> {
  if (options.dryRun) await client.query('begin');
  const known = await findRun(client, options.identity);
  const run = known ?? (await newRun(client, tables, options));
  const progress = await progressOf(client, run.id);
  const removals = await removalsOf(client, run.id);
  const complete = isComplete(run, tables, progress, removals);
  const parents = new Parents();
  const result = new Map<string, TableLoad>();
  for (const mapping of tables) {
    const done = progressIn(progress, mapping.table);
    const counts = { ...before(done), source: done.read, removed: 0 };
    // The parents' keys are needed as long as a child may still be converted.
    if (!done.complete || (mapping.parents && !complete)) {
      await loadTable(client, store, mapping, parents, run, done, counts, options);
    }
    result.set(mapping.table, counts);
  }
  if (run.mode === 'merge') {
    // Children first: removing a parent would take the children that are still there along.
    for (const mapping of tables.toReversed()) {
      if (removals.has(mapping.table)) continue;
      const reader = await store.reader(mapping, parents);
      result.get(mapping.table)!.removed = await removeGone(client, mapping, reader, parents, run, options);
      await reader.close();
    }
  }
  if (options.dryRun) await client.query('rollback');
  return { run, tables: result };
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

/** What earlier calls did, as this one finds it. */
function before(done: Progress): Counts {
  return {
    read: done.read,
    inserted: 0,
    updated: 0,
    unchanged: done.inserted + done.updated + done.unchanged,
    merged: done.merged,
    quarantined: done.quarantined,
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
  const reader = await store.reader(mapping, parents);
  try {
    const converter = new RowConverter(mapping, parents, reader.missingIsNotNull);
    const writer = new TableWriter(client, mapping.table, converter, {
      fence: options.fence,
      run,
      dryRun: options.dryRun,
    });
    counts.source = reader.count;
    let n = done.lastBatch;
    // The next batch is made while the server writes this one.
    let writing: Promise<Counts> | undefined;
    const settle = async () => {
      if (!writing) return;
      const written = await writing;
      writing = undefined;
      for (const key of Object.keys(written) as (keyof Counts)[]) counts[key] += written[key];
      options.onBatch?.(mapping.table, counts.read, reader.count);
    };
    const from = done.complete ? reader.count : done.position;
    const source: AsyncGenerator<Batch> = batches(mapping, reader, parents, {
      from,
      rows: options.batchRows,
    });
    try {
      for await (const batch of source) {
        if (done.complete) continue;
        await settle();
        options.signal?.throwIfAborted();
        writing = writer.write(batch, ++n);
        writing.catch(() => {});
      }
      await settle();
    } finally {
      await writing?.catch(() => {});
    }
  } finally {
    await reader.close();
  }
}
