import type { CellCursor } from '../sources/source.ts';
import type { SqliteReader } from '../sources/sqlite.ts';
import type { ChangedRows } from '../sources/sqlite-changes.ts';
import { CopyBuffer } from './copy-buffer.ts';
import { compareKeys } from './key-order.ts';
import type { TableMapping } from './mapping.ts';
import { Parents } from './parents.ts';
import { Reject } from './reject.ts';
import { RowConverter } from './row-converter.ts';

/** Rows of a snapshot in key order. */
export interface PickedRows {
  readonly rowids: number[];
  /** Of each, whether something else may become of it than before; the others are there for a watcher to see. */
  readonly counts: boolean[];
}

/** Rows of both snapshots: what a change may affect, and what has to be seen to say how. */
export interface Affected {
  readonly before: PickedRows;
  readonly after: PickedRows;
}

/** Rows that are passed at a stretch. */
const AT_ONCE = 50_000;
/** Rows that are looked back over before it is too far. */
const BEHIND = 1 << 14;

/**
 * Finds the rows whose fate may have changed between two snapshots: those that changed, those of their keys, and those
 * that a watcher judges with an eye on them. All others are the same in both, in the same order, and a pass over either
 * snapshot makes the same of them.
 *
 * @param most rows that are picked of a snapshot at most
 * @param pause called now and then, so that others get their turn; what it throws ends the search
 * @returns undefined where more rows would have to be picked, or where the snapshots can't be compared so
 */
export async function affectedRows(
  mapping: TableMapping,
  before: SqliteReader,
  after: SqliteReader,
  changed: ChangedRows,
  most: number,
  pause: () => Promise<void>,
): Promise<Affected | undefined> {
  const walk = new Walk(mapping, before, after, most);
  const [earlier, later] = [before.rowids(), after.rowids()];
  let [old, now] = [earlier(), later()];
  for (let i = 1; (old !== undefined || now !== undefined) && !walk.failed; i++) {
    if (i % AT_ONCE === 0) await pause();
    // A rowid that both have has changed in both or in neither.
    if (old === now && !changed.after.has(now!)) {
      walk.pass(now!);
      old = earlier();
      now = later();
    } else if (old !== undefined && changed.before.has(old)) {
      walk.gone(old);
      old = earlier();
    } else if (now !== undefined && changed.after.has(now)) {
      walk.come(now);
      now = later();
    } else {
      // Rows that have not changed stand in one order: an index that has another isn't of its table.
      return undefined;
    }
  }
  return walk.end();
}

/** Goes over the rows of both snapshots at once, in key order. */
class Walk {
  readonly #result: Affected = { before: { rowids: [], counts: [] }, after: { rowids: [], counts: [] } };
  readonly #keysBefore: Keys;
  readonly #keysAfter: Keys;
  /** Unchanged rows: how many there were, the last of them, and how many are picked or will never be. */
  #passed = 0;
  readonly #last = new Float64Array(BEHIND);
  #settled = 0;
  /** Changed rows since the last unchanged one. */
  #gone: number[] = [];
  #come: number[] = [];
  /** The changed row up to whose reach unchanged rows are affected. */
  #open: Key | undefined;
  failed = false;

  constructor(
    mapping: TableMapping,
    before: SqliteReader,
    after: SqliteReader,
    private readonly most: number,
  ) {
    this.#keysBefore = new Keys(mapping, before);
    this.#keysAfter = new Keys(mapping, after);
  }

  /** A row that only the earlier snapshot has so. */
  gone(rowid: number): void {
    this.#gone.push(rowid);
  }

  /** A row that only the later snapshot has so. */
  come(rowid: number): void {
    this.#come.push(rowid);
  }

