import Database from 'libsql';
import type { Hazard, Mark } from './manifest.ts';

/** A bound value; a Buffer is the exact bytes of a TEXT, whether they are UTF-8 or not. */
export type Value = string | number | null | Buffer;

/** Rows a statement; more are not faster. */
const ROWS_A_STATEMENT = 20;

/** A legacy database while it is made. All of it is one transaction. */
export class SqliteSample<Table extends string> {
  readonly hazards: Hazard[] = [];
  readonly #db: Database.Database;

  constructor(
    file: string,
    private readonly system: string,
  ) {
    this.#db = new Database(file);
    // The legacy program did not enforce foreign keys, this driver would. The file is new: no journal could save anything.
    this.#db.exec('PRAGMA foreign_keys = OFF; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF');
    // By default this driver sorts an index's entries in memory.
    this.#db.exec('PRAGMA temp_store = FILE; PRAGMA cache_size = -16384; BEGIN');
  }

  execute(sql: string): void {
    this.#db.exec(sql);
  }

  commit(): void {
    this.#db.exec('COMMIT');
  }

  close(): void {
    this.#db.close();
  }

  /** The highest rowid of a table; 0 for none. */
  lastId(table: Table): number {
    return this.#number(`SELECT coalesce(max(rowid), 0) FROM ${table}`);
  }

  count(table: Table): number {
    return this.#number(`SELECT count(*) FROM ${table}`);
  }

  #number(sql: string): number {
    const [n] = this.#db.prepare(sql).raw(true).get() as unknown as [number];
    return n;
  }

  /**
   * Adds many rows.
   *
   * @param shared columns with the same value in all of them; bound once a statement, which halves the time
   * @param columns names of the values in `rows`
   */
  addMany(
    table: Table,
    shared: Record<string, Value>,
    columns: readonly string[],
    rows: Iterable<Value[]>,
  ): void {
    const common = Object.values(shared);
    const names = [...Object.keys(shared), ...columns];
    const insert = (count: number) => {
      const tuples = Array.from({ length: count }, (_, row) =>
        names.map((_, at) => `?${at < common.length ? at + 1 : row * columns.length + at + 1}`),
      );
      return this.#db.prepare(
        `INSERT INTO ${table} (${names}) VALUES ${tuples.map((tuple) => `(${tuple})`)}`,
      );
    };
    const statement = insert(ROWS_A_STATEMENT);
    let values: Value[] = [...common];
    let waiting = 0;
    for (const row of rows) {
      values.push(...row);
      if (++waiting < ROWS_A_STATEMENT) continue;
      statement.run(values);
      values = [...common];
      waiting = 0;
    }
    if (waiting > 0) insert(waiting).run(values);
  }

  /** Adds one row and notes what it shows. */
  add(table: Table, row: Record<string, Value>, ...marks: Mark[]): void {
    const columns = Object.keys(row);
    const places = Object.values(row).map((value) => (Buffer.isBuffer(value) ? 'CAST(? AS TEXT)' : '?'));
    const { lastInsertRowid } = this.#db
      .prepare(`INSERT INTO ${table} (${columns}) VALUES (${places})`)
      .run(Object.values(row));
    for (const mark of marks) this.mark(table, String(lastInsertRowid), mark);
  }

  mark(entity: string, locator: string, [id, outcome, what]: Mark): void {
    this.hazards.push({ id, system: this.system, entity, locator, what, outcome });
  }
}
