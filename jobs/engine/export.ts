import type pg from 'pg';
import { ident } from '../database.ts';
import { parseJson } from '../sources/json-parse.ts';
import { JsonObject, type JsonValue } from '../sources/json-value.ts';
import type { Raw } from '../sources/source.ts';
import { withNonFinite } from './legacy.ts';
import type { Field, LegacyRow, Note, TableMapping } from './mapping.ts';
import { NON_FINITE_RULE } from './row-converter.ts';

/** A record in the terms of the legacy store; a field that is not there is missing. */
export interface LegacyRecord {
  /** The row's key in the target, for messages. */
  readonly key: string;
  readonly fields: ReadonlyMap<string, Raw>;
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

/**
 * The rows of a table as legacy records, in the mapping's legacy order, a block at a time.
 * @param client in a transaction, with time zone UTC
 */
export async function* legacyRecords(
  client: pg.Client,
  mapping: TableMapping,
  names: LegacyNames,
): AsyncGenerator<LegacyRecord[]> {
  const columns = [...mapping.fields.map((field) => field.column), mapping.extra];
  const types = new Map(mapping.fields.map((field) => [field.column, field.type.sql]));
  const order = (mapping.legacyOrder ?? mapping.key).map(
    (column) => `${ident(column)}${types.get(column) === 'text' ? ' collate "C"' : ''}`,
  );
  await client.query(
    `declare legacy no scroll cursor for
     select ${columns.map(ident).join(', ')} from public.${ident(mapping.table)} order by ${order.join(', ')}`,
  );
  try {
    for (;;) {
      const { rows } = await client.query<(string | null)[]>({
        text: `fetch ${BLOCK} from legacy`,
        rowMode: 'array',
        types: AS_TEXT,
      });
      if (rows.length === 0) break;
      yield rows.map((values) => {
        const row = new StoredRow(columns, values, mapping.extra, names);
        register(mapping, row, names);
        return {
          key: mapping.key.map((column) => `${column}=${row.text(column)}`).join(' '),
          fields: fieldsOf(mapping, row),
        };
      });
    }
  } finally {
    // After an error of the server the transaction is gone, and the cursor with it.
    await client.query('close legacy').catch(() => {});
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

/** Undoes what `RowConverter` did: each contract by its inverse, unknown fields and explicit nulls from `extra`. */
export function fieldsOf(
  mapping: TableMapping,
  row: LegacyRow & { readonly extra: JsonObject },
): Map<string, Raw> {
  const fields = new Map<string, Raw>();
  for (const field of mapping.fields) {
    if (field.from === undefined) continue;
    const value = field.legacy?.(row);
    if (value === undefined) continue;
    const earlier = fields.get(field.from);
    const joined =
      value instanceof JsonObject && earlier instanceof JsonObject ? joinedObjects(earlier, value) : value;
    fields.set(field.from, joined);
  }
  const unknown = new JsonObject([...row.extra].filter(([name]) => name !== '$null' && name !== '$notes'));
  for (const [name, value] of withNonFinite(unknown, row.notes, 'extra', NON_FINITE_RULE) as JsonObject) {
    fields.set(name.startsWith('$$') ? name.slice(1) : name, value);
  }
  for (const name of listIn(row.extra, '$null')) {
    if (typeof name === 'string' && !fields.has(name)) fields.set(name, null);
  }
  return fields;
}

/** The members of both; an explicit null gives way to a value. */
function joinedObjects(a: JsonObject, b: JsonObject): JsonObject {
  const members = new Map(a);
  for (const [key, value] of b) if (value !== null || !members.has(key)) members.set(key, value);
  return new JsonObject(members);
}

/** Values that no export can show, because no contract knows their columns: the column and how many rows have one. */
export async function valuesWithoutField(
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
  return columns
    .map(({ name }, i) => ({ column: name, rows: Number(rows[0]![i]) }))
    .filter((each) => each.rows > 0);
}
