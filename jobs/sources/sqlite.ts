import { isUtf8 } from 'node:buffer';
import Database from 'libsql';
import type { Field, SourceOrder, TableMapping } from '../engine/mapping.ts';
import { CutoverError } from '../errors.ts';
import { CellArrays } from './cell-arrays.ts';
import {
  type CellCursor,
  CellKind,
  type Cells,
  type Cut,
  type OrderedReader,
  type Raw,
  type SourceRecord,
} from './source.ts';
import { TableWalk } from './sqlite-btree.ts';
import {
  Entries,
  InTable,
  PageCursor,
  type PagePlan,
  Picked,
  pagePlan,
  type Sequence,
} from './sqlite-cells.ts';
import { type Stretch, spellingsInPages, spellingsOf, stretchesOf } from './sqlite-order.ts';
import { PageFile } from './sqlite-pages.ts';
import { literal, quote } from './sqlite-quote.ts';
import { readOnlyUri } from './sqlite-uri.ts';
import { heapView, memory, WasmDatabase, type WasmStatement } from './sqlite-wasm.ts';

const BLOCK = 1000;

/** A snapshot's SQLite file, opened read-only. Never open a living store: even reading can change it. */
export class SqliteStore {
  readonly #db: Database.Database;
  readonly #engine: WasmDatabase;
  readonly #pages: PageFile | undefined;

