import { setImmediate } from 'node:timers/promises';
import type { CellCursor, OrderedReader, SourceRecord } from '../sources/source.ts';
import { CopyBuffer } from './copy-buffer.ts';
import { compareKeys } from './key-order.ts';
import type { DuplicateVerdict, KeyedRow, Note, TableMapping } from './mapping.ts';
import type { Parents } from './parents.ts';
import { Reject } from './reject.ts';
import { RowConverter } from './row-converter.ts';

/** A record that cannot be stored. `payload` is the record as JSON text. */
export interface Rejected {
  readonly locator: string;
  readonly code: string;
  readonly field: string;
  readonly detail: string;
  readonly payload: string;
}

/** A duplicate that gave way to `winner` by `rule`. */
export interface Merged {
  readonly locator: string;
  readonly winner: string;
  readonly rule: string;
  /** Whether its row was the same, byte for byte, as the winner's. */
  readonly identical: boolean;
  readonly payload: string;
}

/** What one transaction writes: `read = starts.length + merged.length + rejected.length`. */
export interface Batch {
  /** The rows in key order. */
  readonly rows: CopyBuffer;
  /** Offset of each row in `rows`. */
  readonly starts: readonly number[];
  /** Where row `i` comes from. */
  locator(i: number): string;
  /** What the reader finds row `i` by; undefined where it had to be a record. */
  rowid(i: number): number | undefined;
  /** Payload of row `i`, for a row that a constraint rejects. */
  payload(i: number): string;
  readonly rejected: readonly Rejected[];
  readonly merged: readonly Merged[];
  /** Notes of the rows, by rule. */
  readonly notes: Readonly<Record<string, number>>;
  /** Positions in the reader's order: [from, to). */
  readonly from: number;
  readonly to: number;
  readonly last: boolean;
}

export interface BatchOptions {
  /** Position to begin at: a `to` of an earlier batch of the same snapshot and code. */
  readonly from?: number;
  /** Where the part begins that `from` lies in: nothing before it matters. Default 0. */
  readonly first?: number;
  /** Position to end at. Default: that of the last record. */
  readonly to?: number;
  /** Whether a record at this position counts; one that doesn't is shown to a watcher alone. Default: all do. */
  readonly counts?: (position: number) => boolean;
  /** Rows a batch. */
  readonly rows: number;
  /** A batch's rows may be overwritten once the next but one is there: memory is used again instead of collected. */
  readonly recycle?: boolean;
}

/** A batch also ends here, so that rows of long documents don't make it huge. */
const BATCH_BYTES = 2 << 20;

/** Sources answer in key order; anything else would make duplicates and extra rows invisible. */
class OrderBroken extends Error {}

/** A record, or the rowid of one that the reader finds again: an object a row is what costs most. */
type Ref = SourceRecord | number;

interface Open {
  ref: Ref;
  start: number;
  /** Of a row that took the long way. */
  values: unknown[] | undefined;
  /** Values of all records with its key so far, itself included; of a mapping that others find by them. */
  group: unknown[][] | undefined;
}

/** Rows that are converted at a stretch, before sockets get their turn. */
const AT_ONCE = 200;

/**
 * The records of one mapping as batches of finished rows: converted, freed of duplicates, in key order. Load writes
 * them, verify compares them; both get the same batches for the same snapshot and code.
 */
