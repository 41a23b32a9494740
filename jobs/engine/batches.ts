import type { OrderedReader, SourceRecord } from '../sources/source.ts';
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

/** What one transaction writes: `read = locators.length + merged.length + rejected.length`. */
export interface Batch {
  /** The rows in key order. */
  readonly rows: CopyBuffer;
  /** Offset of each row in `rows`. */
  readonly starts: readonly number[];
  /** Where each row comes from. */
  readonly locators: readonly string[];
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
  /** Rows a batch. */
  readonly rows: number;
}

/** A batch also ends here, so that rows of long documents don't make it huge. */
const BATCH_BYTES = 8 << 20;

/** Sources answer in key order; anything else would make duplicates and extra rows invisible. */
class OrderBroken extends Error {}

interface Open {
  record: SourceRecord;
  start: number;
  values: unknown[];
  /** Values of all records with its key so far, itself included. */
  group: unknown[][];
}

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
  const watch = mapping.watch?.();
  const duplicates = mapping.duplicates ?? firstWins;
  const begin = options.from ?? 0;
  // Parents and watchers must have seen the records before the first one of this pass.
  const warmUp = mapping.parents || mapping.watch ? 0 : begin;

  let rows = new CopyBuffer();
  let starts: number[] = [];
  let records: SourceRecord[] = [];
  let rejected: Rejected[] = [];
  let merged: Merged[] = [];
  let noted: (readonly Note[])[] = [];
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
  const take = (upTo: number, last: boolean): Batch => {
    const kept = records;
    const batch: Batch = {
      rows,
      starts,
      locators: records.map((record) => record.locator),
      payload: (i) => kept[i]!.payload(leftOut),
      rejected,
      merged,
      notes: countByRule(noted),
      from,
      to: upTo,
      last,
    };
    rows = new CopyBuffer(rows.bytes.length);
    starts = [];
    records = [];
    rejected = [];
    merged = [];
    noted = [];
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

  for await (const block of reader.blocks(warmUp)) {
    for (const record of block) {
      if (position === begin) forgetWarmUp();
      const start = rows.length;
      try {
        converter.convert(record, rows);
        watch?.(converter.value, converter.scope);
      } catch (error) {
        if (!(error instanceof Reject)) throw error;
        rows.truncate(start);
        reject(record, error);
        position++;
        // With no row that a duplicate could still come to, a batch may end here.
        if (records.length === 0 && rejected.length >= options.rows) {
          const batch = take(position, false);
          if (position > begin) yield batch;
        }
        continue;
      }
      const { values } = converter;

      const order = open === undefined ? 1 : compareKeys(rows.bytes, start, rows.bytes, open.start, keyOrder);
      if (order < 0) {
        throw new OrderBroken(`${record.locator} comes after ${open!.record.locator} but sorts before it`);
      }
      if (order === 0) {
        settle(open!, record, start, values);
      } else {
        if (records.length + merged.length + rejected.length >= options.rows || start >= BATCH_BYTES) {
          const row = Buffer.from(rows.from(start));
          rows.truncate(start);
          const batch = take(position, false);
          rows.raw(row);
          if (position > begin) yield batch;
        }
        const rowStart = starts.length === 0 ? 0 : start;
        starts.push(rowStart);
        records.push(record);
        noted.push(converter.notes);
        register(values, values);
        open = { record, start: rowStart, values, group: [values] };
      }
      position++;
    }
  }
  if (position === begin) forgetWarmUp();
  yield take(position, true);

  /** Decides between the open row and a later record with its key. */
  function settle(first: Open, record: SourceRecord, start: number, values: unknown[]): void {
    const size = rows.length - start;
    const identical =
      size === start - first.start &&
      rows.bytes.compare(rows.bytes, first.start, start, start, rows.length) === 0;
    const keyed = (of: SourceRecord, its: unknown[]): KeyedRow => ({
      record: of,
      value: (name) => column(its, name),
    });
    const verdict = duplicates(keyed(first.record, first.values), keyed(record, values), identical);
    const secondWins = verdict.winner === 'second';
    const loser = secondWins ? first.record : record;
    const winner = secondWins ? record : first.record;
    first.group.push(values);
    if (secondWins) {
      rows.bytes.copyWithin(first.start, start, rows.length);
      rows.truncate(first.start + size);
      first.record = record;
      first.values = values;
      records[records.length - 1] = record;
      noted[noted.length - 1] = converter.notes;
    } else {
      rows.truncate(start);
    }
    // Children that name any of them find the one that is stored.
    for (const member of first.group) register(member, first.values);
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

function countByRule(noted: readonly (readonly Note[])[]): Record<string, number> {
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