  /** A row that both have. */
  pass(rowid: number): void {
    if (this.#gone.length + this.#come.length > 0) this.#settle();
    if (this.#open !== undefined) {
      const key = this.#keysAfter.of(rowid);
      if (key === undefined || this.#keysAfter.reaches(this.#open, key)) {
        this.#pick(rowid, true);
        this.#settled = this.#passed + 1;
      } else {
        this.#open = undefined;
      }
    }
    this.#last[this.#passed++ % BEHIND] = rowid;
  }

  end(): Affected | undefined {
    this.#settle();
    return this.failed ? undefined : this.#result;
  }

  /** Picks the changed rows between two unchanged ones, and what has to stand before them. */
  #settle(): void {
    let [least, greatest]: [Key?, Key?] = [];
    const keys = this.#keysAfter;
    const note = (key: Key | undefined) => {
      if (key === undefined) return;
      if (least === undefined || keys.order(key, least) < 0) least = key;
      if (greatest === undefined || keys.order(key, greatest) > 0) greatest = key;
    };
    for (const rowid of this.#gone) note(this.#keysBefore.of(rowid));
    for (const rowid of this.#come) note(keys.of(rowid));
    // A row that its own contract refuses is nothing to any other.
    if (least !== undefined) this.#pickBehind(least);
    this.#open = greatest ?? this.#open;
    add(this.#result.before, this.#gone, true);
    add(this.#result.after, this.#come, true);
    this.#gone = [];
    this.#come = [];
    const { before, after } = this.#result;
    if (Math.max(before.rowids.length, after.rowids.length) > this.most) this.failed = true;
  }

  /** Picks the unchanged rows of this key, and those that a watcher has to see before it judges one of this key. */
  #pickBehind(least: Key): void {
    const keys = this.#keysAfter;
    let from = this.#passed;
    let same = this.#passed;
    while (from > this.#settled) {
      if (this.#passed - from === BEHIND) {
        this.failed = true;
        return;
      }
      const key = keys.of(this.#last[(from - 1) % BEHIND]!);
      if (key !== undefined) {
        if (!keys.reaches(key, least)) break;
        if (keys.order(key, least) === 0) same = from - 1;
      }
      from--;
    }
    for (let i = from; i < this.#passed; i++) this.#pick(this.#last[i % BEHIND]!, i >= same);
    this.#settled = this.#passed;
  }

  #pick(rowid: number, counts: boolean): void {
    add(this.#result.before, [rowid], counts);
    add(this.#result.after, [rowid], counts);
  }
}

function add(to: PickedRows, rowids: readonly number[], counts: boolean): void {
  for (const rowid of rowids) {
    to.rowids.push(rowid);
    to.counts.push(counts);
  }
}

/** A key in binary COPY form, and its last column where watchers ask for it. */
interface Key {
  readonly row: Buffer;
  readonly last: number;
}

/** Keys of a snapshot's rows. */
class Keys {
  readonly #converter: RowConverter;
  readonly #lanes: NonNullable<ReturnType<RowConverter['lanes']>>;
  readonly #cursor: CellCursor;
  readonly #out = new CopyBuffer();
  #rowid = 0;

  constructor(
    private readonly mapping: TableMapping,
    reader: SqliteReader,
  ) {
    this.#converter = new RowConverter(mapping, new Parents(), reader.missingIsNotNull);
    this.#lanes = this.#converter.lanes(reader.columns)!;
    this.#cursor = reader.at(() => this.#rowid);
  }

  /** Key of the row with this rowid; undefined for a record that a contract refuses. */
  of(rowid: number): Key | undefined {
    const { mapping } = this;
    const [converter, cursor, out] = [this.#converter, this.#cursor, this.#out];
    this.#rowid = rowid;
    cursor.next();
    out.truncate(0);
    if (!this.#lanes(cursor.row, out)) {
      try {
        converter.convert(cursor.record(), out);
      } catch (error) {
        if (error instanceof Reject) return undefined;
        throw error;
      }
    }
    const last = mapping.watch ? converter.row.int64(mapping.key.length - 1) : 0;
    return { row: Buffer.from(out.from(0)), last };
  }

  order(a: Key, b: Key): number {
    return compareKeys(a.row, 0, b.row, 0, this.#converter.keyOrder);
  }

  /** Whether what becomes of the later row may follow from the earlier one. */
  reaches(earlier: Key, later: Key): boolean {
    const { watch, watchReach, key } = this.mapping;
    if (!watch) return this.order(earlier, later) === 0;
    const series = this.#converter.keyOrder.slice(0, key.length - 1);
    return (
      compareKeys(earlier.row, 0, later.row, 0, series) === 0 && later.last - earlier.last <= watchReach!
    );
  }
}
