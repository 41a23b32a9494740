import type pg from 'pg';
import { ident, literal } from '../database.ts';
import { parseJson } from '../sources/json-parse.ts';
import { JsonObject, type JsonValue } from '../sources/json-value.ts';
import { pythonJson } from '../sources/json-write.ts';
import type { Raw } from '../sources/source.ts';
import { encodeJsonb } from './jsonb.ts';
import { withNonFinite } from './legacy.ts';
import type { Field, LegacyRow, Note, TableMapping } from './mapping.ts';
import { NON_FINITE_RULE } from './row-converter.ts';

/** A record in the terms of the legacy store; a field that is not there is missing. */
export interface LegacyRecord {
  /** The row's key in the target, for messages. */
  readonly key: string;
  readonly fields: ReadonlyMap<string, Raw>;
  /** Where it stands: `$file`, `$key` and the like, as far as the row says. */
  readonly place: ReadonlyMap<string, Raw>;
  /** Tables that should have a row of it, and have none. */
  readonly without?: readonly string[];
  /** Fields that two of its rows give different values for, with the one that is not in `fields`. */
  readonly disputed?: readonly { readonly field: string; readonly value: string }[];
}

/** Legacy ids of the rows that others refer to, by what the mappings call them. Filled while a parent is exported. */
export class LegacyNames {
  readonly #names = new Map<string, Map<string, string>>();
  readonly #keys = new Map<string, Map<string, string>>();

