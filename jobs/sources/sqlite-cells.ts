import type { SourceOrder } from '../engine/mapping.ts';
import { CellArrays } from './cell-arrays.ts';
import { type CellCursor, CellKind, type Cells, type SourceRecord } from './source.ts';
import type { SqliteStore } from './sqlite.ts';
import { IndexWalk, TableWalk } from './sqlite-btree.ts';
import type { Spelling } from './sqlite-order.ts';
import type { PageFile } from './sqlite-pages.ts';
import { literal, quote } from './sqlite-quote.ts';
import { compareRecords, type RecordShape, readRecord } from './sqlite-record.ts';

/** How the rows of a table are found in the pages of its file. */
export interface PagePlan extends RecordShape {
  /** Page where the table's b-tree begins. */
  readonly root: number;
  /** Page of an index that has each series in order; absent: the table's own order is asked for. */
  readonly index?: number;
  /** Place of the column that is the rowid, which no record has; -1 where there is none. */
  readonly rowidAt: number;
}

/**
 * The plan for an ordinary table in this order; undefined for everything else: the engine has to read it.
 * @param columns those that are read
 */
export function pagePlan(
  store: Pick<SqliteStore, 'query'>,
  table: string,
  columns: readonly string[],
  order: SourceOrder,
): PagePlan | undefined {
  const ask = (sql: string) => store.query(sql);
  const name = literal(table);
  const [found] =
    ask(`select m.rootpage, l.wr from sqlite_master m join pragma_table_list l on l.name = m.name
    where m.type = 'table' and m.name = ${name} and l.schema = 'main' and l.type = 'table'`);
  if (found?.[1] !== 0n) return undefined;
  const stored = ask(`select name, type, pk, hidden from pragma_table_xinfo(${name}) order by cid`);
  // Generated columns are not where their number says.
  if (stored.some(([, , , hidden]) => hidden !== 0n)) return undefined;
  const of = `from ${quote(table)}`;
  // Each by itself is one look-up.
  const [bounds] = ask(`select (select min(rowid) ${of}), (select max(rowid) ${of})`);
  if (bounds!.some((rowid) => rowid !== null && !Number.isSafeInteger(Number(rowid)))) return undefined;
  const indexes = ask(`select i.name, i.origin, m.rootpage from pragma_index_list(${name}) i
    left join sqlite_master m on m.type = 'index' and m.name = i.name where i.partial = 0`);
  const keys = stored.filter(([, , key]) => key !== 0n);
  const isRowid = ([column, type, key]: (typeof stored)[number]) =>
    key === 1n &&
    keys.length === 1 &&
    /^integer$/i.test(String(type)) &&
    !indexes.some(([, origin]) => origin === 'pk')
      ? String(column)
      : undefined;
  const rowid = stored.map(isRowid).find((each) => each !== undefined);
  const places = stored.map(([column]) => (column === rowid ? -1 : columns.indexOf(String(column))));
  const last = places.findLastIndex((place) => place >= 0);
  const shape = {
    root: Number(found[0]),
    rowidAt: rowid === undefined ? -1 : columns.indexOf(rowid),
    places: Int32Array.from(places.slice(0, last + 1)),
    real: Uint8Array.from(stored, ([, type]) => (isReal(String(type)) ? 1 : 0)),
  };
  const series = Object.keys(order.series ?? {});
  if (series.length === 0) {
    return order.by.every((column) => column === rowid) ? shape : undefined;
  }
  const wanted = [...series, ...order.by].join('\0');
  for (const [index, , root] of indexes) {
    const parts = ask(
      `select name, "desc", coll from pragma_index_xinfo(${literal(String(index))}) where key = 1 order by seqno`,
    );
    const usual = parts.every(([, descends, collation]) => descends === 0n && collation === 'BINARY');
    if (usual && parts.map(([column]) => column).join('\0') === wanted)
      return { ...shape, index: Number(root) };
  }
  return undefined;
}

/** Whether a column of this declared type has REAL affinity. Source: https://www.sqlite.org/datatype3.html, section 3.1 */
function isReal(type: string): boolean {
  return !/int|char|clob|text|blob/i.test(type) && /real|floa|doub/i.test(type);
}

/** Which rows come after each other. */
export interface Sequence {
  /** Whether they lie far apart in the table. */
  readonly scattered: boolean;
  /** Puts the walk on the next row. False: there is none. */
  advance(table: TableWalk): boolean;
}

/** The rows of a table as they lie in it. */
export class InTable implements Sequence {
  readonly scattered = false;
  #begun = false;

