import { isUtf8 } from 'node:buffer';
import Database from 'libsql';
import type { TableMapping } from '../engine/mapping.ts';
import { CutoverError } from '../errors.ts';
import type { OrderedReader, Raw, SourceRecord } from './source.ts';

const BLOCK = 1000;

type Row = [rowid: bigint, anomalies: bigint, ...values: (Buffer | number | bigint | null)[]];

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** A snapshot's SQLite file, opened read-only. Never open a living store: even reading can change it. */
export class SqliteStore {
  readonly #db: Database.Database;

  constructor(readonly file: string) {
    try {
      this.#db = new Database(file, { readonly: true });
      // The driver sorts in memory unless told otherwise.
      this.#db.pragma('temp_store = file');
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

  /** Tables and their columns, without SQLite's own. */
  tables(): Map<string, string[]> {
    const names =
      this.query(`select name from sqlite_master where type = 'table' and name not like 'sqlite\\_%' escape '\\'
                              order by name`);
    return new Map(
      names.map(([name]) => [
        String(name),
        this.query(`select name from pragma_table_info(${literal(String(name))})`).map(([column]) =>
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
  readonly #index: Map<string, number>;
  readonly #columns: string[];

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
    const anomalies = this.#columns.map((name, i) => {
      const stored = known.get(name)?.stored;
      if (stored === 'text') return `((typeof(${quote(name)}) not in ('text', 'null')) << ${i})`;
      if (stored === 'number') return `((typeof(${quote(name)}) not in ('integer', 'real', 'null')) << ${i})`;
      return '0';
    });
    const values = this.#columns.map((name) => {
      const stored = known.get(name)?.stored;
      return stored === 'text' || stored === 'json'
        ? `cast(${quote(name)} as blob)`
        : `iif(typeof(${quote(name)}) = 'text', cast(${quote(name)} as blob), ${quote(name)})`;
    });
    const order = [...(mapping.orderBy ?? []), 'rowid'];
    this.#select = `select rowid, ${anomalies.join(' | ')}, ${values.join(', ')}
      from ${quote(mapping.entity)} order by ${order.join(', ')}`;
    this.#index = new Map(this.#columns.map((name, i) => [name, i + 2]));
    const [count] = db
      .prepare(`select count(*) from ${quote(mapping.entity)}`)
      .raw(true)
      .get() as unknown as [number];
    this.count = count;
  }

  async *blocks(from: number): AsyncGenerator<SourceRecord[]> {
    const statement = this.db.prepare(`${this.#select} limit -1 offset ${from}`).raw(true).safeIntegers(true);
    let block: SourceRecord[] = [];
    for (const row of statement.iterate() as IterableIterator<Row>) {
      block.push(new SqliteRecord(this.entity, row, this.#columns, this.#index));
      if (block.length === BLOCK) {
        yield block;
        block = [];
      }
    }
    if (block.length > 0) yield block;
  }

  /** The store, which other readers share, is closed by its owner. */
  async close(): Promise<void> {}
}

class SqliteRecord implements SourceRecord {
  constructor(
    private readonly entity: string,
    private readonly row: Row,
    private readonly columns: readonly string[],
    private readonly index: ReadonlyMap<string, number>,
  ) {}

  get locator(): string {
    return `${this.entity} rowid ${this.row[0]}`;
  }

  get defect(): SourceRecord['defect'] {
    const anomalies = this.row[1];
    if (anomalies === 0n) return undefined;
    const field = this.columns.find((_, i) => (anomalies >> BigInt(i)) & 1n)!;
    const value = this.get(field);
    const found = Buffer.isBuffer(value) ? `${value.length} bytes of text or blob` : typeof value;
    return { code: 'WRONG_STORAGE_CLASS', field, detail: `the column holds ${found}` };
  }

  get(field: string): Raw {
    const at = this.index.get(field);
    return at === undefined ? undefined : this.row[at];
  }

  fields(): Iterable<string> {
    return this.columns;
  }

  payload(): string {
    return `{${this.columns.map((name) => `${JSON.stringify(name)}:${rawJson(this.get(name))}`).join(',')}}`;
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
