import { setImmediate } from 'node:timers/promises';
import type {
  CellCursor,
  Cells,
  Cut,
  Place,
  PlacedCursor,
  SourceRecord,
  UnorderedReader,
  UnorderedRows,
} from '../sources/source.ts';
import { CopyBuffer, fieldsOf } from './copy-buffer.ts';
import type { Cursor, ExternalSort } from './external-sort.ts';
import { compareKeys, type KeyOrder, sortKey } from './key-order.ts';
import { cellKeyWriter, keyWriter, type WriteKey } from './key-reader.ts';
import type { TableMapping } from './mapping.ts';
import type { Parents } from './parents.ts';
import { endOfPlace, placeSize, readOrdinal, readPlace, writePlace } from './places.ts';

/** A longer text is read again from its place instead of being sorted along. */
export const LONGEST_CARRIED = 64 << 10;

/** So many records without a key may stand among others that are in order already. */
export const MOST_ASIDE = 10_000;

const MOST_CUTS = 2048;

/** Records that are read at a stretch, before sockets get their turn. */
const AT_ONCE = 10_000;

const NO_KEY = Buffer.alloc(0);

/** The source columns that a mapping reads; undefined where it reads what is said about a record and stands in no cell. */
export function cellColumns(mapping: TableMapping): string[] | undefined {
  const names = mapping.fields.flatMap(({ from }) => from ?? []);
  return names.some((name) => name.startsWith('$')) ? undefined : [...new Set(names)];
}

/** What the first pass found out. */
export interface FoundOrder {
  readonly count: number;
  /** Places of the records without a key, where all others are in order; undefined: all are in the sort. */
  readonly aside: Place[] | undefined;
  /** Places where the first column of the key changes. */
  readonly cuts: readonly Cut[];
}

/** The first pass over a source whose records are cells: reads their keys. */
export class RowKeys {
  readonly #order: KeyOrder;
  /** Of the key's first column. */
  readonly #first: KeyOrder;
  readonly #show: (field: Buffer) => string;
  readonly #ofRecord: WriteKey;
  readonly #ofCells: ((cells: Cells, out: CopyBuffer) => boolean) | undefined;

  constructor(
    private readonly rows: UnorderedRows,
    mapping: TableMapping,
    parents: Parents,
    missingIsNotNull: boolean,
  ) {
    const types = mapping.key.map((column) => mapping.fields.find((field) => field.column === column)!.type);
    this.#order = types.map(({ order }) => order!);
    this.#first = this.#order.slice(0, 1);
    this.#show = types[0]!.show;
    this.#ofRecord = keyWriter(mapping, parents);
    this.#ofCells = cellKeyWriter(mapping, parents, missingIsNotNull, rows.columns);
  }