  /** @param byEngine everything is read by SQLite's own engine: a proof doesn't see with the eyes of the load */
  constructor(
    readonly file: string,
    byEngine = false,
  ) {
    try {
      this.#db = new Database(readOnlyUri(file));
      // The driver sorts in memory unless told otherwise.
      this.#db.pragma('temp_store = file');
      const [encoding] = this.query('pragma encoding')[0]!;
      // Texts are read as the bytes that are stored.
      if (encoding !== 'UTF-8') throw new Error(`its encoding is ${encoding}; only UTF-8 can be read`);
      this.#engine = new WasmDatabase(file);
      this.#pages = byEngine ? undefined : new PageFile(file);
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
    this.#pages?.close();
    this.#engine.close();
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

  /** @param known to another reader of the same table */
  reader(mapping: TableMapping, known?: unknown): SqliteReader {
    const columns = this.tables().get(mapping.entity);
    return new SqliteReader(this, this.#engine, this.#pages, mapping, columns, known as Known);
  }
}

/**
 * The rows of one table in key order.
 *
 * A value of another storage class than its contract expects (SQLite lets any column hold anything) makes the record
 * defective.
 */
export class SqliteReader implements OrderedReader {
  readonly entity: string;
  readonly count: number;
  readonly missingIsNotNull = false;
  /** Columns that are read. */
  readonly columns: readonly string[];
  /** Columns that the mapping does not know. */
  readonly unknown: readonly string[];
  readonly #select: string;
  readonly #order: SourceOrder;
  readonly #shape: Shape;
  #byRowid: Cursor | undefined;
  #known: Known | undefined;

  constructor(
    private readonly store: Pick<SqliteStore, 'file' | 'query'>,
    private readonly engine: WasmDatabase,
    private readonly pages: PageFile | undefined,
    mapping: TableMapping,
    columns: string[] | undefined,
    known: Known | undefined,
  ) {
    if (columns === undefined) {
      throw new CutoverError(
        'source',
        `${store.file}: table ${mapping.entity} is missing`,
        'Name the right file with --source SYSTEM=PATH: the store has all of its tables from its first start on.',
      );
    }
    this.entity = mapping.entity;
    const fields = new Map(
      mapping.fields.flatMap((field) => (field.from ? [[field.from, field] as const] : [])),
    );
    for (const [name, field] of fields) {
      if (!columns.includes(name) && !field.nullable) {
        throw new CutoverError(
          'source',
          `${store.file}: table ${mapping.entity} has no column ${name}`,
          'The file is of another version of the legacy application than the mapping.',
        );
      }
    }
    this.columns = columns.filter((name) => !(name in (mapping.leftOut ?? {})));
    this.unknown = this.columns.filter((name) => !fields.has(name));
    this.#order = mapping.order ?? { by: [] };
    this.#select = `select ${['rowid', ...this.columns.map(quote)].join(', ')} from ${quote(mapping.entity)}`;
    this.#shape = {
      entity: mapping.entity,
      columns: this.columns,
      places: new Map(this.columns.map((name, i) => [name, i])),
      stored: this.columns.map((name) => fields.get(name)?.stored),
    };
    this.#known = known;
    this.count = known?.count ?? Number(store.query(`select count(*) from ${quote(mapping.entity)}`)[0]![0]);
  }

  get known(): Known {
    this.#known ??= this.#lookUp();
    return this.#known;
  }

  #lookUp(): Known {
    const { entity, columns, count, store, pages } = this;
    const plan = pages && pagePlan(store, entity, columns, this.#order);
    const stretches = stretchesOf(this.#order, count, (series) =>
      plan?.index === undefined
        ? spellingsOf(store, entity, series)
        : spellingsInPages(pages!, plan.index, series.length),
    );
    return { count, stretches, pages: plan };
  }

  async *blocks(from: number): AsyncGenerator<SourceRecord[]> {
    let block: SourceRecord[] = [];
    for (const [stretch, skip] of this.#rest(from)) {
      for (const cursor of this.#byEngine(stretch, skip)) {
        while (cursor.next()) {
          block.push(cursor.record());
          if (block.length === BLOCK) {
            yield block;
            block = [];
          }
        }
      }
    }
    if (block.length > 0) yield block;
  }

  *cells(from: number): Generator<CellCursor> {
    const plan = this.known.pages;
    for (const [stretch, skip] of this.#rest(from)) {
      if (plan && (plan.index === undefined || stretch.spellings)) {
        yield this.#inPages(plan, this.#sequence(plan, stretch, skip));
      } else {
        yield* this.#byEngine(stretch, skip);
      }
    }
  }

  cuts(): Cut[] {
    const cuts: Cut[] = [];
    let at = 0;
    for (const { key, count } of this.known.stretches) {
      if (at > 0 && key !== undefined) cuts.push({ at, key });
      at += count;
    }
    return cuts;
  }

  /** The text that made the table; undefined where the engine has to read its rows. */
  definition(): string | undefined {
    if (this.known.pages === undefined) return undefined;
    const [[sql]] = this.store.query(
      `select sql from sqlite_master where type = 'table' and name = ${literal(this.entity)}`,
    ) as [[string]];
    return sql;
  }

  /** The table's records by rowid; like all below, only of a table that has a `definition`. */
  records(): TableWalk {
    return new TableWalk(this.pages!, this.known.pages!.root);
  }

  /** The rowids of all rows, in key order. @returns the next one; undefined behind the last */
  rowids(): () => number | undefined {
    const plan = this.known.pages!;
    const left = [...this.known.stretches];
    let next: () => number | undefined = () => undefined;
    return () => {
      let rowid = next();
      while (rowid === undefined && left.length > 0) {
        next = this.#rowidsOf(plan, left.shift()!);
        rowid = next();
      }
      return rowid;
    };
  }

  #rowidsOf(plan: PagePlan, stretch: Stretch): () => number | undefined {
    if (plan.index === undefined) {
      const records = this.records();
      return () => (records.step() ? records.rowid : undefined);
    }
    if (stretch.spellings) {
      const entries = new Entries(this.pages!, plan.index, stretch.spellings, 0);
      return () => entries.next();
    }
    const found: number[] = [];
    for (const cursor of this.#byEngine(stretch, 0)) while (cursor.next()) found.push(cursor.rowid);
    let at = 0;
    return () => found[at++];
  }

  /** A cursor that goes from one row to another. @param next the rowid; undefined behind the last one */
  at(next: () => number | undefined): CellCursor {
    return this.#inPages(this.known.pages!, new Picked(this.pages!, next));
  }

  /** These rows alone. @param rowids in key order */
  picked(rowids: readonly number[]): OrderedReader {
    return {
      entity: this.entity,
      count: rowids.length,
      missingIsNotNull: this.missingIsNotNull,
      columns: this.columns,
      blocks: async function* (this: SqliteReader, from: number) {
        yield rowids.slice(from).map((rowid) => this.find(rowid));
      }.bind(this),
      cells: (from) => {
        let at = from;
        return [this.at(() => rowids[at++])];
      },
      find: (rowid) => this.find(rowid),
      locator: (rowid) => this.locator(rowid),
      close: async () => {},
    };
  }

  locator(rowid: number): string {
    return rowLocator(this.entity, rowid);
  }

  rowidOf(locator: string): number | undefined {
    const rowid = Number(locator.slice(locator.lastIndexOf(' ') + 1));
    return this.locator(rowid) === locator ? rowid : undefined;
  }

  /** The record with this rowid. */
  find(rowid: number): SourceRecord {
    return this.#at(rowid).record();
  }

  /** The row with this rowid, as the engine reads it. */
  row(rowid: number): Cells {
    return this.#at(rowid);
  }

  #at(rowid: number): Cursor {
    this.#byRowid ??= new Cursor(this.engine.prepare(`${this.#select} where rowid = ?`), this.#shape);
    const cursor = this.#byRowid;
    cursor.statement.reset();
    cursor.statement.bindInteger(1, BigInt(rowid));
    cursor.next();
    return cursor;
  }

  /** The stretches that a position and all behind it lie in, and how many rows of each come before it. */
  *#rest(from: number): Generator<[Stretch, number]> {
    let skip = from;
    for (const stretch of this.known.stretches) {
      if (skip < stretch.count) yield [stretch, skip];
      skip = Math.max(0, skip - stretch.count);
    }
  }

