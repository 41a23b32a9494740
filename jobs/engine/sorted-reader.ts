import type { LeftOut } from '../sources/left-out.ts';
import type {
  CellCursor,
  Cut,
  KnownOrder,
  OrderedReader,
  Place,
  PlacedRecord,
  Raw,
  SourceRecord,
  UnorderedReader,
  UnorderedRows,
} from '../sources/source.ts';
import { compareBytes, ExternalSort } from './external-sort.ts';
import { keyReader, type ReadKey, wholeKeyReader } from './key-reader.ts';
import type { TableMapping } from './mapping.ts';
import type { Parents } from './parents.ts';
import { placeSize, readPlace, writePlace } from './places.ts';
import {
  AsideCursor,
  cellColumns,
  LONGEST_CARRIED,
  MOST_ASIDE,
  RowKeys,
  SortedCursor,
} from './sorted-rows.ts';

/** Records a block, and bytes of their texts that it ends behind. */
const BLOCK = 500;
const MOST_BYTES = 4 << 20;
/** Texts lie together in buffers of this size. */
const BLOCK_BYTES = 256 << 10;

/**
 * Gives an unordered source the order that everything else expects: by key, records with the same key in source order,
 * and first those that no key can be made of. One pass reads the keys. Where they are in order already, the next passes
 * read the source as it stands; else the records' texts are sorted on disk. Memory stays flat whatever the source's size.
 * Where a mapping reads the field `$nth`, records with one key are numbered, among those that can be stored.
 */
export class SortedReader implements OrderedReader {
  readonly entity: string;
  readonly missingIsNotNull: boolean;
  readonly columns: readonly string[] | undefined;

  /**
   * @param aside places of the records without a key, where all others are in order; undefined: all are in `sort`
   * @param rows the records as cells, where they can be had
   * @param found places where another thread may begin
   */
  private constructor(
    private readonly inner: UnorderedReader,
    private readonly sort: ExternalSort,
    readonly count: number,
    private readonly isNumbered: boolean,
    private readonly aside: readonly Place[] | undefined,
    private readonly rows: UnorderedRows | undefined,
    private readonly found: readonly Cut[] = [],
  ) {
    this.entity = inner.entity;
    this.missingIsNotNull = inner.missingIsNotNull;
    this.columns = rows?.columns;
  }

  /**
   * @param file where the scratch file for what is sorted is made
   * @param known what another reader of the same source knows; absent: the source is read to find that out
   */
  static async open(
    inner: UnorderedReader,
    mapping: TableMapping,
    parents: Parents,
    file: string,
    known?: KnownOrder,
  ): Promise<SortedReader> {
    let sort = new ExternalSort(file);
    try {
      const columns = cellColumns(mapping);
      const rows = columns && inner.rows?.(columns, known?.files);
      if (known !== undefined) return new SortedReader(inner, sort, known.count, false, known.aside, rows);
      if (rows !== undefined) {
        const keys = new RowKeys(rows, mapping, parents, inner.missingIsNotNull);
        const read = await keys.read(sort);
        if (read !== undefined) {
          // A rule that looks back may reach over any place.
          const cuts = mapping.watch ? [] : read.cuts;
          return new SortedReader(inner, sort, read.count, false, read.aside, rows, cuts);
        }
        sort.close();
        sort = new ExternalSort(file);
      }
      const isNumbered = mapping.fields.some(({ from }) => from === '$nth');
      const keyOf = isNumbered
        ? wholeKeyReader(mapping, parents, inner.missingIsNotNull)
        : keyReader(mapping, parents);
      const ordered = isNumbered ? undefined : await readOrdered(inner, keyOf);
      if (ordered === undefined) await addAll(inner, keyOf, sort);
      const count = ordered?.count ?? sort.count;
      return new SortedReader(inner, sort, count, isNumbered, ordered?.aside, undefined);
    } catch (error) {
      sort.close();
      throw error;
    }
  }

  *cells(from: number): Generator<CellCursor> {
    const { rows, aside } = this;
    if (rows === undefined) return;
    if (aside === undefined) {
      const cursor = new SortedCursor(this.sort.cursor(), this.inner, rows);
      cursor.skip(from);
      yield cursor;
      return;
    }
    if (from < aside.length) yield new AsideCursor(aside.slice(from), rows);
    yield* rows.cursors(beginOf(from, aside), ordinalsOf(aside));
  }

  cuts(): readonly Cut[] {
    return this.found;
  }

  get known(): KnownOrder | undefined {
    const { count, aside, rows } = this;
    return aside && rows && { count, aside, files: rows.known };
  }

  find(rowid: number): SourceRecord {
    return this.rows!.find(rowid);
  }

  locator(rowid: number): string {
    return this.rows!.locator(rowid);
  }

  blocks(from: number): AsyncGenerator<SourceRecord[]> {
    return this.aside === undefined ? this.#sorted(from) : this.#asTheyStand(from, this.aside);
  }

