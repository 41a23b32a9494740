import {
  BACKSLASH,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
} from '../sources/json-bytes.ts';
import type { LeftOut } from '../sources/left-out.ts';
import { CellKind, type Cells } from '../sources/source.ts';
import type { CopyBuffer } from './copy-buffer.ts';
import { JSONB_VERSION } from './pg-types.ts';

/** Documents that are nested deeper, or have objects with more members, take the long way. */
const MAX_DEPTH = 16;
const MOST_MEMBERS = 64;
/** Places for shapes, which follow from the members on the way from the root, and shapes that each of them knows. */
const PLACES = 64;
const SHAPES = 4;

const AT_SIGN = 0x40;

/** Names of an object's members, in the order in which they stand, and what follows from them. */
interface Shape {
  readonly names: readonly string[];
  /** The names as they are written, with their quotes, one after the other. */
  readonly written: Uint8Array;
  readonly ends: readonly number[];
  /** The members' places in the order in which jsonb stores them, and what is written before each value. */
  readonly order: readonly number[];
  readonly before: readonly Uint8Array[];
  /** Whether a name is there twice, or is one of a member that may have to be left out. */
  readonly isUnusual: boolean;
}

/**
 * Writes JSON text as the canonical text of jsonb, see `encodeJsonb`, from bytes to bytes. It answers false, with whatever it
 * wrote to be taken back, for a document that the long way may treat otherwise: with an escape, a number in another form
 * than PostgreSQL's, a member that may be left out, a name that is there twice, or a fault.
 */
export class JsonbLane {
  readonly #shapes: Shape[][] = Array.from({ length: PLACES }, () => []);
  /** Of the members of all objects that are open: where name and value begin and end. */
  readonly #members = new Int32Array(4 * MOST_MEMBERS * MAX_DEPTH);
  #top = 0;
  #bytes: Uint8Array = this.#members as never;
  #at = 0;
  #out: Uint8Array = this.#members as never;
  #to = 0;

  constructor(private readonly leftOut: LeftOut) {}

