import { isUtf8 } from 'node:buffer';
import { POWERS_OF_TEN } from '../engine/float-array.ts';
import { CellArrays } from './cell-arrays.ts';
import {
  CLOSE_OBJECT,
  COLON,
  COMMA,
  ENDS_PLAIN,
  endsPlain,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
} from './json-bytes.ts';
import { CellKind } from './source.ts';

const BLANK = table((byte) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09);
/** What has a meaning between the brackets of a container, and NUL, which ends the bytes that are there. */
const MARKS = table((byte) => byte === 0 || byte === QUOTE || isBracket(byte));

/** As many digits make an integer that a double holds exactly, whatever they are. */
const EXACT_DIGITS = 15;

/** What an object's text is but for its values. */
interface Shape {
  /** Of the members, in the order in which they stand. */
  readonly columns: Int32Array;
  /** Bytes from the end of the value before to the value, name and blanks included. */
  readonly gaps: Int32Array;
  /** These bytes as words of four with the lowest byte first, the last one of a gap ending where that does. */
  readonly words: Int32Array;
  /** What stands behind the last value. */
  readonly closing: Uint8Array;
}

const NO_SHAPE: Shape = {
  columns: new Int32Array(0),
  gaps: new Int32Array(0),
  words: new Int32Array(0),
  closing: new Uint8Array(0),
};

/** @param members column, begin and end of the value of each */
function shapeOf(bytes: Buffer, start: number, end: number, members: Int32Array): Shape {
  const columns: number[] = [];
  const gaps: number[] = [];
  const words: number[] = [];
  let at = start;
  for (let i = 0; i < members.length; i += 3) {
    const value = members[i + 1]!;
    columns.push(members[i]!);
    gaps.push(value - at);
    // A name has two quotes, a bracket or a comma before it, and a colon behind it: more than a word.
    for (; at < value; at += 4) words.push(bytes.readInt32LE(Math.min(at, value - 4)));
    at = members[i + 2]!;
  }
  return {
    columns: Int32Array.from(columns),
    gaps: Int32Array.from(gaps),
    words: Int32Array.from(words),
    closing: Uint8Array.from(bytes.subarray(at, end)),
  };
}

/**
 * The members of one object of a JSON file as cells, found in one walk along its bytes. Only what every reader of JSON
 * understands alike goes this way: each member once and under a known name, strings without escapes, numbers, booleans,
 * containers, in valid UTF-8 and by the grammar. Containers are walked by their brackets and strings alone: what reads
 * such a cell has to check the rest.
 */
export class JsonCells extends CellArrays {
  /** The names as they are written, with their quotes, one after the other; empty for one that has several spellings. */
  readonly #names: Uint8Array;
  readonly #ends: Int32Array;
  /** Which column followed another one last, 0 standing for the beginning: the next record mostly has the same order. */
  readonly #next: Int32Array;
  #shape = NO_SHAPE;
  /** Objects in a row that were none of that shape; one more at the beginning. */
  #misses = 1;
  /** Of each member of an object: its column, and where its value begins and ends. */
  readonly #seen: Int32Array;
  /** Behind the value that was walked last. */
  #at = 0;

  /** @param columns names of the members */
  constructor(readonly columns: readonly string[]) {
    const { length } = columns;
    super(length);
    const names = columns
      .map((name) => JSON.stringify(name))
      .map((name) => (name.includes('\\') ? '' : name));
    this.#names = Buffer.from(names.join(''));
    this.#seen = new Int32Array(3 * length);
    let end = 0;
    this.#ends = Int32Array.from([0, ...names.map((name) => (end += Buffer.byteLength(name)))]);
    this.#next = Int32Array.from({ length: length + 1 }, (_, i) => Math.min(i, length - 1));
  }

  /**
   * Walks along the object that begins at `start`.
   *
   * @param bytes somewhere behind the object stands a byte that JSON has not, for example NUL
   * @returns where the object ends; -1 when it is none or has anything unusual, and then the cells say nothing
   */
  read(bytes: Buffer, start: number): number {
    if (bytes[start] !== OPEN_OBJECT) return -1;
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    const end = this.#likeLast(bytes, start);
    return end < 0 ? this.#any(bytes, start) : end;
  }

