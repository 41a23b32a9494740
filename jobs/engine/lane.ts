import { CellKind, type Cells } from '../sources/source.ts';
import type { CopyBuffer } from './copy-buffer.ts';
import type { RowScope } from './mapping.ts';
import { naiveTimes } from './time-reader.ts';

/**
 * The short way of a column: writes what its contract and type would write for the row, straight from the cells. Answers
 * false, with whatever it wrote to be taken back, for everything else: a refusal, a note, any unusual value. The contract
 * alone says what becomes of those.
 */
export type Lane = (cells: Cells, out: CopyBuffer) => boolean;

/** What a lane is made for. */
export interface LaneScope extends Pick<RowScope, 'leftOut' | 'parent'> {
  /** Whether the cells are members of JSON; else they are those of a typed store. */
  readonly isJson: boolean;
}

/**
 * Makes the lane of a field for one table.
 * @param at place of a source column among the cells; -1 for a column that the file has not
 * @returns undefined where it has none for such a store
 */
export type MakeLane = (at: (column: string) => number, scope: LaneScope) => Lane | undefined;

const nothing: Lane = (_cells, out) => {
  out.null();
  return true;
};
const never: Lane = () => false;

/** The lane of one column: null where the field may be, otherwise as `write` says. */
export function cellLane(
  from: string,
  nullable: boolean,
  write: (cells: Cells, at: number, out: CopyBuffer) => boolean,
): MakeLane {
  return (place) => {
    const at = place(from);
    if (at < 0) return nullable ? nothing : never;
    return (cells, out) => {
      if (cells.kinds[at] !== CellKind.null) return write(cells, at, out);
      if (nullable) out.null();
      return nullable;
    };
  };
}

export function writeText(cells: Cells, at: number, out: CopyBuffer): boolean {
  const kind = cells.kinds[at];
  return (
    (kind === CellKind.text || kind === CellKind.string) &&
    out.utf8Field(cells, cells.starts[at]!, cells.sizes[at]!)
  );
}

/** A finite double, or an integer that is one. */
export function writeDouble(cells: Cells, at: number, out: CopyBuffer): boolean {
  const value = cells.numbers[at]!;
  const kind = cells.kinds[at]!;
  if (
    kind > CellKind.real ||
    !Number.isFinite(value) ||
    (kind === CellKind.integer && !Number.isSafeInteger(value))
  ) {
    return false;
  }
  out.float64Field(value);
  return true;
}

export function writeInt64(cells: Cells, at: number, out: CopyBuffer): boolean {
  const value = cells.numbers[at]!;
  if (cells.kinds[at] !== CellKind.integer || !Number.isSafeInteger(value)) return false;
  out.int64Field(value);
  return true;
}

export function writeInt32(cells: Cells, at: number, out: CopyBuffer): boolean {
  const value = cells.numbers[at]!;
  if (cells.kinds[at] !== CellKind.integer || value !== (value | 0)) return false;
  out.int32(4);
  out.int32(value);
  return true;
}

const WORD = 4;
/** Bytes of a text that is remembered. */
const LONGEST = 64;

/** The text of the row before: neighbours often have the same, so what was made of it can be used again. */
export class LastText {
  readonly #view = new DataView(new ArrayBuffer(LONGEST));
  #size = -1;

  isIn(cells: Cells, at: number): boolean {
    const size = this.#size;
    if (cells.sizes[at] !== size) return false;
    const { view } = cells;
    const known = this.#view;
    const start = cells.starts[at]!;
    if (size < WORD) {
      for (let i = 0; i < size; i++) if (view.getUint8(start + i) !== known.getUint8(i)) return false;
      return true;
    }
    // Neighbours that differ do so at their ends; the last word may overlap the one before it.
    if (view.getInt32(start + size - WORD) !== known.getInt32(size - WORD)) return false;
    for (let i = 0; i < size - WORD; i += WORD) {
      if (view.getInt32(start + i) !== known.getInt32(i)) return false;
    }
    return true;
  }

  /** Remembers the text, unless it is long, and says what it is. */
  take(cells: Cells, at: number): string {
    const start = cells.starts[at]!;
    const size = cells.sizes[at]!;
    this.#size = size <= LONGEST ? size : -1;
    const known = this.#view;
    for (let i = 0; i < this.#size; i++) known.setUint8(i, cells.view.getUint8(start + i));
    return cells.bytes.toString('utf8', start, start + size);
  }
}

/** Microseconds since 2000 of `YYYY-MM-DD HH:MM:SS[.f{1,6}]`; NaN for anything else. */
export function naiveUtcReader(): (cells: Cells, at: number) => number {
  const read = naiveTimes();
  return (cells, at) => {
    if (cells.kinds[at] !== CellKind.text) return Number.NaN;
    const micros = read(cells, cells.starts[at]!, cells.sizes[at]!);
    return typeof micros === 'number' ? micros : Number.NaN;
  };
}

/** `YYYY-MM-DD HH:MM:SS[.f{1,6}]` as microseconds since 2000. */
export function writeNaiveUtc(): (cells: Cells, at: number, out: CopyBuffer) => boolean {
  const read = naiveUtcReader();
  return (cells, at, out) => {
    const micros = read(cells, at);
    if (Number.isNaN(micros)) return false;
    out.int64Field(micros);
    return true;
  };
}
