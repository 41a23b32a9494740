import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type pg from 'pg';
import type { SqliteReader } from '../sources/sqlite.ts';
import { changedRows } from '../sources/sqlite-changes.ts';
import { type Affected, affectedRows, type PickedRows } from './affected.ts';
import { type Batch, batches } from './batches.ts';
import { CopyBuffer } from './copy-buffer.ts';
import { standsAlone } from './cut.ts';
import { catalogDigest } from './digest.ts';
import { atomically } from './hold.ts';
import { compareKeys } from './key-order.ts';
import {
  copySetAside,
  hasOtherReasons,
  isComplete,
  notesOf,
  type Progress,
  progressOf,
  type Run,
  recordBatch,
  recordParts,
  removalsOf,
  runBefore,
  setAside,
} from './ledger.ts';
import type { LoadOptions, TableLoad } from './load.ts';
import type { TableMapping } from './mapping.ts';
import { Parents } from './parents.ts';
import { addKey, removeKeys } from './remove.ts';
import { RowConverter } from './row-converter.ts';
import type { OpenStore } from './store.ts';
import { rowsOf, TableWriter } from './table-writer.ts';

/** A larger share of a table's rows is better compared as a whole. */
const MOST_SHARE = 0.2;

/** A load that has ended, whose rows are what the target holds. */
interface Base {
  readonly run: Run;
  readonly progress: ReadonlyMap<string, Progress>;
  readonly notes: ReadonlyMap<string, Record<string, number>>;
}

/**
 * Loads what differs between the snapshot that the last load has brought and this one, where the last load was complete
 * and of the same code and schema, and its snapshot is still there. A table is written in one transaction, with the
 * accounts that a load of all its records would have given.
 *
 * @param run has just begun, and nothing has been loaded yet
 * @returns what became of the records, by table; a table that isn't in it has to be loaded as a whole
 */
export async function loadChanges(
  client: pg.Client,
  store: OpenStore,
  tables: readonly TableMapping[],
  run: Run,
  options: LoadOptions,
): Promise<Map<string, TableLoad>> {
  const loaded = new Map<string, TableLoad>();
  if (!store.sqlite || !options.openSnapshot) return loaded;
  const last = await runBefore(client, run, options.identity);
  if (last === undefined) return loaded;
  const progress = await progressOf(client, last.id);
  if (!isComplete(last, tables, progress, await removalsOf(client, last.id))) return loaded;
  // A constraint that was changed by hand may have refused rows that it doesn't refuse now.
  if ((await catalogDigest(client)) !== options.identity.schema) return loaded;
  const earlier = await options.openSnapshot(last.snapshot);
  if (earlier === undefined) return loaded;
  try {
    const base: Base = { run: last, progress, notes: await notesOf(client, last.id) };
    for (const mapping of tables) {
      if (!(await isAlone(client, mapping, last))) continue;
      const [before, after] = [earlier.sqlite!.reader(mapping), store.sqlite.reader(mapping)];
      try {
        const affected = await compare(mapping, before, after, options.signal);
        if (affected === undefined) continue;
        const write = () => writeAffected(client, mapping, before, after, affected, base, run, options);
        loaded.set(mapping.table, await atomically(client, options, write));
        options.onChanges?.(mapping.table, affected.after.rowids.length, after.count);
      } catch (error) {
        // All of it was rolled back.
        if (!(error instanceof Unexpected)) throw error;
      } finally {
        await before.close();
        await after.close();
      }
    }
  } finally {
    await earlier.close();
  }
  return loaded;
}

/** Whether a record's fate can follow from nothing but records of the same table. */
async function isAlone(client: pg.Client, mapping: TableMapping, last: Run): Promise<boolean> {
  if (mapping.watch && mapping.watchBack === undefined) return false;
  const { rowCount: referred } = await client.query(
    `select from pg_constraint where contype = 'f' and confrelid = to_regclass($1) limit 1`,
    [`public.${mapping.table}`],
  );
  return referred === 0 && !(await hasOtherReasons(client, last.id, mapping.table));
}

async function compare(
  mapping: TableMapping,
  before: SqliteReader,
  after: SqliteReader,
  signal: AbortSignal | undefined,
): Promise<Affected | undefined> {
  if (!standsAlone(mapping, after, new Parents())) return undefined;
  const definition = after.definition();
  if (definition === undefined || definition !== before.definition()) return undefined;
  const most = Math.floor(MOST_SHARE * after.count);
  const pause = async () => {
    await setImmediate();
    signal?.throwIfAborted();
  };
  const changed = await changedRows(before.records(), after.records(), most, pause);
  return changed && affectedRows(mapping, before, after, changed, most, pause);
}

/** The target or its ledger is not what the last load left, or the table refuses a row: it is loaded as a whole. */
class Unexpected extends Error {}