  async *#asTheyStand(from: number, aside: readonly Place[]): AsyncGenerator<SourceRecord[]> {
    if (from < aside.length) {
      const first: SourceRecord[] = [];
      for (const place of aside.slice(from)) first.push(await this.inner.reread(place));
      yield first;
    }
    const without = ordinalsOf(aside);
    for await (const block of this.inner.blocks(beginOf(from, aside))) {
      const kept = without.size === 0 ? block : block.filter(({ place }) => !without.has(place.ordinal));
      if (kept.length > 0) yield kept;
    }
  }

  async *#sorted(from: number): AsyncGenerator<SourceRecord[]> {
    const cursor = this.sort.cursor();
    const numbers = this.isNumbered ? new Numbers() : undefined;
    let records: SourceRecord[] = [];
    let text = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    let filled = 0;
    let textBytes = 0;
    for (let position = 0; cursor.next(); position++) {
      const nth = numbers?.next(cursor.bytes, cursor.keyStart, cursor.keyEnd);
      if (position < from) continue;
      const { place, end } = readPlace(cursor.bytes, cursor.keyEnd);
      const size = cursor.end - end;
      let record: SourceRecord;
      if (size === 0) record = await this.inner.reread(place);
      else {
        if (filled + size > text.length) {
          text = Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, size));
          filled = 0;
        }
        cursor.bytes.copy(text, filled, end, cursor.end);
        record = this.inner.revive(place, text, filled, filled + size);
        filled += size;
      }
      records.push(nth === undefined ? record : new NumberedRecord(record, BigInt(nth)));
      textBytes += size;
      if (records.length === BLOCK || textBytes > MOST_BYTES) {
        yield records;
        records = [];
        textBytes = 0;
      }
    }
    if (records.length > 0) yield records;
  }

  async close(): Promise<void> {
    this.sort.close();
    await this.inner.close();
  }
}

/** Ordinal of the first record at or behind a position that is none of those without a key. */
function beginOf(from: number, aside: readonly Place[]): number {
  // The first of those that are in order, as if none stood aside, and then what stands aside before it.
  let begin = Math.max(0, from - aside.length);
  for (const { ordinal } of aside) {
    if (ordinal <= begin) begin++;
    else break;
  }
  return begin;
}

const ordinalsOf = (places: readonly Place[]) => new Set(places.map(({ ordinal }) => ordinal));

/** The number of records, and those without a key, of a source whose other records are in order; undefined for another. */
async function readOrdered(
  inner: UnorderedReader,
  keyOf: ReadKey,
): Promise<{ count: number; aside: Place[] } | undefined> {
  const aside: Place[] = [];
  let count = 0;
  let last: Buffer = Buffer.alloc(0);
  for await (const block of inner.blocks(0)) {
    for (const record of block) {
      const key = keyOf(record);
      if (key.length === 0) {
        if (aside.length === MOST_ASIDE) return undefined;
        aside.push(record.place);
      } else {
        if (compareBytes(key, 0, key.length, last, 0, last.length) < 0) return undefined;
        last = key;
      }
      count++;
    }
  }
  return { count, aside };
}

/** Adds all records to the sort, with their texts where they have some of their own. */
async function addAll(inner: UnorderedReader, keyOf: ReadKey, sort: ExternalSort): Promise<void> {
  for await (const block of inner.blocks(0)) {
    for (const record of block) {
      const key = keyOf(record);
      const { place } = record;
      const slice = carriedSlice(record);
      const size = placeSize(place);
      const at = sort.add(key, key.length, size + (slice ? slice.end - slice.start : 0));
      writePlace(sort.bytes, at, place);
      slice?.block.copy(sort.bytes, at + size, slice.start, slice.end);
    }
  }
  sort.finish();
}

function carriedSlice({ slice }: PlacedRecord): PlacedRecord['slice'] {
  return slice !== undefined && slice.end - slice.start <= LONGEST_CARRIED ? slice : undefined;
}

/** Numbers what has the same key, from 1. */
class Numbers {
  #key: Buffer = Buffer.alloc(0);
  #nth = 0;

  next(bytes: Buffer, start: number, end: number): number {
    if (this.#nth > 0 && compareBytes(bytes, start, end, this.#key, 0, this.#key.length) === 0) {
      this.#nth++;
    } else {
      this.#key = Buffer.from(bytes.subarray(start, end));
      this.#nth = 1;
    }
    return this.#nth;
  }
}

/** A record with the field `$nth`: which one of those with its key it is, in source order, from 1. */
class NumberedRecord implements SourceRecord {
  readonly locator: string;
  readonly defect: SourceRecord['defect'];

  constructor(
    private readonly record: SourceRecord,
    private readonly nth: bigint,
  ) {
    this.locator = record.locator;
    this.defect = record.defect;
  }

  get(field: string): Raw {
    return field === '$nth' ? this.nth : this.record.get(field);
  }

  fields(): Iterable<string> {
    return this.record.fields();
  }

  payload(leftOut: LeftOut): string {
    return this.record.payload(leftOut);
  }
}