  /**
   * Counts the records, and finds those without a key where all others are in order; else all of them go into the sort.
   * @returns undefined where the source can't be read as cells; the sort is then of no use
   */
  async read(sort: ExternalSort): Promise<FoundOrder | undefined> {
    const aside: Place[] = [];
    const cuts = new Cuts();
    let count = 0;
    let [key, last] = [new CopyBuffer(), new CopyBuffer()];
    const inOrder = await this.#pass((cursor) => {
      count++;
      key.truncate(0);
      if (!this.#write(cursor, key)) return aside.push(cursor.place) <= MOST_ASIDE;
      if (last.length > 0) {
        if (compareKeys(key.bytes, 0, last.bytes, 0, this.#order) < 0) return false;
        const at = count - 1 - aside.length;
        if (at >= cuts.next && compareKeys(key.bytes, 0, last.bytes, 0, this.#first) > 0) {
          cuts.add(at, fieldsOf(key.bytes, 0)[0]!);
        }
      }
      [key, last] = [last, key];
      return true;
    });
    if (inOrder === 'whole') return { count, aside, cuts: cuts.behind(aside.length, this.#show) };
    if (inOrder === 'unreadable') return undefined;
    const sorted = await this.#pass((cursor) => {
      key.truncate(0);
      this.#add(cursor, this.#write(cursor, key) ? sortKey(key.bytes, 0, this.#order) : NO_KEY, sort);
      return true;
    });
    if (sorted === 'unreadable') return undefined;
    sort.finish();
    return { count: sort.count, aside: undefined, cuts: [] };
  }

  /** Goes through all records until `see` answers false. */
  async #pass(see: (cursor: PlacedCursor) => boolean): Promise<'whole' | 'stopped' | 'unreadable'> {
    let seen = 0;
    for (const cursor of this.rows.first()) {
      while (cursor.next()) {
        if (!see(cursor)) return 'stopped';
        if (++seen % AT_ONCE === 0) await setImmediate();
      }
      if (!cursor.isWhole) return 'unreadable';
    }
    return 'whole';
  }

  /** Writes the record's key. False: none can be made of it. */
  #write(cursor: PlacedCursor, out: CopyBuffer): boolean {
    if (this.#ofCells !== undefined && !Number.isNaN(cursor.rowid) && this.#ofCells(cursor.row, out))
      return true;
    return this.#ofRecord(cursor.record(), out);
  }

  #add({ place, slice }: PlacedCursor, key: Buffer, sort: ExternalSort): void {
    const { block, start, end } = slice;
    const carried = end - start <= LONGEST_CARRIED ? end - start : 0;
    const size = placeSize(place);
    const at = sort.add(key, key.length, size + carried);
    writePlace(sort.bytes, at, place);
    block.copy(sort.bytes, at + size, start, start + carried);
  }
}

/** Records whose texts were sorted along. */
export class SortedCursor implements CellCursor {
  readonly row: Cells;
  rowid = Number.NaN;

  constructor(
    private readonly sorted: Cursor,
    private readonly inner: UnorderedReader,
    private readonly rows: UnorderedRows,
  ) {
    this.row = rows.cells;
  }

  /** Leaves the first `count` records out. */
  skip(count: number): void {
    for (let i = 0; i < count && this.sorted.next(); i++);
  }

  next(): boolean {
    const { sorted } = this;
    if (!sorted.next()) return false;
    const { bytes, keyEnd, end } = sorted;
    const start = endOfPlace(bytes, keyEnd);
    const isOrdinary = start < end && this.rows.cells.read(bytes, start) === end;
    this.rowid = isOrdinary ? readOrdinal(bytes, keyEnd) : Number.NaN;
    return true;
  }

  record(): SourceRecord {
    const { bytes, keyEnd, end } = this.sorted;
    const { place, end: start } = readPlace(bytes, keyEnd);
    if (start === end) return this.rows.find(place.ordinal);
    const own = Buffer.from(bytes.subarray(start, end));
    return this.inner.revive(place, own, 0, own.length);
  }
}

/** Records that stand aside: none of them goes the short way. */
export class AsideCursor implements CellCursor {
  readonly row: Cells;
  readonly rowid = Number.NaN;
  #next = 0;

  constructor(
    private readonly places: readonly Place[],
    private readonly rows: UnorderedRows,
  ) {
    this.row = rows.cells;
  }

  next(): boolean {
    return this.#next++ < this.places.length;
  }

  record(): SourceRecord {
    return this.rows.find(this.places[this.#next - 1]!.ordinal);
  }
}

/** Places where a source in order may be cut, at about even distances; with too many of them every other one is forgotten. */
class Cuts {
  /** Among the records with a key, from where on the next one is of use. */
  next = 0;
  #every = 1;
  #cuts: { readonly at: number; readonly first: Buffer }[] = [];

  /** @param first the key's first column */
  add(at: number, first: Buffer): void {
    if (this.#cuts.length === MOST_CUTS) {
      this.#cuts = this.#cuts.filter((_, i) => i % 2 === 1);
      this.#every *= 2;
    }
    this.#cuts.push({ at, first: Buffer.from(first) });
    this.next = at + this.#every;
  }

  /** As positions, behind so many records that stand aside. */
  behind(aside: number, show: (field: Buffer) => string): Cut[] {
    return this.#cuts.map(({ at, first }) => ({ at: at + aside, key: [show(first)] }));
  }
}