  /** An object with the members and blanks of the last one: what stands between values is compared four bytes at a time. */
  #likeLast(bytes: Buffer, start: number): number {
    const { kinds, starts, sizes } = this;
    const view = this.view;
    const { columns, gaps, words, closing } = this.#shape;
    for (let i = 0; i < kinds.length; i++) kinds[i] = CellKind.null;
    if (closing.length === 0) return -1;
    const limit = bytes.length - 4;
    let at = start;
    let word = 0;
    for (let i = 0; i < columns.length; i++) {
      const last = at + gaps[i]! - 4;
      if (last > limit) return -1;
      for (; at < last; at += 4) if (view.getInt32(at, true) !== words[word++]) return -1;
      if (view.getInt32(last, true) !== words[word++]) return -1;
      at = last + 4;
      const column = columns[i]!;
      // A string is mostly as long as the last one there.
      const end = at + 1 + sizes[column]!;
      if (bytes[at] === QUOTE && bytes[end] === QUOTE && this.#isPlain(bytes, at + 1, end)) {
        kinds[column] = CellKind.string;
        starts[column] = at + 1;
        at = end + 1;
      } else {
        if (!this.#value(bytes, at, column)) return -1;
        at = this.#at;
      }
    }
    for (let i = 0; i < closing.length; i++, at++) if (bytes[at] !== closing[i]) return -1;
    this.#misses = 0;
    return at;
  }

