import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { bigint, text } from '../jobs/engine/contracts.ts';
import { CopyBuffer, endOfRow, fieldsOf } from '../jobs/engine/copy-buffer.ts';
import type { Field, Note, RowScope, TableMapping } from '../jobs/engine/mapping.ts';
import { Reject } from '../jobs/engine/reject.ts';
import type { RowConverter } from '../jobs/engine/row-converter.ts';
import { LeftOutMembers } from '../jobs/sources/left-out.ts';
import type { OrderedReader, Raw, SourceRecord } from '../jobs/sources/source.ts';

/** A record with these fields; one that is undefined is missing. */
export function record(
  fields: Readonly<Record<string, Raw>>,
  locator = 'things[0]',
  defect?: SourceRecord['defect'],
): SourceRecord {
  const names = Object.keys(fields).filter((name) => fields[name] !== undefined);
  return {
    locator,
    defect,
    get: (name) => (Object.hasOwn(fields, name) ? fields[name] : undefined),
    fields: () => names,
    payload: (leftOut) => `{${names.filter((name) => !leftOut.has(name, fields[name])).join(',')}}`,
  };
}

/** A source that has these records in this order, and hands them out in blocks of three. */
export function readerOf(records: readonly SourceRecord[], missingIsNotNull = true): OrderedReader {
  return {
    entity: 'things',
    missingIsNotNull,
    count: records.length,
    async *blocks(from) {
      for (let at = from; at < records.length; at += 3) yield records.slice(at, at + 3);
    },
    close: async () => {},
  };
}

/** Writes `content` to `path`, and gives what a snapshot's manifest says of such a file. */
export async function writtenFile(path: string, content: string | Buffer) {
  await writeFile(path, content);
  const sha256 = createHash('sha256').update(content).digest('hex');
  return { path, size: Buffer.byteLength(content), sha256 };
}

/** A mapping of `things` with the key `id` and a text, some of it changed. */
export function mappingOf(changes: Partial<TableMapping> = {}): TableMapping {
  return {
    table: 'things',
    entity: 'things',
    key: ['id'],
    fields: [bigint('id'), text('name', { nullable: true })],
    extra: 'extra',
    ...changes,
  };
}

/** What a contract is given beside the value, and what it noted. */
export function scopeOf(
  fields: Readonly<Record<string, Raw>> = {},
  parents: Readonly<Record<string, unknown>> = {},
): RowScope & { readonly notes: Note[] } {
  const notes: Note[] = [];
  return {
    notes,
    leftOut: new LeftOutMembers(),
    raw: (name) => fields[name],
    note: (rule, path, was) => notes.push({ rule, path, was }),
    parent: (entity, name) => parents[`${entity} ${name}`],
  };
}

/** What a contract makes of a value: its reason code when it refuses it. */
export function outcome(field: Field, raw: Raw, scope: RowScope = scopeOf()): unknown {
  try {
    return field.convert(raw, scope);
  } catch (error) {
    if (error instanceof Reject) return error.code;
    throw error;
  }
}

/** The rows of a buffer, each as its fields in hexadecimal; null for SQL NULL. */
export function rowsIn(buffer: CopyBuffer): (string | null)[][] {
  const rows: (string | null)[][] = [];
  for (let at = 0; at < buffer.length; at = endOfRow(buffer.bytes, at, buffer.length)) {
    rows.push(fieldsOf(buffer.bytes, at).map((field) => field?.toString('hex') ?? null));
  }
  return rows;
}

/** What becomes of a record the long way: its fields, or the code of the reason. */
export function longWay(converter: RowConverter, record: SourceRecord): (string | null)[] | string {
  const out = new CopyBuffer();
  try {
    converter.convert(record, out);
    return rowsIn(out)[0]!;
  } catch (error) {
    if (error instanceof Reject) return error.code;
    throw error;
  }
}
