import { LeftOutMembers } from '../sources/left-out.ts';
import type { PlacedRecord, Raw, SourceRecord } from '../sources/source.ts';
import { CopyBuffer } from './copy-buffer.ts';
import { type KeyOrder, sortKey } from './key-order.ts';
import type { Field, RowScope, TableMapping } from './mapping.ts';
import type { Parents } from './parents.ts';
import { Reject } from './reject.ts';
import { RowConverter } from './row-converter.ts';

/** Says by which bytes a record is sorted; empty where no key can be made of it. */
export type ReadKey = (record: Peeked) => Buffer;

type Peeked = SourceRecord & Pick<PlacedRecord, 'peek'>;

const NO_KEY = Buffer.alloc(0);

/**
 * Reads the key alone, from fields that are looked at without the rest of the record: what is wrong elsewhere in it does
 * not show, and such a record comes where its key belongs.
 */
export function keyReader(mapping: TableMapping, parents: Parents): ReadKey {
  const fields = mapping.key.map((column) => mapping.fields.find((field) => field.column === column)!);
  const order: KeyOrder = fields.map((field) => field.type.order!);
  const row = new CopyBuffer();
  let record: Peeked;
  const look = (name: string): Raw => (record.peek ? record.peek(name) : record.get(name));
  const scope: RowScope = {
    leftOut: new LeftOutMembers(mapping.leftOut),
    raw: look,
    note: () => {},
    parent: (entity, legacyId) => parents.find(entity, legacyId),
  };
  return (each) => {
    record = each;
    row.truncate(0);
    row.int16(fields.length);
    try {
      for (let i = 0; i < fields.length; i++) if (!write(fields[i]!, look, scope, row)) return NO_KEY;
    } catch (error) {
      if (error instanceof Reject) return NO_KEY;
      throw error;
    }
    return sortKey(row.bytes, 0, order);
  };
}

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
