import type { JsonValue } from './json-value.ts';
import type { LeftOut } from './left-out.ts';
import type { PackedVector } from './packed-vector.ts';

/**
 * A value as the legacy store holds it, before any contract: undefined is a missing field, null a stored null. SQLite
 * gives text as bytes (Buffer), integers as bigint and reals as number; JSON gives strings, and numbers as their text; a
 * living database gives vectors as it sends them.
 */
export type Raw = undefined | number | bigint | Buffer | PackedVector | JsonValue;

/** One record of an entity. */
export interface SourceRecord {
  /** Where a person finds it: `ohlcv_data rowid 17`, `events.json[3]`. */
  readonly locator: string;
  get(field: string): Raw;
  /** A field that it has itself, even where `get` answers something else under that name (`$key`); absent: as `get`. */
  own?(field: string): Raw;
  /** Names of the fields that it has. */
  fields(): Iterable<string>;
  /** Why it cannot be converted at all, if so: a reason code and its place. */
  defect?: { readonly code: string; readonly field: string; readonly detail: string } | undefined;
  /** The last of the texts that its key begins with, where it took a pass over all records to find that out. */
  readonly sorted?: string | undefined;
  /** The record as JSON text, without what is left out. */
  payload(leftOut: LeftOut): string;
}

/** The records of one entity of a snapshot, in an order that is the same on every pass. */
export interface EntityReader {
  readonly entity: string;
  /** Whether an explicit null differs from a missing field in this store. */
  readonly missingIsNotNull: boolean;
  /** Records from `from` on, in blocks. */
  blocks(from: number): AsyncIterable<SourceRecord[]>;
  close(): Promise<void>;
}

/** A reader whose records come in key order, so that duplicates stand together; it knows how many there are. */
export interface OrderedReader extends EntityReader {
  readonly count: number;
  /** The columns of a store whose rows can be copied cell by cell. */
  readonly columns?: readonly string[];
  /** The rows from `from` on, as they lie in the store: the sequence of the cursors is the order of `blocks`. */
  cells?(from: number): Iterable<CellCursor>;
  /** Places where another thread may begin: no key, and no rule that looks back, reaches over them. */
  cuts?(): readonly Cut[];
  /** What it took a first pass to find out: a reader of the same records on another thread is spared it. */
  readonly known?: unknown;
  /** As long as so many rows of a few plain columns a row takes, where that is more than one. */
  readonly weight?: number;
  /** A row of `cells` by its `rowid`, and its locator. */
  find?(rowid: number): SourceRecord;
  locator?(rowid: number): string;
  /** The `rowid` that a locator names; undefined for what is no locator of this reader. */
  rowidOf?(locator: string): number | undefined;
}

/**
 * SQLite's fundamental datatypes, by the numbers that its C interface gives them, and behind them what JSON has of its own:
 * a string is written without escapes, a container is an array or an object, and null stands for a member that is missing,
 * as a record with an explicit null is none of cells.
 */
export const CellKind = {
  integer: 1,
  real: 2,
  text: 3,
  blob: 4,
  null: 5,
  string: 6,
  boolean: 7,
  container: 8,
} as const;

export interface Cut {
  /** Position of the first record behind it. */
  readonly at: number;
  /** What that record's key begins with, as it is stored: one value for each of the first columns. */
  readonly key: readonly string[];
}

/** What the first pass over records that stand in key order found out. A structured clone of it will do. */
export interface KnownOrder {
  readonly count: number;
  /** Places of records without a key, which come first. */
  readonly aside: readonly Place[];
  readonly files: readonly KnownFile[];
}

export interface KnownFile {
  /** Ordinal of the file's first record among the entity's. */
  readonly first: number;
  /** Where each record begins whose place in the file is a multiple of `every`, in bytes; in memory that threads share. */
  readonly marks: { readonly every: number; readonly count: number; readonly offsets: Float64Array };
}

/** One row of a store where it lies, without a JavaScript object a value; valid until its cursor steps. */
export interface Cells {
  /** Where the texts are. */
  readonly bytes: Buffer;
  /** The same bytes. */
  readonly view: DataView;
  /** Of each column, its {@link CellKind}. */
  readonly kinds: Uint8Array;
  /** Of an integer or real, its value; an integer beyond 2^53 has lost digits. Of a boolean, 0 or 1. */
  readonly numbers: Float64Array;
  /** Of a text, blob or string, where it begins in `bytes`, and its length; of any other JSON value, those of its text. */
  readonly starts: Uint32Array;
  readonly sizes: Uint32Array;
}

export interface CellCursor {
  readonly row: Cells;
  readonly rowid: number;
  /** Steps to the next row. False: there is none. */
  next(): boolean;
  /** The row as a record, to keep. */
  record(): SourceRecord;
}

/** Where an unordered source finds a record again. */
export interface Place {
  /** Place among the entity's records, from 0. */
  readonly ordinal: number;
  /** Which of the entity's files. */
  readonly file: number;
  /** Byte offset and length in the file of what is parsed at once; length -1 for the whole file. */
  readonly offset: number;
  readonly length: number;
  /** Key of that piece in the file's object, and its place in the object or array. */
  readonly key: string | null;
  readonly at: number;
  /** Which of the records in that piece. */
  readonly part: number;
}

/** A record of an unordered source. */
export interface PlacedRecord extends SourceRecord {
  readonly place: Place;
  /**
   * A field of a record that has no defect, without the work of finding out whether it has one; undefined also where that
   * can't be said.
   */
  peek?(field: string): Raw;
  /** Where the text lies that the record can be made from again, see `UnorderedReader.revive`; absent: only its place. */
  readonly slice?: { readonly block: Buffer; readonly start: number; readonly end: number } | undefined;
}

/** A reader whose records come in the order of the file, and can be read again one by one. */
export interface UnorderedReader extends EntityReader {
  blocks(from: number): AsyncIterable<PlacedRecord[]>;
  reread(place: Place): Promise<SourceRecord>;
  /** The record of that place once more, from its slice. */
  revive(place: Place, block: Buffer, start: number, end: number): SourceRecord;
  /** The records as cells of these columns, where each is the element of an array; undefined where they are anything else. */
  rows?(columns: readonly string[], known?: readonly KnownFile[]): UnorderedRows | undefined;
}

/** The records of an unordered source as cells: those of its cursors have no `rowid` where they are none of cells. */
export interface UnorderedRows {
  readonly columns: readonly string[];
  /** Cells for records that lie elsewhere than in the source's files. */
  readonly cells: CellReader;
  /** What the first pass found out, by file. */
  readonly known: readonly KnownFile[];
  /**
   * Goes through all records for the first time; only then they can be found.
   * @returns a cursor for each file; of a file that can't be read so, its `isWhole` is false at the end
   */
  first(): Iterable<PlacedCursor & { readonly isWhole: boolean }>;
  /** The records from this ordinal on. @param without ordinals of those that are left out */
  cursors(from: number, without: ReadonlySet<number>): Iterable<PlacedCursor>;
  /** A record by its ordinal. */
  find(ordinal: number): SourceRecord;
  locator(ordinal: number): string;
}

/** A cursor over records where they stand. */
export interface PlacedCursor extends CellCursor {
  readonly place: Place;
  /** Where its text lies; valid until the next step. */
  readonly slice: NonNullable<PlacedRecord['slice']>;
  record(): PlacedRecord;
}

export interface CellReader extends Cells {
  /** @returns where the record that begins at `start` ends; -1 when it is none of cells */
  read(bytes: Buffer, start: number): number;
}