  constructor(
    private readonly file: PageFile,
    private readonly skip: number,
    private left: number,
  ) {}

  advance(table: TableWalk): boolean {
    if (!this.#begun) table.skip(this.skip);
    this.#begun = true;
    if (this.left-- <= 0) return false;
    if (!table.step()) throw this.file.damaged('a table has fewer rows than SQLite counts');
    return true;
  }
}

/** Rows that somebody has picked. */
export class Picked implements Sequence {
  readonly scattered = true;

  constructor(
    private readonly file: PageFile,
    private readonly next: () => number | undefined,
  ) {}

  advance(table: TableWalk): boolean {
    const rowid = this.next();
    return rowid !== undefined && seek(this.file, table, rowid);
  }
}

/** The index entries of a series; those of several spellings are merged by what stands behind the series columns. */
export class Entries implements Sequence {
  readonly scattered = false;
  /** In the order of the entries that they stand on. */
  readonly #walks: Walked[] = [];

  constructor(
    private readonly file: PageFile,
    root: number,
    spellings: readonly Spelling[],
    skip: number,
  ) {
    for (const { key, count } of spellings) {
      const walk = new IndexWalk(file, root);
      walk.seek(key);
      this.#walks.push({ walk, key, left: count });
    }
    const [only, ...others] = this.#walks;
    if (others.length === 0) {
      only!.walk.skip(skip);
      only!.left -= skip;
      this.#step(only!);
    } else {
      for (const each of this.#walks) this.#step(each);
      this.#walks.sort(orderOf);
      for (let i = 0; i < skip; i++) this.next();
    }
  }

  advance(table: TableWalk): boolean {
    const rowid = this.next();
    return rowid !== undefined && seek(this.file, table, rowid);
  }

  /** The rowid of the next entry; undefined behind the last one. */
  next(): number | undefined {
    const walks = this.#walks;
    const first = walks[0];
    if (first === undefined) return undefined;
    const { rowid } = first.walk;
    if (first.left === 0) {
      walks.shift();
    } else {
      this.#step(first);
      // Most rows of a series have one spelling, so it mostly stays the first.
      for (let i = 1; i < walks.length && orderOf(walks[i]!, first) < 0; i++) {
        walks[i - 1] = walks[i]!;
        walks[i] = first;
      }
    }
    return rowid;
  }

  #step(walked: Walked): void {
    const { walk, key } = walked;
    walked.left--;
    if (!walk.step() || (walked.left === 0 && !walk.has(key))) {
      throw this.file.damaged('an index has fewer entries than SQLite counts rows');
    }
  }
}

interface Walked {
  readonly walk: IndexWalk;
  readonly key: readonly Uint8Array[];
  /** Entries behind the one that it stands on. */
  left: number;
}

function orderOf({ walk: a, key }: Walked, { walk: b }: Walked): number {
  return compareRecords(a.piece, a.start, b.piece, b.start, key.length);
}

function seek(file: PageFile, table: TableWalk, rowid: number): true {
  if (!table.seek(rowid)) throw file.damaged(`an index names rowid ${rowid}, which is not there`);
  return true;
}

/** Rows as they lie in the file's pages. */
export class PageCursor extends CellArrays implements CellCursor {
  readonly #table: TableWalk;

  /** @param engine what to ask for a row that is not whole in its record */
  constructor(
    file: PageFile,
    private readonly plan: PagePlan,
    private readonly sequence: Sequence,
    columns: number,
    private readonly engine: { row(rowid: number): Cells; find(rowid: number): SourceRecord },
  ) {
    super(columns);
    this.#table = new TableWalk(file, plan.root, sequence.scattered);
  }

  get row(): Cells {
    return this;
  }

  get rowid(): number {
    return this.#table.rowid;
  }

  next(): boolean {
    const table = this.#table;
    if (!this.sequence.advance(table)) return false;
    const { plan, engine } = this;
    if (readRecord(table.piece, table.start, table.size, plan, this)) {
      this.bytes = table.piece.bytes;
      this.view = table.piece.view;
      if (plan.rowidAt >= 0) {
        this.kinds[plan.rowidAt] = CellKind.integer;
        this.numbers[plan.rowidAt] = table.rowid;
      }
    } else {
      const row = engine.row(table.rowid);
      this.bytes = row.bytes;
      this.view = row.view;
      this.kinds.set(row.kinds);
      this.numbers.set(row.numbers);
      this.starts.set(row.starts);
      this.sizes.set(row.sizes);
    }
    return true;
  }

  record(): SourceRecord {
    return this.engine.find(this.rowid);
  }
}