  add(parents: string, key: string, name: string): void {
    put(this.#names, parents, key, name);
    put(this.#keys, parents, name, key);
  }

  nameOf(parents: string, key: string): string | undefined {
    return this.#names.get(parents)?.get(key);
  }

  keyOf(parents: string, name: string): string | undefined {
    return this.#keys.get(parents)?.get(name);
  }
}

function put(maps: Map<string, Map<string, string>>, of: string, from: string, to: string): void {
  const map = maps.get(of) ?? new Map<string, string>();
  map.set(from, to);
  maps.set(of, map);
}

const BLOCK = 1000;

/** Every value as PostgreSQL writes it: what a driver makes of a timestamp or a bigint may be less. */
const AS_TEXT = { getTypeParser: () => (text: string) => text } as unknown as pg.CustomTypesConfig;

interface Reading {
  readonly cursor: string;
  /** Columns to order by, before those of the mapping; or in their place, where they are unique. */
  readonly by: readonly string[];
}

/** The column that one piece of a record's place comes back from: `$file`, `$key`. */
export const columnOf = ({ fields }: TableMapping, place: string): string | undefined =>
  fields.find(({ from, legacy }) => from === place && legacy !== undefined)?.column;

/**
 * The rows of a table as legacy records, in the mapping's legacy order, a block at a time; the records of one file stand
 * together.
 * @param client in a transaction, with time zone UTC
 * @param home file of the records that name none
 */
export async function* legacyRecords(
  client: pg.Client,
  mapping: TableMapping,
  names: LegacyNames,
  home?: string,
): AsyncGenerator<LegacyRecord[]> {
  const file = columnOf(mapping, '$file');
  const ofFile = file && `coalesce(${ident(file)}, ${home ? literal(home) : 'null'}) collate "C"`;
  yield* readRecords(client, mapping, names, { cursor: 'legacy', by: ofFile ? [ofFile] : [] });
}

/**
 * The records that the rows of several tables make together, each table in the order of the legacy key (`$key`), so that
 * no more than a block of each is in memory. Fields that follow a parent's are the record's first.
 *
 * @returns blocks of records, and how many rows of each table went into them
 */
export async function* joinedRecords(
  client: pg.Client,
  mappings: readonly TableMapping[],
  names: LegacyNames,
): AsyncGenerator<{ records: LegacyRecord[]; rows: number[] }> {
  const sides = mappings.map((mapping, i) => {
    const by = [`${ident(columnOf(mapping, '$key')!)} collate "C"`];
    return new Side(readRecords(client, mapping, names, { cursor: `legacy_${i}`, by }));
  });
  try {
    for (;;) {
      const records: LegacyRecord[] = [];
      const rows = mappings.map(() => 0);
      while (records.length < BLOCK) {
        const heads: (LegacyRecord | undefined)[] = [];
        for (const side of sides) heads.push(await side.head());
        const keys = heads.flatMap((head) => (head ? [legacyKey(head)] : []));
        if (keys.length === 0) break;
        const least = keys.reduce((a, b) => (Buffer.compare(Buffer.from(a), Buffer.from(b)) <= 0 ? a : b));
        const parts: Part[] = [];
        for (const [i, head] of heads.entries()) {
          if (head === undefined || legacyKey(head) !== least) continue;
          parts.unshift({ mapping: mappings[i]!, record: head });
          rows[i]!++;
          sides[i]!.skip();
        }
        const there = new Set(parts.map(({ mapping }) => mapping));
        const without = mappings.filter((each) => !there.has(each)).map(({ table }) => table);
        records.push(joined(parts, without));
      }
      if (records.length === 0) return;
      yield { records, rows };
    }
  } finally {
    for (const side of sides) await side.close();
  }
}

const legacyKey = (record: LegacyRecord) => String(record.place.get('$key'));

/** One of the inputs of a merge join. */
class Side {
  #block: LegacyRecord[] = [];
  #at = 0;

  constructor(private readonly blocks: AsyncGenerator<LegacyRecord[]>) {}

  async head(): Promise<LegacyRecord | undefined> {
    if (this.#at >= this.#block.length) {
      const { value, done } = await this.blocks.next();
      this.#block = done ? [] : value;
      this.#at = 0;
    }
    return this.#block[this.#at];
  }

  skip(): void {
    this.#at++;
  }

  async close(): Promise<void> {
    await this.blocks.return(undefined);
  }
}

interface Part {
  readonly mapping: TableMapping;
  readonly record: LegacyRecord;
}

/** What two tables keep of a record must be the same, and what both should have both must have. */
function joined(parts: readonly Part[], without: readonly string[]): LegacyRecord {
  const first = parts[0]!.record;
  const fields = new Map<string, Raw>();
  for (const { record } of parts) {
    for (const [field, value] of record.fields) if (!fields.has(field)) fields.set(field, value);
  }
  const disputed: { field: string; value: string }[] = [];
  for (const { mapping, record } of parts) {
    for (const [field, value] of fields) {
      if (mapping.elsewhere && Object.hasOwn(mapping.elsewhere, field)) continue;
      const other = record.fields.get(field);
      if (other !== undefined && pythonJson(other) === pythonJson(value)) continue;
      const text = other === undefined ? 'nothing' : pythonJson(other);
      disputed.push({ field, value: `${text} in ${mapping.table}` });
    }
  }
  return { key: first.key, fields, place: first.place, without, disputed };
}

async function* readRecords(
  client: pg.Client,
  mapping: TableMapping,
  names: LegacyNames,
  { cursor, by }: Reading,
): AsyncGenerator<LegacyRecord[]> {
  const columns = [...mapping.fields.map((field) => field.column), mapping.extra];
  const types = new Map(mapping.fields.map((field) => [field.column, field.type.sql]));
  const own = (mapping.legacyOrder ?? mapping.key).map(
    (column) => `${ident(column)}${types.get(column) === 'text' ? ' collate "C"' : ''}`,
  );
  const order = [...by, ...own];
  await client.query(
    `declare ${cursor} no scroll cursor for
     select ${columns.map(ident).join(', ')} from public.${ident(mapping.table)} order by ${order.join(', ')}`,
  );
  try {
    for (;;) {
      const { rows } = await client.query<(string | null)[]>({
        text: `fetch ${BLOCK} from ${cursor}`,
        rowMode: 'array',
        types: AS_TEXT,
      });
      if (rows.length === 0) break;
      yield rows.map((values) => {
        const row = new StoredRow(columns, values, mapping.extra, names);
        register(mapping, row, names);
        const place = new Map<string, Raw>();
        const key = mapping.key.map((column) => `${column}=${row.text(column)}`).join(' ');
        return { key, fields: fieldsOf(mapping, row, place), place };
      });
    }
  } finally {
    // After an error of the server the transaction is gone, and the cursor with it.
    await client.query(`close ${cursor}`).catch(() => {});
  }
}

class StoredRow implements LegacyRow {
  readonly extra: JsonObject;
  readonly notes: readonly Note[];

  constructor(
    private readonly columns: readonly string[],
    private readonly values: readonly (string | null)[],
    extra: string,
    private readonly names: LegacyNames,
  ) {
    const text = this.text(extra);
    const value = text === null ? null : parseJson(Buffer.from(text)).value;
    this.extra = value instanceof JsonObject ? value : new JsonObject();
    this.notes = listIn(this.extra, '$notes').flatMap((note) =>
      note instanceof JsonObject ? [noteOf(note)] : [],
    );
  }

  text(column: string): string | null {
    return this.values[this.columns.indexOf(column)] ?? null;
  }

  nameOf(parents: string, key: string): string | undefined {
    return this.names.nameOf(parents, key);
  }

  keyOf(parents: string, name: string): string | undefined {
    return this.names.keyOf(parents, name);
  }
}

const noteOf = (note: JsonObject): Note => ({
  rule: String(note.get('rule')),
  path: String(note.get('path')),
  was: String(note.get('was')),
});

function listIn(extra: JsonObject, name: string): JsonValue[] {
  const value = extra.get(name);
  return Array.isArray(value) ? value : [];
}

/** Tells the rows that come later what this one is called. */
function register(mapping: TableMapping, row: LegacyRow, names: LegacyNames): void {
  for (const { as, by, key } of mapping.parents ?? []) {
    const name = by((column) => {
      const value = fieldOf(mapping, column)?.legacy?.(row);
      return value !== null && typeof value === 'object' && 'text' in value ? value.text : value;
    });
    names.add(as, row.text(key)!, name);
  }
}

const fieldOf = (mapping: TableMapping, column: string): Field | undefined =>
  mapping.fields.find((field) => field.column === column);

/**
 * Undoes what `RowConverter` did: each contract by its inverse, unknown fields and explicit nulls from `extra`, without
 * the fields that were missing.
 * @param place gets what the row says of where the record stands (`$file`, `$key`)
 */
export function fieldsOf(
  mapping: TableMapping,
  row: LegacyRow & { readonly extra: JsonObject },
  place: Map<string, Raw> = new Map(),
): Map<string, Raw> {
  const fields = new Map<string, Raw>();
  const missing = new Set(listIn(row.extra, '$missing').filter((name) => isMissing(mapping, row, name)));
  for (const field of mapping.fields) {
    if (field.from === undefined || missing.has(field.from)) continue;
    const value = field.legacy?.(row);
    if (value === undefined) continue;
    if (field.from.startsWith('$')) {
      place.set(field.from, value);
      continue;
    }
    const earlier = fields.get(field.from);
    const joined =
      value instanceof JsonObject && earlier instanceof JsonObject ? joinedObjects(earlier, value) : value;
    fields.set(field.from, joined);
  }
  const unknown = new JsonObject([...row.extra].filter(([name]) => !OURS.has(name)));
  for (const [name, value] of withNonFinite(unknown, row.notes, 'extra', NON_FINITE_RULE) as JsonObject) {
    fields.set(name.startsWith('$$') ? name.slice(1) : name, value);
  }
  for (const name of listIn(row.extra, '$null')) {
    if (typeof name === 'string' && !fields.has(name)) fields.set(name, null);
  }
  return fields;
}

/** What `extra` has beside unknown fields. */
const OURS: ReadonlySet<string> = new Set(['$null', '$missing', '$notes']);

/** Whether a field that was missing still is: each of its columns has what it got in its stead. */
function isMissing(mapping: TableMapping, row: LegacyRow, name: JsonValue): boolean {
  return mapping.fields.every(({ from, column, missing }) => {
    if (from !== name) return true;
    const text = row.text(column);
    if (text === null || missing === undefined) return text === null && missing === undefined;
    return Buffer.isBuffer(missing)
      ? encodeJsonb(parseJson(Buffer.from(text)).value).equals(missing)
      : text === String(missing);
  });
}

/** The members of both; an explicit null gives way to a value. */
function joinedObjects(a: JsonObject, b: JsonObject): JsonObject {
  const members = new Map(a);
  for (const [key, value] of b) if (value !== null || !members.has(key)) members.set(key, value);
  return new JsonObject(members);
}

/**
 * Values that no export can show: the column and how many rows have one. No contract knows it, or its contract says that
 * such a value has no place; records that are only counted are counted from 1.
 */
export async function valuesWithoutField(
  client: pg.Client,
  mapping: TableMapping,
): Promise<{ column: string; rows: number }[]> {
  const unknown = await unknownValues(client, mapping);
  const told = mapping.fields.filter((field) => field.notExported !== undefined);
  const table = `public.${ident(mapping.table)}`;
  const counted = mapping.fields.find((field) => field.from === '$nth')?.column;
  const counts = told.map(({ notExported }) => `count(*) filter (where ${notExported})`);
  if (counts.length > 0) {
    const { rows } = await client.query<string[]>({
      text: `select ${counts.join(', ')} from ${table}`,
      rowMode: 'array',
    });
    for (const [i, { column }] of told.entries()) unknown.push({ column, rows: Number(rows[0]![i]) });
  }
  if (counted !== undefined) {
    const others = mapping.key.filter((column) => column !== counted).map(ident);
    const { rows } = await client.query<{ rows: string }>(
      `select count(*) as rows from (select ${ident(counted)} as at, row_number() over
       (partition by ${others.join(', ')} order by ${ident(counted)}) as nth from ${table}) as t where t.at <> nth`,
    );
    unknown.push({ column: counted, rows: Number(rows[0]!.rows) });
  }
  return unknown.filter((each) => each.rows > 0);
}

async function unknownValues(
  client: pg.Client,
  mapping: TableMapping,
): Promise<{ column: string; rows: number }[]> {
  const { rows: columns } = await client.query<{ name: string }>(
    `select attname as name from pg_attribute
     where attrelid = to_regclass($1) and attnum > 0 and not attisdropped and attgenerated = '' and attname <> all ($2)
     order by attnum`,
    [`public.${ident(mapping.table)}`, [mapping.extra, ...mapping.fields.map((field) => field.column)]],
  );
  if (columns.length === 0) return [];
  const { rows } = await client.query<string[]>({
    text: `select ${columns.map(({ name }) => `count(${ident(name)})`).join(', ')} from public.${ident(mapping.table)}`,
    rowMode: 'array',
  });
  return columns.map(({ name }, i) => ({ column: name, rows: Number(rows[0]![i]) }));
}