/** Writes what differs of the affected rows, and the accounts of the whole table, in the caller's transaction. */
async function writeAffected(
  client: pg.Client,
  mapping: TableMapping,
  before: SqliteReader,
  after: SqliteReader,
  affected: Affected,
  base: Base,
  run: Run,
  options: LoadOptions,
): Promise<TableLoad> {
  const { table } = mapping;
  const converter = new RowConverter(mapping, new Parents(), after.missingIsNotNull);
  const { keyOrder } = converter;
  const writer = new TableWriter(client, table, converter, { ...options, run });
  const batchOf = (reader: SqliteReader, { rowids, counts }: PickedRows) =>
    batches(mapping, reader.picked(rowids), new Parents(), {
      counts: (position) => counts[position]!,
      rows: options.batchRows,
      recycle: true,
    });
  const old = new Rows(batchOf(before, affected.before));
  const now = new Account();
  const gone = new CopyBuffer();
  const sha256 = createHash('sha256');
  let removed = 0;
  let added = 0;
  let inserted = 0;
  let updated = 0;
  const goOn = async () => {
    addKey(gone, mapping, old.bytes, old.start);
    removed++;
    await old.step();
  };
  await old.step();
  for await (const batch of batchOf(after, affected.after)) {
    options.signal?.throwIfAborted();
    await options.pace?.pass(batch.to - batch.from, options.signal);
    now.add(batch);
    const { bytes, length } = batch.rows;
    const differ: number[] = [];
    for (let i = 0; i < batch.starts.length; i++) {
      const start = batch.starts[i]!;
      const order = () => (old.has ? compareKeys(old.bytes, old.start, bytes, start, keyOrder) : 1);
      let found = order();
      for (; found < 0; found = order()) await goOn();
      if (found > 0) added++;
      const same = found === 0 && old.isSame(bytes, start, batch.starts[i + 1] ?? length);
      if (!same) differ.push(i);
      if (found === 0) await old.step();
    }
    if (differ.length > 0) {
      const rows = rowsOf(batch, differ);
      const written = await writer.merge(rows);
      if (written.refused.length > 0) throw new Unexpected();
      sha256.update(rows.rows.from(0));
      inserted += written.inserted;
      updated += written.updated;
    }
    await setAside(client, run, table, BATCH, batch.rejected, batch.merged);
  }
  while (old.has) await goOn();
  const deleted = await removeKeys(client, mapping, gone, run);
  const was = base.progress.get(table)!;
  const kept = await copySetAside(client, base.run, run, table, BATCH, old.account.locators);
  const quarantined = kept.quarantined + now.quarantined;
  const merged = kept.merged + now.merged;
  const isKnown =
    was.read === before.count &&
    was.quarantined === kept.quarantined + old.account.quarantined &&
    was.merged === kept.merged + old.account.merged &&
    deleted === removed &&
    inserted === added;
  if (!isKnown) throw new Unexpected();
  const read = after.count;
  const unchanged = read - inserted - updated - merged - quarantined;
  const counts = { read, inserted, updated, unchanged, merged, quarantined };
  const notes = sumOf(base.notes.get(table) ?? {}, old.account.notes, now.notes);
  await recordParts(client, run.id, table, [{ n: 0, from: 0, to: read }]);
  const all = { from: 0, to: read, last: true, notes, sha256: sha256.digest() };
  await recordBatch(client, run, table, { n: BATCH, part: 0 }, all, counts);
  return { ...counts, source: read, removed };
}

/** The number of the one batch that a table gets. */
const BATCH = 1;

/** What became of the records of some batches. */
class Account {
  quarantined = 0;
  merged = 0;
  readonly notes: Record<string, number> = {};
  /** Of the records that were set aside. */
  readonly locators: string[] = [];

  add({ rejected, merged, notes }: Batch): void {
    this.quarantined += rejected.length;
    this.merged += merged.length;
    for (const { locator } of [...rejected, ...merged]) this.locators.push(locator);
    for (const [rule, n] of Object.entries(notes)) this.notes[rule] = (this.notes[rule] ?? 0) + n;
  }
}

/** The rows of some batches, one after the other. */
class Rows {
  readonly account = new Account();
  /** Whether there is a row that it stands on. */
  has = false;
  #batch: Batch | undefined;
  #at = -1;

  constructor(private readonly source: AsyncIterator<Batch>) {}

  async step(): Promise<void> {
    this.#at++;
    while (this.#batch === undefined || this.#at === this.#batch.starts.length) {
      const { value, done } = await this.source.next();
      this.has = done !== true;
      if (done) return;
      this.account.add(value);
      this.#batch = value as Batch;
      this.#at = 0;
    }
  }

  get bytes(): Buffer {
    return this.#batch!.rows.bytes;
  }

  get start(): number {
    return this.#batch!.starts[this.#at]!;
  }

  isSame(bytes: Buffer, start: number, end: number): boolean {
    const own = this.#batch!.starts[this.#at + 1] ?? this.#batch!.rows.length;
    return this.bytes.compare(bytes, start, end, this.start, own) === 0;
  }
}

/** Notes by rule, after some have gone and others have come. */
function sumOf(
  before: Readonly<Record<string, number>>,
  gone: Readonly<Record<string, number>>,
  come: Readonly<Record<string, number>>,
): Record<string, number> {
  const rules = [...new Set([...Object.keys(before), ...Object.keys(come)])];
  const of = rules.map(
    (rule) => [rule, (before[rule] ?? 0) - (gone[rule] ?? 0) + (come[rule] ?? 0)] as const,
  );
  return Object.fromEntries(of.filter(([, n]) => n !== 0));
}
