import { isUtf8 } from 'node:buffer';
import { CellKind, type Cells } from './source.ts';

const QUOTE = 0x22;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

const BLANK = table((byte) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09);
/** What ends the run of plain characters in a string: a quote, a backslash, a control character. */
const ENDS_PLAIN = table((byte) => byte < 0x20 || byte === QUOTE || byte === 0x5c);
/** What has a meaning between the brackets of a container, and NUL, which ends the bytes that are there. */
const MARKS = table((byte) => byte === 0 || byte === QUOTE || isBracket(byte));

/** Powers of ten that a double holds exactly; a quotient of two exact doubles is the nearest one to the decimal. */
const POWERS = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));
/** As many digits make an integer that a double holds exactly, whatever they are. */
const EXACT_DIGITS = 15;

/**
 * The members of one object of a JSON file as cells, found in one walk along its bytes. Only what every reader of JSON
 * understands alike goes this way: each member once and under a known name, strings without escapes, numbers, booleans,
 * containers, in valid UTF-8 and by the grammar. Containers are walked by their brackets and strings alone: what reads
 * such a cell has to check the rest.
 */
export class JsonCells implements Cells {
  bytes: Buffer = Buffer.alloc(0);
  readonly kinds: Uint8Array;
  readonly numbers: Float64Array;
  readonly starts: Uint32Array;
  readonly sizes: Uint32Array;
  /** The names as they are written, with their quotes, one after the other; empty for one that has several spellings. */
  readonly #names: Uint8Array;
  readonly #ends: Int32Array;
  /** Which column followed another one last, 0 standing for the beginning: the next record mostly has the same order. */
  readonly #next: Int32Array;
  /** Behind the value that was walked last. */
  #at = 0;

  /** @param columns names of the members */
  constructor(readonly columns: readonly string[]) {
    const { length } = columns;
    this.kinds = new Uint8Array(length);
    this.numbers = new Float64Array(length);
    this.starts = new Uint32Array(length);
    this.sizes = new Uint32Array(length);
    const names = columns
      .map((name) => JSON.stringify(name))
      .map((name) => (name.includes('\\') ? '' : name));
    this.#names = Buffer.from(names.join(''));
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
    this.bytes = bytes;
    const { kinds } = this;
    const next = this.#next;
    for (let i = 0; i < kinds.length; i++) kinds[i] = CellKind.null;
    let at = start + 1;
    let last = 0;
    for (;;) {
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
      if (!this.#value(bytes, at, column)) return -1;
      at = this.#at;
      while (BLANK[bytes[at]!] === 1) at++;
      const c = bytes[at++];
      if (c === CLOSE_OBJECT) return at;
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
    if (c === OPEN_OBJECT || c === 0x5b) return this.#container(bytes, start, column);
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
      if (scale > 0) value /= POWERS[scale]!;
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
  return either === 0x7b || either === 0x7d;
}

function table(has: (byte: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (has(byte) ? 1 : 0));
}