  /** Whether there are only printable characters of ASCII without quote and backslash: four at a time, without a branch. */
  #isPlain(bytes: Buffer, start: number, end: number): boolean {
    if (end - start < 4) {
      for (let at = start; at < end; at++)
        if (ENDS_PLAIN[bytes[at]!] === 1 || bytes[at]! >= 0x80) return false;
      return true;
    }
    const view = this.view;
    const last = end - 4;
    let found = 0;
    for (let at = start; ; at += 4) {
      if (at > last) at = last;
      const four = view.getInt32(at, true);
      found |= (four & 0x80808080) | endsPlain(four);
      if (at === last) break;
    }
    return found === 0;
  }

  /** Any object whose members are known. */
  #any(bytes: Buffer, start: number): number {
    const { kinds } = this;
    const next = this.#next;
    const seen = this.#seen;
    for (let i = 0; i < kinds.length; i++) kinds[i] = CellKind.null;
    let at = start + 1;
    let last = 0;
    for (let n = 0; ; ) {
      while (BLANK[bytes[at]!] === 1) at++;
      let column = next[last]!;
      let end = this.#endOfName(column, bytes, at);
      if (end < 0) {
        column = this.#find(bytes, at);
        if (column < 0) return -1;
        next[last] = column;
        end = this.#endOfName(column, bytes, at);
      }
      at = end;
      while (BLANK[bytes[at]!] === 1) at++;
      if (bytes[at] !== COLON || kinds[column] !== CellKind.null) return -1;
      at++;
      while (BLANK[bytes[at]!] === 1) at++;
      seen[n++] = column;
      seen[n++] = at;
      if (!this.#value(bytes, at, column)) return -1;
      at = this.#at;
      seen[n++] = at;
      while (BLANK[bytes[at]!] === 1) at++;
      const c = bytes[at++];
      if (c === CLOSE_OBJECT) {
        // Instead of another shape only when that has failed twice in a row.
        if (this.#misses++ > 0) this.#shape = shapeOf(bytes, start, at, seen.subarray(0, n));
        return at;
      }
      if (c !== COMMA) return -1;
      last = column + 1;
    }
  }

  /** Behind the column's name, if it stands there; else -1. */
  #endOfName(column: number, bytes: Buffer, start: number): number {
    const names = this.#names;
    const end = this.#ends[column + 1]!;
    let of = this.#ends[column]!;
    if (of === end) return -1;
    let at = start;
    for (; of < end; of++, at++) if (bytes[at] !== names[of]) return -1;
    return at;
  }

  #find(bytes: Buffer, at: number): number {
    for (let column = 0; column < this.columns.length; column++) {
      if (this.#endOfName(column, bytes, at) >= 0) return column;
    }
    return -1;
  }

  #value(bytes: Buffer, start: number, column: number): boolean {
    const c = bytes[start]!;
    if (c === QUOTE) return this.#string(bytes, start + 1, column);
    if (c === OPEN_OBJECT || c === OPEN_ARRAY) return this.#container(bytes, start, column);
    if (c === 0x74) return this.#word(bytes, start, column, TRUE, 1);
    if (c === 0x66) return this.#word(bytes, start, column, FALSE, 0);
    return this.#number(bytes, start, column);
  }

  #string(bytes: Buffer, start: number, column: number): boolean {
    let at = start;
    let bits = 0;
    let c = bytes[at]!;
    while (ENDS_PLAIN[c] === 0) {
      bits |= c;
      c = bytes[++at]!;
    }
    if (c !== QUOTE || (bits >= 0x80 && !isUtf8(bytes.subarray(start, at)))) return false;
    this.#set(column, CellKind.string, start, at);
    this.#at = at + 1;
    return true;
  }

  #container(bytes: Buffer, start: number, column: number): boolean {
    let depth = 0;
    let bits = 0;
    let at = start;
    do {
      let c = bytes[at]!;
      while (MARKS[c] === 0) c = bytes[++at]!;
      if (c === 0) return false;
      at++;
      if (c === QUOTE) {
        c = bytes[at]!;
        while (ENDS_PLAIN[c] === 0) {
          bits |= c;
          c = bytes[++at]!;
        }
        if (c !== QUOTE) return false;
        at++;
      } else {
        // Of the four brackets' codes those of the opening ones have this bit.
        depth += (c & 2) !== 0 ? 1 : -1;
      }
    } while (depth > 0);
    if (bits >= 0x80 && !isUtf8(bytes.subarray(start, at))) return false;
    this.#set(column, CellKind.container, start, at);
    this.#at = at;
    return true;
  }

  #word(bytes: Buffer, start: number, column: number, word: Uint8Array, value: number): boolean {
    for (let i = 0; i < word.length; i++) if (bytes[start + i] !== word[i]) return false;
    this.numbers[column] = value;
    this.#at = start + word.length;
    this.#set(column, CellKind.boolean, start, this.#at);
    return true;
  }

  #number(bytes: Buffer, start: number, column: number): boolean {
    const negative = bytes[start] === 0x2d;
    const first = negative ? start + 1 : start;
    let at = first;
    let value = 0;
    let digit = bytes[at]! - 0x30;
    while (digit >= 0 && digit <= 9) {
      value = value * 10 + digit;
      digit = bytes[++at]! - 0x30;
    }
    let digits = at - first;
    if (digits === 0 || (digits > 1 && bytes[first] === 0x30)) return false;
    let kind: number = CellKind.integer;
    let scale = 0;
    if (bytes[at] === 0x2e) {
      kind = CellKind.real;
      const point = at;
      digit = bytes[++at]! - 0x30;
      while (digit >= 0 && digit <= 9) {
        value = value * 10 + digit;
        digit = bytes[++at]! - 0x30;
      }
      scale = at - point - 1;
      if (scale === 0) return false;
      digits += scale;
    }
    let hasPower = false;
    if ((bytes[at]! | 0x20) === 0x65) {
      kind = CellKind.real;
      hasPower = true;
      at++;
      if (bytes[at] === 0x2b || bytes[at] === 0x2d) at++;
      const power = at;
      digit = bytes[at]! - 0x30;
      while (digit >= 0 && digit <= 9) digit = bytes[++at]! - 0x30;
      if (at === power) return false;
    }
    if (digits > EXACT_DIGITS || hasPower) {
      value = Number(bytes.toString('latin1', start, at));
      // Beyond the range of a double, or nearer to zero than any: the contract tells them apart.
      if (value === 0 || !Number.isFinite(value)) return false;
      this.numbers[column] = value;
    } else {
      if (scale > 0) value /= POWERS_OF_TEN[scale]!;
      this.numbers[column] = negative ? -value : value;
    }
    this.#set(column, kind, start, at);
    this.#at = at;
    return true;
  }

  #set(column: number, kind: number, start: number, end: number): void {
    this.kinds[column] = kind;
    this.starts[column] = start;
    this.sizes[column] = end - start;
  }
}

const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');

function isBracket(byte: number): boolean {
  const either = byte | 0x20;
  return either === OPEN_OBJECT || either === CLOSE_OBJECT;
}

function table(has: (byte: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (has(byte) ? 1 : 0));
}