  /** Writes a cell as a jsonb field. */
  readonly write = (cells: Cells, at: number, out: CopyBuffer): boolean => {
    const kind = cells.kinds[at]!;
    const isString = kind === CellKind.string;
    // A string's cell begins behind its quote.
    const start = cells.starts[at]! - (isString ? 1 : 0);
    const size = cells.sizes[at]! + (isString ? 2 : 0);
    // A blank is added behind each comma and colon at most.
    out.reserve(5 + 2 * size);
    const begin = out.length;
    this.#bytes = cells.bytes;
    this.#at = start;
    this.#out = out.bytes;
    this.#to = begin + 5;
    this.#top = 0;
    if (!this.#value(0, 0) || this.#at !== start + size) return false;
    out.int32(this.#to - begin - 4);
    this.#out[begin + 4] = JSONB_VERSION;
    out.length = this.#to;
    return true;
  };

  #value(depth: number, place: number): boolean {
    switch (this.#bytes[this.#at]) {
      case QUOTE:
        return this.#copied(this.#endOfString(this.#at));
      case OPEN_OBJECT:
        return this.#object(depth, place);
      case OPEN_ARRAY:
        return this.#array(depth, place);
      case 0x74:
        return this.#word(TRUE);
      case 0x66:
        return this.#word(FALSE);
      case 0x6e:
        return this.#word(NULL);
      default:
        return this.#copied(this.#endOfNumber(this.#at));
    }
  }

  #array(depth: number, place: number): boolean {
    if (depth === MAX_DEPTH) return false;
    this.#out[this.#to++] = OPEN_ARRAY;
    this.#at++;
    this.#skipBlanks();
    if (this.#bytes[this.#at] === CLOSE_ARRAY) return this.#close(CLOSE_ARRAY);
    for (;;) {
      if (!this.#value(depth + 1, place)) return false;
      this.#skipBlanks();
      const c = this.#bytes[this.#at];
      if (c === CLOSE_ARRAY) return this.#close(CLOSE_ARRAY);
      if (c !== COMMA) return false;
      this.#at++;
      this.#skipBlanks();
      this.#out[this.#to++] = COMMA;
      this.#out[this.#to++] = 0x20;
    }
  }

  #close(bracket: number): true {
    this.#at++;
    this.#out[this.#to++] = bracket;
    return true;
  }

  /** Finds the members first, then writes them in the order of jsonb. */
  #object(depth: number, place: number): boolean {
    if (depth === MAX_DEPTH) return false;
    const base = this.#top;
    if (!this.#findMembers(base)) return false;
    const end = this.#at;
    const members = this.#members;
    this.#out[this.#to++] = OPEN_OBJECT;
    if (this.#top > base) {
      const shape = this.#shapeOf(base, place & (PLACES - 1));
      if (shape === undefined || shape.isUnusual) return false;
      const { order, before, names } = shape;
      for (let i = 0; i < order.length; i++) {
        const member = order[i]!;
        const start = members[base + 4 * member + 2]!;
        this.#copy(before[i]!, 0, before[i]!.length);
        this.#at = start;
        if (!this.#value(depth + 1, Math.imul(place, 31) + member + 1)) return false;
        if (this.#at !== members[base + 4 * member + 3]) return false;
        if (this.#bytes[start] === QUOTE && this.#mayBeLeftOut(names[member]!, start, this.#at)) return false;
      }
    }
    this.#top = base;
    this.#at = end;
    this.#out[this.#to++] = CLOSE_OBJECT;
    return true;
  }

  /** From an object's bracket to behind its end. */
  #findMembers(base: number): boolean {
    const bytes = this.#bytes;
    const members = this.#members;
    this.#at++;
    this.#skipBlanks();
    if (bytes[this.#at] === CLOSE_OBJECT) {
      this.#at++;
      return true;
    }
    let top = base;
    for (;;) {
      if (top === base + 4 * MOST_MEMBERS || bytes[this.#at] !== QUOTE) return false;
      const name = this.#at;
      members[top] = name;
      this.#at = this.#endOfString(name);
      if (this.#at < 0) return false;
      members[top + 1] = this.#at;
      this.#skipBlanks();
      if (bytes[this.#at] !== COLON) return false;
      this.#at++;
      this.#skipBlanks();
      members[top + 2] = this.#at;
      this.#at = this.#endOfValue(this.#at);
      if (this.#at < 0) return false;
      members[top + 3] = this.#at;
      top += 4;
      this.#skipBlanks();
      const c = bytes[this.#at++];
      if (c === CLOSE_OBJECT) break;
      if (c !== COMMA) return false;
      this.#skipBlanks();
    }
    this.#top = top;
    return true;
  }

  #shapeOf(base: number, place: number): Shape | undefined {
    const shapes = this.#shapes[place]!;
    for (const shape of shapes) if (this.#is(shape, base)) return shape;
    const names: Buffer[] = [];
    for (let at = base; at < this.#top; at += 4) {
      names.push(Buffer.from(this.#bytes.subarray(this.#members[at], this.#members[at + 1])));
    }
    const shape = shapeOf(names, this.leftOut);
    shapes.unshift(shape);
    if (shapes.length > SHAPES) shapes.pop();
    return shape;
  }

  #is({ written, ends }: Shape, base: number): boolean {
    const bytes = this.#bytes;
    const members = this.#members;
    if (this.#top - base !== 4 * ends.length) return false;
    for (let i = 0, of = 0; i < ends.length; i++) {
      let at = members[base + 4 * i]!;
      const end = ends[i]!;
      if (members[base + 4 * i + 1]! - at !== end - of) return false;
      for (; of < end; of++, at++) if (bytes[at] !== written[of]) return false;
    }
    return true;
  }

  /** A text may be a credential by what it is, whatever its name; those that may have a certain sign in them. */
  #mayBeLeftOut(name: string, start: number, end: number): boolean {
    for (let at = start; at < end; at++) {
      if (this.#bytes[at] !== AT_SIGN) continue;
      const text = Buffer.from(this.#bytes.subarray(start + 1, end - 1)).toString();
      return this.leftOut.has(name, text);
    }
    return false;
  }

  /** Behind a string without escapes; -1 for any other. */
  #endOfString(start: number): number {
    const bytes = this.#bytes;
    let at = start + 1;
    for (;;) {
      const c = bytes[at]!;
      if (c === QUOTE) return at + 1;
      if (!(c >= 0x20) || c === BACKSLASH) return -1;
      at++;
    }
  }

  /** Behind a number that PostgreSQL prints as it stands here; -1 for any other. */
  #endOfNumber(start: number): number {
    const bytes = this.#bytes;
    const first = bytes[start] === 0x2d ? start + 1 : start;
    let at = first;
    /** As long as they are zeros only, this has no other bits than they have. */
    let bits = 0x30;
    for (; isDigit(bytes[at]!); at++) bits |= bytes[at]!;
    if (at === first || (bytes[first] === 0x30 && at > first + 1)) return -1;
    if (bytes[at] === 0x2e) {
      const point = at++;
      for (; isDigit(bytes[at]!); at++) bits |= bytes[at]!;
      if (at === point + 1) return -1;
    }
    // PostgreSQL has no minus before a zero.
    if (first > start && bits === 0x30) return -1;
    return (bytes[at]! | 0x20) === 0x65 || at - start > MOST_DIGITS ? -1 : at;
  }

  /** Behind a value; of a container only the brackets count here. */
  #endOfValue(start: number): number {
    const bytes = this.#bytes;
    const first = bytes[start]!;
    if (first === QUOTE) return this.#endOfString(start);
    let at = start;
    if (first !== OPEN_OBJECT && first !== OPEN_ARRAY) {
      while (bytes[at]! > 0x20 && bytes[at] !== COMMA && bytes[at] !== CLOSE_OBJECT) at++;
      return at;
    }
    let depth = 0;
    do {
      const c = bytes[at]!;
      if (c === QUOTE) {
        at = this.#endOfString(at);
        if (at < 0) return -1;
        continue;
      }
      if (c === OPEN_OBJECT || c === OPEN_ARRAY) depth++;
      else if (c === CLOSE_OBJECT || c === CLOSE_ARRAY) depth--;
      else if (!(c > 0)) return -1;
      at++;
    } while (depth > 0);
    return at;
  }

  #word(word: Uint8Array): boolean {
    for (let i = 0; i < word.length; i++) if (this.#bytes[this.#at + i] !== word[i]) return false;
    return this.#copied(this.#at + word.length);
  }

  /** Copies what stands here up to `end`; false where that is no place. */
  #copied(end: number): boolean {
    if (end < 0) return false;
    this.#copy(this.#bytes, this.#at, end);
    this.#at = end;
    return true;
  }

  #copy(bytes: Uint8Array, start: number, end: number): void {
    const out = this.#out;
    let to = this.#to;
    for (let at = start; at < end; at++) out[to++] = bytes[at]!;
    this.#to = to;
  }

  #skipBlanks(): void {
    const bytes = this.#bytes;
    let at = this.#at;
    for (;;) {
      const c = bytes[at]!;
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) break;
      at++;
    }
    this.#at = at;
  }
}

/** A longer number may be outside of what `numeric` holds. */
const MOST_DIGITS = 1000;

const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');

const isDigit = (byte: number) => byte >= 0x30 && byte <= 0x39;

function shapeOf(written: readonly Buffer[], leftOut: LeftOut): Shape {
  const names = written.map((name) => name.toString('utf8', 1, name.length - 1));
  const order = written.map((_, i) => i);
  order.sort((i, j) => written[i]!.length - written[j]!.length || Buffer.compare(written[i]!, written[j]!));
  let end = 0;
  return {
    names,
    written: Buffer.concat(written),
    ends: written.map(({ length }) => (end += length)),
    order,
    before: order.map((i, at) =>
      Buffer.concat([Buffer.from(at > 0 ? ', ' : ''), written[i]!, Buffer.from(': ')]),
    ),
    isUnusual:
      new Set(names).size < names.length ||
      names.some((name) => leftOut.has(name, 'a text') || leftOut.has(name, [])),
  };
}
