import { isUtf8 } from 'node:buffer';
import { pathToFileURL } from 'node:url';
import Database from 'libsql';
import type { SourceOrder, TableMapping } from '../engine/mapping.ts';
import { CutoverError } from '../errors.ts';
import type { OrderedReader, Raw, SourceRecord } from './source.ts';
import { stretchesOf } from './sqlite-order.ts';

const BLOCK = 1000;

/** Texts come packed into one blob: an object a text is what costs most in reading. */
type Row = [rowid: bigint, packed: Buffer, ...values: (Buffer | number | bigint | null)[]];

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** A file as SQLite opens it for reading only; the driver's own option `readonly` is not heeded. */
export function readOnlyUri(file: string): string {
  return `${pathToFileURL(file).href}?mode=ro`;
}

/** A snapshot's SQLite file, opened read-only. Never open a living store: even reading can change it. */
export class SqliteStore {
  readonly #db: Database.Database;

  constructor(readonly file: string) {
    try {
      this.#db = new Database(readOnlyUri(file));
      // The driver sorts in memory unless told otherwise.
      this.#db.pragma('temp_store = file');
      const [encoding] = this.query('pragma encoding')[0]!;
      // Texts are read as the bytes that are stored.
      if (encoding !== 'UTF-8') throw new Error(`its encoding is ${encoding}; only UTF-8 can be read`);
    } catch (error) {
      throw new CutoverError(
        'source',
        `${file}: ${(error as Error).message}`,
        'Restore the file from a backup.',
        {
          cause: error,
        },
      );
    }
  }

  close(): void {
    this.#db.close();
  }

  /** Tables and their columns, without SQLite's own. A virtual table is not asked for its columns: it may be broken. */
  tables(): Map<string, string[]> {
    const tables = this.query(`select name, sql like 'create virtual%' from sqlite_master
                  where type = 'table' and name not like 'sqlite\\_%' escape '\\' order by name`);
    return new Map(
      tables.map(([name, virtual]) => [
        String(name),
        virtual
          ? []
          : this.query(`select name from pragma_table_info(${literal(String(name))})`).map(([column]) =>
              String(column),
            ),
      ]),
    );
  }

  /** Rows as arrays; integers as bigint. For counts and checks, not for text that may not be UTF-8. */
  query(sql: string): (string | number | bigint | null)[][] {
    return this.#db.prepare(sql).safeIntegers(true).raw(true).all() as (string | number | bigint | null)[][];
  }

  /** For a check that needs a scratch table; the file itself stays read-only. */
  execute(sql: string): void {
    this.#db.exec(sql);
  }

  reader(mapping: TableMapping): SqliteReader {
    return new SqliteReader(this.#db, this.file, mapping, this.tables().get(mapping.entity));
  }
}

const literal = (value: string) => `'${value.replaceAll("'", "''")}'`;

/**
 * The rows of one table in key order.
 *
 * Text is read as bytes: the driver cuts a text at a NUL and ends the process at invalid UTF-8. A value of another
 * storage class than its contract expects (SQLite lets any column hold anything) makes the record defective.
 */
export class SqliteReader implements OrderedReader {
  readonly entity: string;
  readonly count: number;
  readonly missingIsNotNull = false;
  /** Columns that the mapping does not know. */
  readonly unknown: readonly string[];
  readonly #select: string;
  readonly #order: SourceOrder;
  readonly #columns: string[];
  readonly #texts: string[];
  readonly #numbers: string[];
  readonly #shape: Shape;

