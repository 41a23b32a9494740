import { LeftOutMembers } from '../sources/left-out.ts';
import type { Cells, PlacedRecord, Raw, SourceRecord } from '../sources/source.ts';
import { CopyBuffer } from './copy-buffer.ts';
import { sortKey } from './key-order.ts';
import type { Field, RowScope, TableMapping } from './mapping.ts';
import type { Parents } from './parents.ts';
import { Reject } from './reject.ts';
import { RowConverter } from './row-converter.ts';

/** Says by which bytes a record is sorted; empty where no key can be made of it. */
export type ReadKey = (record: Peeked) => Buffer;

type Peeked = SourceRecord & Pick<PlacedRecord, 'peek'>;

const NO_KEY = Buffer.alloc(0);

/** Appends the columns of a record's key, as a row. False: none can be made of it, and `out` is as it was. */
export type WriteKey = (record: Peeked, out: CopyBuffer) => boolean;

/**
 * Writes the key alone, from fields that are looked at without the rest of the record: what is wrong elsewhere in it does
 * not show, and such a record comes where its key belongs.
 */
export function keyWriter(mapping: TableMapping, parents: Parents): WriteKey {
  const fields = keyFields(mapping);
  let record: Peeked;
  const look = (name: string): Raw => (record.peek ? record.peek(name) : record.get(name));
  const scope: RowScope = {
    leftOut: new LeftOutMembers(mapping.leftOut),
    raw: look,
    note: () => {},
    parent: (entity, legacyId) => parents.find(entity, legacyId),
  };
  return (each, out) => {
    const start = out.length;
    record = each;
    out.int16(fields.length);
    try {
      let i = 0;
      while (i < fields.length && write(fields[i]!, look, scope, out)) i++;
      if (i === fields.length) return true;
    } catch (error) {
      if (!(error instanceof Reject)) throw error;
    }
    out.truncate(start);
    return false;
  };
}

/**
 * Writes the key from cells of these columns; what it can't write has to be asked of the record.
 * @returns undefined where a column of the key has no lane
 */
export function cellKeyWriter(
  mapping: TableMapping,
  parents: Parents,
  missingIsNotNull: boolean,
  columns: readonly string[],
): ((cells: Cells, out: CopyBuffer) => boolean) | undefined {
  // What else there is in a row does not matter.
  const elsewhere = Object.fromEntries(columns.map((name) => [name, mapping.table]));
  const alone = { ...mapping, fields: keyFields(mapping), elsewhere };
  return new RowConverter(alone, parents, missingIsNotNull).lanes(columns);
}

/** Reads the key alone, as `keyWriter` writes it. */
export function keyReader(mapping: TableMapping, parents: Parents): ReadKey {
  const order = keyFields(mapping).map((field) => field.type.order!);
  const writeKey = keyWriter(mapping, parents);
  const row = new CopyBuffer();
  return (record) => {
    row.truncate(0);
    return writeKey(record, row) ? sortKey(row.bytes, 0, order) : NO_KEY;
  };
}

const keyFields = (mapping: TableMapping): Field[] =>
  mapping.key.map((column) => mapping.fields.find((field) => field.column === column)!);

function write(field: Field, look: (name: string) => Raw, scope: RowScope, row: CopyBuffer): boolean {
  const value = field.convert(field.from === undefined ? undefined : look(field.from), scope);
  if (value === null) return false;
  field.type.write(row, value);
  return true;
}

/** Reads the key of a record that can be stored; any other one has none. */
export function wholeKeyReader(
  mapping: TableMapping,
  parents: Parents,
  missingIsNotNull: boolean,
): (record: SourceRecord) => Buffer {
  const converter = new RowConverter(mapping, parents, missingIsNotNull);
  const row = new CopyBuffer();
  return (record) => {
    row.truncate(0);
    try {
      converter.convert(record, row);
    } catch (error) {
      if (error instanceof Reject) return NO_KEY;
      throw error;
    }
    return sortKey(row.bytes, 0, converter.keyOrder);
  };
}
