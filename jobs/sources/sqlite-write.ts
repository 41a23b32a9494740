import Database from 'libsql';
import { JsonNumber } from './json-value.ts';
import { pythonJson } from './json-write.ts';
import type { Raw } from './source.ts';
import { literal, quote } from './sqlite-quote.ts';
import { definitionsIn, otherTables } from './sqlite-tables.ts';
import { readOnlyUri } from './sqlite-uri.ts';

/** A value that the legacy table has no place for, and why. */
export interface Refusal {
  /** Absent: the whole row. */
  readonly field?: string;
  readonly value: string;
}

/** A new SQLite file with tables of a legacy one, as its `sqlite_master` describes them, and rows of one's own. */
export class SqliteWriter {
  readonly #db: Database.Database;
  readonly #tables = new Map<string, { columns: readonly string[]; insert: Database.Statement }>();
  /** What is made when the rows are there. */
  readonly #later: string[] = [];
  /** Tables whose rows are those of the legacy file. */
  readonly #copied: readonly string[];

  /**
   * @param file must not exist
   * @param like a file that is only read
   * @param tables the tables that are wanted
   * @param notSource tables that belong to the store all the same: ordinary ones come with their rows, virtual ones are
   *   made, and filled by the triggers that keep them up
   */
  constructor(
    file: string,
    private readonly like: string,
    tables: readonly string[],
    notSource: readonly string[] = [],
  ) {
    const definitions = definitionsOf(like);
    const { ordinary, virtual } = otherTables(definitions, notSource);
    this.#copied = ordinary;
    const wanted = [...tables, ...ordinary, ...virtual];
    this.#db = new Database(file);
    this.#db.exec('pragma journal_mode = off; pragma synchronous = off; pragma foreign_keys = off');
    for (const { table, type, sql } of definitions) {
      if (!wanted.includes(table)) continue;
      // A unique index says which row it refuses only while the rows come in.
      const atOnce =
        type === 'table' ||
        /^create unique/i.test(sql) ||
        (type === 'trigger' && virtual.some((name) => sql.includes(name)));
      if (atOnce) this.#db.exec(sql);
      else this.#later.push(sql);
    }
    for (const table of tables) {
      const columns = (
        this.#db
          .prepare(`select name from pragma_table_info(${literal(table)})`)
          .raw(true)
          .all() as unknown as [string][]
      ).map(([name]) => name);
      const insert = this.#db.prepare(
        `insert into ${quote(table)} (${columns.map(quote).join(', ')}) values (${columns.map(() => '?').join(', ')})`,
      );
      this.#tables.set(table, { columns, insert });
    }
    this.#db.exec('begin');
  }

  /**
   * Writes one row; a column that is not among `fields` is null.
   * @param json names of the fields that are JSON documents
   * @returns what could not be written
   */
  add(table: string, fields: ReadonlyMap<string, Raw>, json: ReadonlySet<string>): Refusal[] {
    const { columns, insert } = this.#tables.get(table)!;
    const refused: Refusal[] = [];
    for (const [field, value] of fields) {
      // SQLite stores NaN as NULL.
      const unstorable = typeof value === 'number' && Number.isNaN(value);
      if (unstorable || (!columns.includes(field) && value !== null))
        refused.push({ field, value: shown(value) });
    }
    const values = columns.map((name) => {
      const value = fields.get(name);
      return value !== undefined && json.has(name) ? pythonJson(value) : stored(value);
    });
    try {
      insert.run(values);
    } catch (error) {
      refused.push({ value: (error as Error).message });
    }
    return refused;
  }

  finish(): void {
    this.#db.exec('commit');
    if (this.#copied.length > 0) {
      this.#db.exec(`attach ${literal(readOnlyUri(this.like))} as legacy`);
      for (const table of this.#copied) {
        this.#db.exec(`insert into main.${quote(table)} select * from legacy.${quote(table)}`);
      }
      this.#db.exec('detach legacy');
    }
    for (const sql of this.#later) this.#db.exec(sql);
    this.close();
  }

  close(): void {
    if (this.#db.open) this.#db.close();
  }
}

function definitionsOf(file: string): ReturnType<typeof definitionsIn> {
  const db = new Database(readOnlyUri(file));
  try {
    return definitionsIn(db);
  } finally {
    db.close();
  }
}

/** A value in the storage class that the legacy application gives it. */
function stored(value: Raw): string | number | bigint | Buffer | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'boolean') return value ? 1n : 0n;
  if (value instanceof JsonNumber) {
    if (/^-?\d+$/.test(value.text)) return BigInt(value.text);
    return value.text === '-Infinity' ? -Infinity : Number(value.text);
  }
  if (typeof value === 'object' && !Buffer.isBuffer(value)) return pythonJson(value);
  return value;
}

const shown = (value: Raw) => (Buffer.isBuffer(value) ? value.toString('hex') : pythonJson(value));