  #sequence(plan: PagePlan, { count, spellings }: Stretch, skip: number): Sequence {
    return plan.index === undefined
      ? new InTable(this.pages!, skip, count - skip)
      : new Entries(this.pages!, plan.index, spellings!, skip);
  }

  #inPages(plan: PagePlan, sequence: Sequence): PageCursor {
    return new PageCursor(this.pages!, plan, sequence, this.columns.length, this);
  }

  *#byEngine({ where, values }: Stretch, skip: number): Generator<Cursor> {
    const by = this.#order.by.map((each) => (typeof each === 'string' ? quote(each) : each.sql));
    const order = [...by, 'rowid'].join(', ');
    const statement = this.engine.prepare(
      `${this.#select} where ${where} order by ${order} limit -1 offset ${skip}`,
    );
    try {
      for (const [i, value] of values.entries()) statement.bindBlob(i + 1, value);
      yield new Cursor(statement, this.#shape);
    } finally {
      statement.close();
    }
  }

  /** The store, which other readers share, is closed by its owner. */
  async close(): Promise<void> {
    this.#byRowid?.statement.close();
    this.#byRowid = undefined;
  }
}

/** What takes a look at a whole table or its definition. */
interface Known {
  readonly count: number;
  readonly stretches: readonly Stretch[];
  /** Absent: the engine has to read it. */
  readonly pages: PagePlan | undefined;
}

/** What the rows of a table have in common. */
interface Shape {
  readonly entity: string;
  readonly columns: readonly string[];
  readonly places: ReadonlyMap<string, number>;
  /** How the contract of each column expects it; undefined for a column that the mapping doesn't know. */
  readonly stored: readonly (Field['stored'] | undefined)[];
}

/** The rows that a statement yields, whose first column is the rowid. */
class Cursor extends CellArrays implements CellCursor {
  rowid = 0;

  constructor(
    readonly statement: WasmStatement,
    private readonly shape: Shape,
  ) {
    super(shape.columns.length);
  }

  get row(): Cells {
    return this;
  }

  next(): boolean {
    const { statement } = this;
    if (!statement.step()) return false;
    this.rowid = statement.double(0);
    statement.read(1, this);
    this.bytes = memory();
    this.view = heapView();
    return true;
  }

  record(): SourceRecord {
    const { columns, stored } = this.shape;
    let defect: SourceRecord['defect'];
    const values = columns.map((field, i): Raw => {
      const kind = this.kinds[i]!;
      if (kind === CellKind.null) return null;
      const expected = stored[i];
      const isNumber = kind <= CellKind.real;
      // A number in the place of a text or document counts as its text.
      const value =
        isNumber && expected !== 'text' && expected !== 'json' ? this.#number(i) : this.statement.copy(i + 1);
      if (expected === 'text' ? kind !== CellKind.text : expected === 'number' && !isNumber) {
        const found = Buffer.isBuffer(value) ? `${value.length} bytes of text or blob` : typeof value;
        defect ??= { code: 'WRONG_STORAGE_CLASS', field, detail: `the column holds ${found}` };
      }
      return value;
    });
    return new SqliteRecord(this.shape, this.statement.integer(0), values, defect);
  }

  #number(column: number): number | bigint {
    return this.kinds[column] === CellKind.real ? this.numbers[column]! : this.statement.integer(column + 1);
  }
}

/** A row that was copied out of SQLite's memory. */
class SqliteRecord implements SourceRecord {
  constructor(
    private readonly shape: Shape,
    private readonly rowid: bigint,
    private readonly values: readonly Raw[],
    readonly defect: SourceRecord['defect'],
  ) {}

  get locator(): string {
    return rowLocator(this.shape.entity, this.rowid);
  }

  get(field: string): Raw {
    const place = this.shape.places.get(field);
    return place === undefined ? undefined : this.values[place];
  }

  fields(): Iterable<string> {
    return this.shape.columns;
  }

  payload(): string {
    return `{${this.shape.columns.map((name, i) => `${JSON.stringify(name)}:${rawJson(this.values[i])}`).join(',')}}`;
  }
}

/** Where a person finds a row. */
function rowLocator(entity: string, rowid: number | bigint): string {
  return `${entity} rowid ${rowid}`;
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
