import type { CellCursor } from '../sources/source.ts';
import type { SqliteReader } from '../sources/sqlite.ts';
import type { ChangedRows } from '../sources/sqlite-changes.ts';
import { CopyBuffer } from './copy-buffer.ts';
import { compareKeys, type KeyOrder } from './key-order.ts';
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
  readonly #keysBefore: Keys;
  readonly #keysAfter: Keys;
  /** Unchanged rows: how many there were, and the last of them. */
  #passed = 0;
  readonly #last = new Float64Array(BEHIND);
  /** Unchanged rows that are picked, by their place among all unchanged ones. */
  readonly #picked = new Map<number, { readonly rowid: number; counts: boolean }>();
  /** Changed rows, with how many unchanged ones come before them; the last ones are those since the last of these. */
  readonly #changed: { readonly at: number; readonly gone: number[]; readonly come: number[] }[] = [];
  #gone: number[] = [];
  #come: number[] = [];
  #count = 0;
  /** Keys of changed rows whose reach is not over yet. */
  #open: Key[] = [];
  /** How far before a row, in the last column of its key, those stand that it is judged by; 0: its duplicates. */
  readonly #backs: readonly number[];
  failed = false;

  constructor(
    mapping: TableMapping,
    before: SqliteReader,
    after: SqliteReader,
    private readonly most: number,
  ) {
    this.#backs = mapping.watch ? [0, mapping.watchBack!] : [0];
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
    this.#last[this.#passed % BEHIND] = rowid;
    this.#passed++;
    if (this.#open.length > 0) this.#lookBack(rowid);
  }

  end(): Affected | undefined {
    this.#settle();
    if (this.failed) return undefined;
    const result: Affected = { before: { rowids: [], counts: [] }, after: { rowids: [], counts: [] } };
    const picked = [...this.#picked].sort(([a], [b]) => a - b);
    let next = 0;
    const pickedBefore = (at: number) => {
      for (; next < picked.length && picked[next]![0] < at; next++) {
        const { rowid, counts } = picked[next]![1];
        add(result.before, [rowid], counts);
        add(result.after, [rowid], counts);
      }
    };
    for (const { at, gone, come } of this.#changed) {
      pickedBefore(at);
      add(result.before, gone, true);
      add(result.after, come, true);
    }
    pickedBefore(this.#passed);
    return result;
  }

  /** Takes the changed rows between two unchanged ones, and picks what they depend on behind them. */
  #settle(): void {
    const [gone, come] = [this.#gone, this.#come];
    this.#changed.push({ at: this.#passed, gone, come });
    this.#gone = [];
    this.#come = [];
    // A row that its own contract refuses is nothing to any other.
    const keys = [
      ...gone.map((rowid) => this.#keysBefore.of(rowid)),
      ...come.map((rowid) => this.#keysAfter.of(rowid)),
    ].filter((key) => key !== undefined);
    for (const key of keys) for (const back of this.#backs) this.#pickBehind(key, back, back === 0);
    this.#open.push(...keys);
    this.#count += Math.max(gone.length, come.length);
    if (this.#count + this.#picked.size > this.most) this.failed = true;
  }

  /** Picks the unchanged row that was passed last, if its fate may follow from one of the changed rows before it. */
  #lookBack(rowid: number): void {
    const keys = this.#keysAfter;
    const key = keys.of(rowid);
    if (key === undefined) return;
    const reach = Math.max(...this.#backs);
    this.#open = this.#open.filter((changed) => keys.order(key, changed, reach) <= 0);
    const isJudgedBy = (changed: Key) => this.#backs.some((back) => keys.order(key, changed, back) === 0);
    if (this.#open.some(isJudgedBy)) this.#pick(this.#passed - 1, true);
  }

  /** Picks the unchanged rows whose key is so far behind a changed row's. */
  #pickBehind(changed: Key, back: number, counts: boolean): void {
    const keys = this.#keysAfter;
    const least = Math.max(0, this.#passed - BEHIND);
    /** Order of a row and what is looked for; undefined for a refused one. */
    const orderOf = (at: number) => {
      const key = keys.of(this.#last[at % BEHIND]!);
      return key && keys.order(key, changed, -back);
    };
    // A refused one counts as behind: then the search ends too early, and some more are looked at.
    const isBefore = (at: number) => (orderOf(at) ?? 0) < 0;
    // It is mostly near.
    let [low, high, step] = [this.#passed - 1, this.#passed, 1];
    while (low >= least && !isBefore(low)) {
      high = low;
      low -= step;
      step *= 2;
    }
    if (low < least) {
      if (least > 0) {
        this.failed = true;
        return;
      }
      low = -1;
    }
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (isBefore(middle)) low = middle;
      else high = middle;
    }
    for (let at = high; at < this.#passed; at++) {
      const order = orderOf(at) ?? -1;
      if (order > 0) return;
      if (order === 0) this.#pick(at, counts);
    }
  }

  #pick(at: number, counts: boolean): void {
    const known = this.#picked.get(at);
    if (known) known.counts ||= counts;
    else this.#picked.set(at, { rowid: this.#last[at % BEHIND]!, counts });
  }
}

function add(to: PickedRows, rowids: readonly number[], counts: boolean): void {
  for (const rowid of rowids) {
    to.rowids.push(rowid);
    to.counts.push(counts);
  }
}

/** A row in binary COPY form that begins with a key, and its last column where watchers ask for it. */
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
  /** Of the columns that are compared as they stand in a row: the last one is not where watchers ask for it. */
  readonly #order: KeyOrder;
  #rowid = 0;

  constructor(
    private readonly mapping: TableMapping,
    reader: SqliteReader,
  ) {
    this.#converter = new RowConverter(mapping, new Parents(), reader.missingIsNotNull);
    const { keyOrder } = this.#converter;
    this.#order = mapping.watch ? keyOrder.slice(0, -1) : keyOrder;
    this.#lanes = this.#converter.lanes(reader.columns, 'keys')!;
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

  /** Order of a key, and of one whose last column is so much more than another's. */
  order(a: Key, b: Key, more = 0): number {
    return compareKeys(a.row, 0, b.row, 0, this.#order) || a.last - (b.last + more);
  }
}