export async function* batches(
  mapping: TableMapping,
  reader: OrderedReader,
  parents: Parents,
  options: BatchOptions,
): AsyncGenerator<Batch> {
  const converter = new RowConverter(mapping, parents, reader.missingIsNotNull);
  const { keyOrder, leftOut } = converter;
  const watch = mapping.watch?.((name) => converter.columns.indexOf(name));
  // Parents are found by their values, which the short way doesn't make.
  const lanes =
    reader.cells && reader.columns && !mapping.parents ? converter.lanes(reader.columns) : undefined;
  const duplicates = mapping.duplicates ?? firstWins;
  const { counts } = options;
  const begin = options.from ?? 0;
  // Parents and watchers must have seen the records before the first one of this pass.
  const warmUp = mapping.parents || mapping.watch ? (options.first ?? 0) : begin;
  const end = options.to ?? Number.POSITIVE_INFINITY;

  let rows = new CopyBuffer();
  const used: CopyBuffer[] = [];
  let starts: number[] = [];
  let refs: Ref[] = [];
  let rejected: Rejected[] = [];
  let merged: Merged[] = [];
  // By the number of its row; most have none.
  let noted = new Map<number, readonly Note[]>();
  let from = begin;
  let position = warmUp;
  let open: Open | undefined;

  const column = (values: unknown[], name: string) => values[converter.columns.indexOf(name)];
  const register = (of: unknown[], as: unknown[]) => {
    for (const each of mapping.parents ?? []) {
      parents.add(
        each.as,
        each.by((name) => column(of, name)),
        column(as, each.key),
      );
    }
  };
  const recordOf = (ref: Ref) => (typeof ref === 'number' ? reader.find!(ref) : ref);
  const locatorOf = (ref: Ref) => (typeof ref === 'number' ? reader.locator!(ref) : ref.locator);
  const take = (upTo: number, last: boolean): Batch => {
    const kept = refs;
    const batch: Batch = {
      rows,
      starts,
      locator: (i) => locatorOf(kept[i]!),
      rowid: (i) => {
        const ref = kept[i]!;
        return typeof ref === 'number' ? ref : undefined;
      },
      payload: (i) => recordOf(kept[i]!).payload(leftOut),
      rejected,
      merged,
      notes: countByRule(noted.values()),
      from,
      to: upTo,
      last,
    };
    if (options.recycle) used.push(rows);
    // This batch is handed over now, and the one before may still be on its way to the server.
    const free = used.length > 2 ? used.shift() : undefined;
    rows = free ?? new CopyBuffer(rows.bytes.length);
    rows.truncate(0);
    starts = [];
    refs = [];
    rejected = [];
    merged = [];
    noted = new Map();
    from = upTo;
    return batch;
  };
  // What the warm-up made belongs to batches that are committed already.
  const forgetWarmUp = () => {
    take(begin, false);
    open = undefined;
  };
  const reject = (record: SourceRecord, reason: Reject) => {
    rejected.push({
      locator: record.locator,
      code: reason.code,
      field: reason.field,
      detail: reason.detail,
      payload: record.payload(leftOut),
    });
  };

  /** Takes a record in. @returns a batch that it does not belong to any more, which is finished */
  const add = (cells: CellCursor | undefined, record: SourceRecord | undefined): Batch | undefined => {
    if (position === begin) forgetWarmUp();
    const start = rows.length;
    let ref: Ref;
    let values: unknown[] | undefined;
    if (cells !== undefined && Number.isSafeInteger(cells.rowid) && lanes!(cells.row, rows)) {
      ref = cells.rowid;
    } else {
      const long = record ?? cells!.record();
      ref = long;
      try {
        converter.convert(long, rows);
      } catch (error) {
        return refused(long, error, start);
      }
      values = converter.values;
    }
    try {
      watch?.(converter.row, converter.scope);
    } catch (error) {
      return refused(recordOf(ref), error, start);
    }
    if (counts !== undefined && !counts(position)) {
      rows.truncate(start);
      position++;
      return undefined;
    }
    let finished: Batch | undefined;
    const order = open === undefined ? 1 : compareKeys(rows.bytes, start, rows.bytes, open.start, keyOrder);
    if (order < 0) {
      throw new OrderBroken(
        `${recordOf(ref).locator} comes after ${recordOf(open!.ref).locator} but sorts before it`,
      );
    }
    if (order === 0) {
      settle(open!, recordOf(ref), start, values);
    } else {
      if (refs.length + merged.length + rejected.length >= options.rows || start >= BATCH_BYTES) {
        const row = Buffer.from(rows.from(start));
        rows.truncate(start);
        const batch = take(position, false);
        rows.raw(row);
        if (position > begin) finished = batch;
      }
      const rowStart = starts.length === 0 ? 0 : start;
      starts.push(rowStart);
      refs.push(ref);
      if (values !== undefined && converter.notes.length > 0) noted.set(refs.length - 1, converter.notes);
      if (mapping.parents) register(values!, values!);
      open = { ref, start: rowStart, values, group: mapping.parents && [values!] };
    }
    position++;
    return finished;
  };

  if (lanes) {
    for (const cursor of reader.cells!(warmUp)) {
      while (position < end && cursor.next()) {
        const batch = add(cursor, undefined);
        if (batch) yield batch;
        else if (position % AT_ONCE === 0) await setImmediate();
      }
      if (position >= end) break;
    }
  } else {
    for await (const block of reader.blocks(warmUp)) {
      for (const record of block) {
        if (position >= end) break;
        const batch = add(undefined, record);
        if (batch) yield batch;
      }
      if (position >= end) break;
    }
  }
  if (position === begin) forgetWarmUp();
  yield take(position, true);

  /** What a contract or a rule says of a record, or a fault of ours. */
  function refused(record: SourceRecord, reason: unknown, start: number): Batch | undefined {
    if (!(reason instanceof Reject)) throw reason;
    rows.truncate(start);
    if (counts === undefined || counts(position)) reject(record, reason);
    position++;
    // With no row that a duplicate could still come to, a batch may end here.
    if (refs.length > 0 || rejected.length < options.rows) return undefined;
    const batch = take(position, false);
    return position > begin ? batch : undefined;
  }

  /** The values of a record that took the short way. */
  function valuesOf(record: SourceRecord): unknown[] {
    converter.convert(record, new CopyBuffer());
    return converter.values;
  }

  /** Decides between the open row and a later record with its key. */
  function settle(first: Open, record: SourceRecord, start: number, known: unknown[] | undefined): void {
    const size = rows.length - start;
    const identical =
      size === start - first.start &&
      rows.bytes.compare(rows.bytes, first.start, start, start, rows.length) === 0;
    const notes = known === undefined ? NO_NOTES : converter.notes;
    const values = known ?? valuesOf(record);
    const firstRecord = recordOf(first.ref);
    first.values ??= valuesOf(firstRecord);
    const keyed = (of: SourceRecord, its: unknown[]): KeyedRow => ({
      record: of,
      value: (name) => column(its, name),
    });
    const verdict = duplicates(keyed(firstRecord, first.values), keyed(record, values), identical);
    const secondWins = verdict.winner === 'second';
    const loser = secondWins ? firstRecord : record;
    const winner = secondWins ? record : firstRecord;
    first.group?.push(values);
    if (secondWins) {
      rows.bytes.copyWithin(first.start, start, rows.length);
      rows.truncate(first.start + size);
      first.ref = record;
      first.values = values;
      refs[refs.length - 1] = record;
      noted.set(refs.length - 1, notes);
    } else {
      rows.truncate(start);
    }
    // Children that name any of them find the one that is stored.
    for (const member of first.group ?? []) register(member, first.values);
    if (verdict.loser === 'merge') {
      merged.push({
        locator: loser.locator,
        winner: winner.locator,
        rule: verdict.rule,
        identical: verdict.identical ?? identical,
        payload: loser.payload(leftOut),
      });
    } else {
      reject(
        loser,
        new Reject(verdict.loser.quarantine, mapping.key.join(', '), `same key as ${winner.locator}`),
      );
    }
  }
}

const NO_NOTES: readonly Note[] = [];

function countByRule(noted: Iterable<readonly Note[]>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const notes of noted) for (const { rule } of notes) counts[rule] = (counts[rule] ?? 0) + 1;
  return counts;
}

function firstWins(_first: KeyedRow, _second: KeyedRow, identical: boolean): DuplicateVerdict {
  return {
    winner: 'first',
    loser: identical ? 'merge' : { quarantine: 'DUPLICATE_KEY' },
    rule: 'the first record of a key is kept',
  };
}