  constructor(
    private readonly db: Database.Database,
    file: string,
    mapping: TableMapping,
    columns: string[] | undefined,
  ) {
    if (columns === undefined) {
      throw new CutoverError(
        'source',
        `${file}: table ${mapping.entity} is missing`,
        'Name the right file with --source SYSTEM=PATH: the store has all of its tables from its first start on.',
      );
    }
    this.entity = mapping.entity;
    const known = new Map(
      mapping.fields.flatMap((field) => (field.from ? [[field.from, field] as const] : [])),
    );
    for (const [name, field] of known) {
      if (!columns.includes(name) && !field.nullable) {
        throw new CutoverError(
          'source',
          `${file}: table ${mapping.entity} has no column ${name}`,
          'The file is of another version of the legacy application than the mapping.',
        );
      }
    }
    this.#columns = columns.filter((name) => !(name in (mapping.leftOut ?? {})));
    this.unknown = this.#columns.filter((name) => !known.has(name));
    // What is read as text, and what as the value that it is; each column's storage class is checked by the engine.
    const textual = (name: string) => ['text', 'json'].includes(known.get(name)?.stored ?? '');
    this.#texts = this.#columns.filter(textual);
    this.#numbers = this.#columns.filter((name) => !textual(name));
    const anomalies = this.#columns.flatMap((name, i) => {
      const stored = known.get(name)?.stored;
      if (stored === 'text') return `((typeof(${quote(name)}) not in ('text', 'null')) << ${i})`;
      if (stored === 'number') return `((typeof(${quote(name)}) not in ('integer', 'real', 'null')) << ${i})`;
      return [];
    });
    const lengths = [
      anomalies.join(' | ') || '0',
      ...this.#texts.map((name) => `octet_length(${quote(name)})`),
    ];
    const contents = this.#texts.map(quote);
    const packed = `cast(concat(${[...lengths.flatMap((length) => [length, "':'"]), ...contents].join(', ')}) as blob)`;
    const values = this.#numbers.map(
      (name) => `iif(typeof(${quote(name)}) = 'text', cast(${quote(name)} as blob), ${quote(name)})`,
    );
    this.#order = mapping.order ?? { by: [] };
    this.#select = `select ${['rowid', packed, ...values].join(', ')} from ${quote(mapping.entity)}`;
    this.#shape = {
      columns: this.#columns,
      texts: indexed(this.#texts, 0),
      numbers: indexed(this.#numbers, 2),
    };
    const [count] = db
      .prepare(`select count(*) from ${quote(mapping.entity)}`)
      .raw(true)
      .get() as unknown as [number];
    this.count = count;
  }

  async *blocks(from: number): AsyncGenerator<SourceRecord[]> {
    const by = this.#order.by.map((each) => (typeof each === 'string' ? quote(each) : each.sql));
    const order = [...by, 'rowid'].join(', ');
    let skip = from;
    let block: SourceRecord[] = [];
    for (const { where, values, count } of stretchesOf(this.db, this.entity, this.#order, this.count)) {
      if (skip >= count) {
        skip -= count;
        continue;
      }
      const statement = this.db
        .prepare(`${this.#select} where ${where} order by ${order} limit -1 offset ${skip}`)
        .raw(true)
        .safeIntegers(true);
      skip = 0;
      // As one array: the driver takes a Buffer that comes alone for named parameters, and dies.
      for (const row of statement.iterate([...values]) as IterableIterator<Row>) {
        block.push(new SqliteRecord(this.entity, row, this.#shape));
        if (block.length === BLOCK) {
          yield block;
          block = [];
        }
      }
    }
    if (block.length > 0) yield block;
  }

  /** The store, which other readers share, is closed by its owner. */
  async close(): Promise<void> {}
}

/** Where a record finds its columns. */
interface Shape {
  readonly columns: readonly string[];
  /** Place among the packed texts. */
  readonly texts: ReadonlyMap<string, number>;
  /** Place in the row. */
  readonly numbers: ReadonlyMap<string, number>;
}

const indexed = (names: readonly string[], from: number) => new Map(names.map((name, i) => [name, i + from]));

const COLON = 58;
const ZERO = 48;

class SqliteRecord implements SourceRecord {
  /** Bit i: column i holds another storage class than its contract expects. */
  #anomalies = 0;
  /** Start and end of each text; start -1 for null. */
  #bounds: number[] | undefined;

  constructor(
    private readonly entity: string,
    private readonly row: Row,
    private readonly shape: Shape,
  ) {}

  get locator(): string {
    return `${this.entity} rowid ${this.row[0]}`;
  }

  get defect(): SourceRecord['defect'] {
    this.#unpack();
    if (this.#anomalies === 0) return undefined;
    const field = this.shape.columns.find((_, i) => Math.floor(this.#anomalies / 2 ** i) % 2 === 1)!;
    const value = this.get(field);
    const found = Buffer.isBuffer(value) ? `${value.length} bytes of text or blob` : typeof value;
    return { code: 'WRONG_STORAGE_CLASS', field, detail: `the column holds ${found}` };
  }

  get(field: string): Raw {
    const text = this.shape.texts.get(field);
    if (text === undefined) {
      const at = this.shape.numbers.get(field);
      return at === undefined ? undefined : this.row[at];
    }
    const bounds = this.#unpack();
    const start = bounds[2 * text]!;
    return start < 0 ? null : this.row[1].subarray(start, bounds[2 * text + 1]);
  }

  /** Reads the head of the packed texts: `anomalies:length:length:…:`, an empty length for null. */
  #unpack(): number[] {
    if (this.#bounds) return this.#bounds;
    const packed = this.row[1];
    const bounds: number[] = [];
    let at = 0;
    for (let i = -1; i < this.shape.texts.size; i++) {
      let value = 0;
      const begin = at;
      for (let digit = packed[at]!; digit !== COLON; digit = packed[++at]!) value = value * 10 + digit - ZERO;
      if (i < 0) this.#anomalies = value;
      else bounds.push(at === begin ? -1 : 0, value);
      at++;
    }
    for (let i = 0; i < bounds.length; i += 2) {
      if (bounds[i]! < 0) continue;
      bounds[i] = at;
      at += bounds[i + 1]!;
      bounds[i + 1] = at;
    }
    this.#bounds = bounds;
    return bounds;
  }

  fields(): Iterable<string> {
    return this.shape.columns;
  }

  payload(): string {
    return `{${this.shape.columns.map((name) => `${JSON.stringify(name)}:${rawJson(this.get(name))}`).join(',')}}`;
  }
}

/** A stored value as JSON: bytes that are not UTF-8 as `{"$hex": …}`, infinities as `{"$real": …}`. */
function rawJson(value: Raw): string {
  if (typeof value === 'bigint') return String(value);
  if (Buffer.isBuffer(value)) {
    return isUtf8(value) ? JSON.stringify(value.toString('utf8')) : `{"$hex":"${value.toString('hex')}"}`;
  }
  if (typeof value === 'number' && !Number.isFinite(value)) return `{"$real":"${value}"}`;
  return JSON.stringify(value);
}
