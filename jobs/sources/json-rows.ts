import { JsonCells } from './json-cells.ts';
import type { CollectionFile } from './json-collection.ts';
import { type Elements, JsonElement } from './json-records.ts';
import { JsonRecord } from './json-split.ts';
import { JsonWalk, type Mark, START } from './json-walk.ts';
import type { KnownFile, Place, PlacedCursor, UnorderedRows } from './source.ts';

/** Marks a file: with more of them every other one is forgotten. */
const MOST_MARKS = 1 << 18;
/** Bytes a read where one record is looked for. */
const SMALL_BLOCK = 16 << 10;
const NONE: ReadonlySet<number> = new Set();

/** The elements of files' arrays as cells. */
export class JsonRows implements UnorderedRows {
  readonly cells: JsonCells;
  /** By file, from the first pass. */
  readonly known: KnownFile[] = [];

  /**
   * @param elementsOf what the records of a file have in common, by its place and the ordinal of its first record
   * @param known of a reader of the same files that has made the first pass; absent: it has to be made
   */
  constructor(
    readonly columns: readonly string[],
    private readonly files: readonly CollectionFile[],
    private readonly elementsOf: (file: number, first: number) => Elements,
    known: readonly KnownFile[] = [],
  ) {
    this.known.push(...known);
    this.cells = new JsonCells(columns);
  }

  *first(): Generator<ElementCursor> {
    let first = 0;
    for (const [file, { path }] of this.files.entries()) {
      const marks = new Marks();
      this.known[file] = { first, marks: marks.list };
      const walk = new JsonWalk(path, this.cells);
      const cursor = new ElementCursor(path, this.elementsOf(file, first), walk, this.cells, NONE, marks);
      try {
        yield cursor;
      } finally {
        walk.close();
      }
      first += walk.at + 1;
    }
  }

  *cursors(from: number, without: ReadonlySet<number>): Generator<ElementCursor> {
    for (const [file, { path }] of this.files.entries()) {
      const { first, marks } = this.known[file]!;
      if (file + 1 < this.files.length && this.known[file + 1]!.first <= from) continue;
      const at = Math.max(0, from - first);
      const walk = new JsonWalk(path, this.cells, markBefore(marks, at));
      const cursor = new ElementCursor(path, this.elementsOf(file, first), walk, this.cells, without);
      try {
        if (cursor.skipTo(at)) yield cursor;
      } finally {
        walk.close();
      }
    }
  }

  find(ordinal: number): JsonElement {
    const file = this.#fileOf(ordinal);
    const { first, marks } = this.known[file]!;
    const { path } = this.files[file]!;
    const at = ordinal - first;
    const walk = new JsonWalk(path, undefined, markBefore(marks, at), SMALL_BLOCK);
    try {
      do {
        if (!walk.next()) throw new Error(`${path} has no element ${at} any more`);
      } while (walk.at < at);
      return new ElementCursor(path, this.elementsOf(file, first), walk, this.cells, NONE).record();
    } finally {
      walk.close();
    }
  }

  locator(ordinal: number): string {
    const file = this.#fileOf(ordinal);
    return `${this.files[file]!.name}[${ordinal - this.known[file]!.first}]`;
  }

  #fileOf(ordinal: number): number {
    return this.known.findLastIndex(({ first }) => first <= ordinal);
  }
}

/** Goes through the elements of one file. */
class ElementCursor implements PlacedCursor {
  /** Whether the next step is to stay where the cursor is. */
  #isThere = false;

  constructor(
    private readonly path: string,
    private readonly of: Elements,
    private readonly walk: JsonWalk,
    readonly row: JsonCells,
    private readonly without: ReadonlySet<number>,
    private readonly marks?: Marks,
  ) {}

  get isWhole(): boolean {
    return this.walk.isWhole;
  }

  get place(): Place {
    const { at, offset, start, end } = this.walk;
    const { file, first } = this.of;
    return { ordinal: first + at, file, offset, length: end - start, key: null, at, part: 0 };
  }

  get rowid(): number {
    return this.walk.isOrdinary ? this.of.first + this.walk.at : Number.NaN;
  }

  get slice(): NonNullable<PlacedCursor['slice']> {
    const { bytes: block, start, end } = this.walk;
    return { block, start, end };
  }

  next(): boolean {
    const { walk, without } = this;
    if (this.#isThere) {
      this.#isThere = false;
      return true;
    }
    do {
      if (!walk.next()) return false;
      this.marks?.add(walk.at, walk.offset);
    } while (without.size > 0 && without.has(this.of.first + walk.at));
    return true;
  }

  /** Steps so that the next step is to the element at that place, or what comes behind it. False: there is none. */
  skipTo(at: number): boolean {
    while (this.next()) {
      if (this.walk.at < at) continue;
      this.#isThere = true;
      return true;
    }
    return false;
  }

  /** With bytes of its own: those of the walk are overwritten. */
  record(): JsonElement {
    const { at, offset, bytes, start, end } = this.walk;
    const own = Buffer.from(bytes.subarray(start, end));
    return new JsonElement(
      this.of,
      new JsonRecord(this.path, at, undefined, [], offset, own, 0, own.length),
      false,
    );
  }
}

/** At first each element has a mark, then every other one, and so on. */
class Marks {
  readonly list = { every: 1, count: 0, offsets: sharedOffsets(1 << 10) };

  add(at: number, offset: number): void {
    const { list } = this;
    if (at % list.every !== 0) return;
    if (list.count === MOST_MARKS) {
      list.every *= 2;
      list.count /= 2;
      for (let i = 0; i < list.count; i++) list.offsets[i] = list.offsets[2 * i]!;
      if (at % list.every !== 0) return;
    } else if (list.count === list.offsets.length) {
      const larger = sharedOffsets(2 * list.count);
      larger.set(list.offsets);
      list.offsets = larger;
    }
    list.offsets[list.count++] = offset;
  }
}

function sharedOffsets(length: number): Float64Array {
  return new Float64Array(new SharedArrayBuffer(length * Float64Array.BYTES_PER_ELEMENT));
}

/** The last mark that is not behind an element. */
function markBefore({ every, count, offsets }: KnownFile['marks'], at: number): Mark {
  const i = Math.min(Math.floor(at / every), count - 1);
  return i <= 0 ? START : { at: i * every, offset: offsets[i]! };
}
