import { ENDS_PLAIN, endsPlain } from './json-bytes.ts';
import { KnownTexts, LONGEST_KNOWN } from './json-texts.ts';
import { findIssues, type JsonIssue, JsonNumber, JsonObject, type JsonValue } from './json-value.ts';

export const MAX_DEPTH = 512;

const NO_ISSUES: JsonIssue[] = [];

export interface ParsedJson {
  value: JsonValue;
  /** What is legal here and may not be elsewhere; mostly empty. */
  issues: JsonIssue[];
}

/** The bytes break the grammar. All positions are relative to the first byte that the parser was given. */
export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError';

  /**
   * @param expected what the grammar allows at this place
   * @param found what stands there instead
   * @param offset in bytes, from 0; equal to the length where the document ends too early
   * @param line from 1
   * @param column in characters, from 1
   */
  constructor(
    readonly expected: string,
    readonly found: string,
    readonly offset: number,
    readonly line: number,
    readonly column: number,
  ) {
    super(`line ${line}, column ${column} (byte ${offset}): expected ${expected}, found ${found}`);
  }
}

/**
 * Reads one JSON document by RFC 8259, UTF-8 only, plus the tokens `NaN`, `Infinity` and `-Infinity`. A byte order mark
 * is an error here; at the start of a file the stream reader skips it.
 *
 * @param options.maxDepth how many arrays and objects may be open at once; 512 unless told
 * @throws JsonSyntaxError
 */
export function parseJson(bytes: Uint8Array, options: { maxDepth?: number } = {}): ParsedJson {
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return parser.parse(buffer, 0, buffer.length, options.maxDepth ?? MAX_DEPTH);
}

/** The same for a document that lies in a larger block; positions of errors count from its first byte. */
export function parseJsonIn(block: Buffer, start: number, end: number): ParsedJson {
  return parser.parse(block, start, end, MAX_DEPTH);
}

export interface Position {
  /** From 1; a line ends with a line feed. */
  line: number;
  /** In characters, from 1. */
  column: number;
}

/** The position after `bytes`, which start at the given one. */
export function advancePosition(bytes: Uint8Array, { line, column }: Position): Position {
  for (const c of bytes) {
    if (c === 0x0a) {
      line++;
      column = 1;
    } else if ((c & 0xc0) !== 0x80) column++;
  }
  return { line, column };
}

/** Blank by the JSON grammar: space, line feed, carriage return, tab. */
export function isBlank(byte: number): boolean {
  return byte <= 0x20 && (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09);
}

/** What stands at byte `at`, for messages. */
export function describeByte(bytes: Buffer, at: number): string {
  if (at >= bytes.length) return 'the end of the data';
  const [character = ''] = bytes.toString('utf8', at, at + 4);
  if (/^[\p{L}\p{N}\p{P}\p{S}]$/u.test(character) && character !== '\ufffd') return `"${character}"`;
  return `byte 0x${bytes[at]!.toString(16).padStart(2, '0')}`;
}

/** An array that begins with so many elements and then a number has many of them. */
const MANY = 16;

/** Bytes of numbers that are decoded at once. */
const RUN = 4096;

/** From here on a string is looked through four bytes at a time. */
const LONG = 64;

/** The keys of the objects that were read last at one place: the next one there mostly has the same. */
interface Shape {
  readonly keys: readonly string[];
  /** The keys as they were written, with their quotes, one after the other. */
  readonly bytes: Uint8Array;
  readonly ends: readonly number[];
  /** Objects in a row that were none of this shape. */
  misses: number;
}

/** Places for shapes; a place follows from the members on the way from the root, and some share one. */
const SHAPES = 256;
const LARGEST_SHAPE = 64;
const NO_DOCUMENT = Buffer.alloc(0);

class Parser {
  private bytes: Buffer = NO_DOCUMENT;
  private start = 0;
  private end = 0;
  private at = 0;
  private maxDepth = MAX_DEPTH;
  /** Set where a value needs an issue; the paths are worked out only then. */
  private suspicious = false;
  /** Whether the array that is read has many numbers: seldom is one there twice, and to decode each costs more than to read it. */
  private inNumbers = false;
  /** Bytes of the document that were decoded at once, and where they stand. */
  private run = '';
  private runStart = 0;
  private runEnd = 0;
  private readonly known = new KnownTexts();
  private readonly shapes: (Shape | undefined)[] = new Array(SHAPES).fill(undefined);

  parse(bytes: Buffer, start: number, end: number, maxDepth: number): ParsedJson {
    this.bytes = bytes;
    this.start = start;
    this.at = start;
    this.end = end;
    this.maxDepth = maxDepth;
    this.suspicious = false;
    this.inNumbers = false;
    this.runEnd = 0;
    try {
      this.skipBlanks();
      const value = this.value(0, 0);
      this.skipBlanks();
      if (this.at !== end) this.fail('the end of the document');
      return { value, issues: this.suspicious ? findIssues(value) : NO_ISSUES };
    } catch (error) {
      // What stands behind the document is no part of it, so that an error is that of the document alone.
      if (end < bytes.length && error instanceof JsonSyntaxError) {
        return this.parse(bytes.subarray(start, end), 0, end - start, maxDepth);
      }
      throw error;
    } finally {
      this.bytes = NO_DOCUMENT;
    }
  }

  /** @param place of the shape that an object here will have */
  private value(depth: number, place: number): JsonValue {
    switch (this.bytes[this.at]) {
      case 0x22: // "
        return this.string();
      case 0x7b: // {
        return this.object(depth + 1, place);
      case 0x5b: // [
        return this.array(depth + 1, place);
      case 0x74:
        return this.word('true', true);
      case 0x66:
        return this.word('false', false);
      case 0x6e:
        return this.word('null', null);
      case 0x4e:
        return this.nonFinite('NaN');
      case 0x49:
        return this.nonFinite('Infinity');
      default:
        return this.number();
    }
  }

  /** An object; as long as its keys are those of the last one here, byte for byte, none is decoded or looked up. */
  private object(depth: number, place: number): JsonObject {
    this.enter(depth);
    const { bytes } = this;
    if (bytes[this.at] === 0x7d) {
      this.at++;
      return new JsonObject();
    }
    const shape = this.shapes[place & (SHAPES - 1)];
    if (shape === undefined) return this.otherObject(depth, place, new JsonObject());
    const { keys } = shape;
    const values: JsonValue[] = [];
    for (let i = 0; i < keys.length; i++) {
      if (!this.isKey(shape, i)) {
        const members = new JsonObject(undefined, keys.slice(0, i), values);
        return this.otherObject(depth, place, members);
      }
      values.push(this.member(depth, place, i));
      if (this.endsObject()) {
        if (i + 1 < keys.length) return new JsonObject(undefined, keys.slice(0, i + 1), values);
        shape.misses = 0;
        return new JsonObject(undefined, keys, values);
      }
    }
    return this.otherObject(depth, place, new JsonObject(undefined, keys, values));
  }

  /** The rest of an object, from a key on; the members before it are there already. */
  private otherObject(depth: number, place: number, object: JsonObject): JsonObject {
    const { bytes } = this;
    let allowed = object.size === 0 ? 'a key or "}"' : 'a key';
    do {
      if (bytes[this.at] !== 0x22) this.fail(allowed);
      const key = this.string();
      object.add(key, this.member(depth, place, object.size));
      allowed = 'a key';
    } while (!this.endsObject());
    if (object.overridden !== undefined) this.suspicious = true;
    else this.learn(place, object.keys);
    return object;
  }

  /** From behind a key to behind its value. */
  private member(depth: number, place: number, i: number): JsonValue {
    if (this.bytes[this.at] !== 0x3a) {
      this.skipBlanks();
      if (this.bytes[this.at] !== 0x3a) this.fail('":"');
    }
    this.at++;
    this.skipBlanks();
    const value = this.value(depth, Math.imul(place, 31) + i + 1);
    this.skipBlanks();
    return value;
  }

  private endsObject(): boolean {
    const c = this.bytes[this.at];
    if (c !== 0x2c && c !== 0x7d) this.fail('"," or "}"');
    this.at++;
    if (c === 0x7d) return true;
    this.skipBlanks();
    return false;
  }

  /** Whether the shape's key `i` stands here; if so, goes behind it. */
  private isKey(shape: Shape, i: number): boolean {
    const { bytes } = this;
    const expected = shape.bytes;
    const end = shape.ends[i]!;
    let at = this.at;
    for (let of = i === 0 ? 0 : shape.ends[i - 1]!; of < end; of++, at++) {
      if (bytes[at] !== expected[of]) return false;
    }
    this.at = at;
    return true;
  }

  /** Keeps the keys for the next object at that place; instead of others only when those have failed twice in a row. */
  private learn(place: number, keys: readonly string[]): void {
    const last = this.shapes[place & (SHAPES - 1)];
    if (keys.length > LARGEST_SHAPE || (last !== undefined && last.misses++ === 0)) return;
    const texts = keys.map((key) => JSON.stringify(key));
    // A key with an escape may need an issue, and can be written in other ways.
    if (texts.some((text) => text.includes('\\'))) return;
    const written = texts.map((text) => Buffer.from(text));
    let end = 0;
    this.shapes[place & (SHAPES - 1)] = {
      // As names of properties V8 knows them by their address, so that a look-up compares nothing else.
      keys: keys.map((key) => Object.keys({ [key]: 0 })[0]!),
      bytes: Buffer.concat(written),
      ends: written.map(({ length }) => (end += length)),
      misses: 0,
    };
  }

  private array(depth: number, place: number): JsonValue[] {
    this.enter(depth);
    const { bytes } = this;
    const array: JsonValue[] = [];
    if (bytes[this.at] === 0x5d) {
      this.at++;
      return array;
    }
    const inNumbers = this.inNumbers;
    for (;;) {
      const value = this.value(depth, place);
      if (array.push(value) === MANY && value instanceof JsonNumber) this.inNumbers = true;
      this.skipBlanks();
      const c = bytes[this.at];
      if (c !== 0x2c && c !== 0x5d) this.fail('"," or "]"');
      this.at++;
      if (c === 0x5d) break;
      this.skipBlanks();
    }
    this.inNumbers = inNumbers;
    return array;
  }

  private enter(depth: number): void {
    if (depth > this.maxDepth) this.fail(`at most ${this.maxDepth} levels of nesting`);
    this.at++;
    this.skipBlanks();
  }

  private string(): string {
    const { bytes, end } = this;
    const start = this.at + 1;
    let at = start;
    let bits = 0;
    const long = start + LONG;
    while (at < end) {
      const c = bytes[at]!;
      if (ENDS_PLAIN[c] === 1) break;
      bits |= c;
      at++;
      if (at === long) {
        this.at = at;
        bits |= this.skipPlain();
        at = this.at;
      }
    }
    if (at >= end || bytes[at] !== 0x22) return this.escapedString(start, at);
    this.at = at + 1;
    return at === start ? '' : this.text(start, at, bits < 0x80);
  }

  /** Goes on as long as four bytes at a time are plain. @returns all their bits together, in the lowest eight */
  private skipPlain(): number {
    const { bytes, end } = this;
    const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let { at } = this;
    let bits = 0;
    for (; at + 4 <= end; at += 4) {
      const four = words.getInt32(at, true);
      if (endsPlain(four) !== 0) break;
      bits |= four;
    }
    this.at = at;
    return (bits | (bits >>> 8) | (bits >>> 16) | (bits >>> 24)) & 0xff;
  }

  /** The rest of a string from its first backslash on: checks the escapes here, and lets V8 replace them. */
  private escapedString(start: number, firstEscape: number): string {
    const { bytes, end } = this;
    this.at = firstEscape;
    while (this.at < end && bytes[this.at] !== 0x22) {
      const c = bytes[this.at]!;
      if (c < 0x20) this.fail('no control character in a string');
      if (c === 0x5c) this.escape();
      else this.at++;
    }
    if (this.at >= end) this.fail('the string\'s closing "\\""');
    this.at++;
    return JSON.parse(this.decode(start - 1, this.at)) as string;
  }

  private escape(): void {
    const { bytes } = this;
    switch (bytes[++this.at]) {
      case 0x22: // "
      case 0x5c: // \
      case 0x2f: // /
      case 0x62: // b
      case 0x66: // f
      case 0x6e: // n
      case 0x72: // r
      case 0x74: // t
        this.at++;
        return;
      case 0x75: {
        const code = this.codeUnit();
        if (code === 0) this.suspicious = true;
        if (code < 0xd800 || code > 0xdfff) return;
        if (code < 0xdc00 && bytes[this.at] === 0x5c && bytes[this.at + 1] === 0x75) {
          this.at++;
          const low = this.codeUnit();
          if (low >= 0xdc00 && low <= 0xdfff) return;
        }
        this.suspicious = true;
        return;
      }
      default:
        this.fail('one of "\\/bfnrtu after a backslash');
    }
  }

  /** Reads `uXXXX`. */
  private codeUnit(): number {
    let code = 0;
    for (let i = 0; i < 4; i++) {
      const c = this.bytes[++this.at]!;
      if (c >= 0x30 && c <= 0x39) code = code * 16 + c - 0x30;
      else if (c >= 0x61 && c <= 0x66) code = code * 16 + c - 0x57;
      else if (c >= 0x41 && c <= 0x46) code = code * 16 + c - 0x37;
      else this.fail('four hexadecimal digits after \\u');
    }
    this.at++;
    return code;
  }

  private number(): JsonNumber {
    const { bytes } = this;
    const start = this.at;
    const negative = bytes[start] === 0x2d;
    if (negative) {
      if (bytes[start + 1] === 0x49) return this.nonFinite('-Infinity');
      this.at++;
    }
    if (bytes[this.at] === 0x30) this.at++;
    else this.digits(negative ? 'a digit' : 'a value');
    if (bytes[this.at] === 0x2e) {
      this.at++;
      this.digits('a digit');
    }
    if ((bytes[this.at]! | 0x20) === 0x65) {
      const sign = bytes[++this.at];
      if (sign === 0x2b || sign === 0x2d) this.at++;
      this.digits('a digit');
    }
    return new JsonNumber(this.inNumbers ? this.runText(start, this.at) : this.text(start, this.at, true));
  }

  /** The text of a number among many others, cut out of a run of them that is decoded at once. */
  private runText(start: number, end: number): string {
    if (end > this.runEnd) {
      this.runStart = start;
      this.runEnd = Math.max(end, Math.min(start + RUN, this.end));
      this.run = this.bytes.toString('latin1', start, this.runEnd);
    }
    return this.run.slice(start - this.runStart, end - this.runStart);
  }

  private digits(expected: string): void {
    const { bytes } = this;
    let at = this.at;
    while (bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at++;
    if (at === this.at) this.fail(expected);
    this.at = at;
  }

  private nonFinite(token: string): JsonNumber {
    this.suspicious = true;
    return this.word(token, new JsonNumber(token));
  }

  private word<T>(token: string, value: T): T {
    for (let i = 0; i < token.length; i++) {
      if (this.bytes[this.at] !== token.charCodeAt(i)) this.fail(token);
      this.at++;
    }
    return value;
  }

  private skipBlanks(): void {
    const { bytes, end } = this;
    let at = this.at;
    while (at < end && isBlank(bytes[at]!)) at++;
    this.at = at;
  }

  /** What stands there, without escapes. */
  private text(start: number, end: number, isAscii: boolean): string {
    if (end - start > LONGEST_KNOWN) return this.decoded(start, end, isAscii);
    const { known, bytes } = this;
    const place = known.placeOf(bytes, start, end);
    const found = known.find(place, bytes, start, end);
    if (found !== undefined) return found;
    const text = this.decoded(start, end, isAscii);
    known.keep(place, bytes, start, end, text);
    return text;
  }

  private decoded(start: number, end: number, isAscii: boolean): string {
    return isAscii ? this.bytes.toString('latin1', start, end) : this.decode(start, end);
  }

  private decode(start: number, end: number): string {
    const text = this.bytes.toString('utf8', start, end);
    // The decoder puts U+FFFD in place of what is no UTF-8, but that character may also stand in the data itself.
    if (text.includes('\ufffd')) this.checkReplacements(text, start);
    return text;
  }

  private checkReplacements(text: string, start: number): void {
    const { bytes } = this;
    let at = start;
    for (const piece of text.split('\ufffd').slice(0, -1)) {
      at += Buffer.byteLength(piece);
      const genuine = bytes[at] === 0xef && bytes[at + 1] === 0xbf && bytes[at + 2] === 0xbd;
      if (!genuine) this.fail('valid UTF-8', at);
      at += 3;
    }
  }

  private fail(expected: string, at = this.at): never {
    const { bytes } = this;
    const { line, column } = advancePosition(bytes.subarray(this.start, at), { line: 1, column: 1 });
    throw new JsonSyntaxError(expected, describeByte(bytes, at), at - this.start, line, column);
  }
}

/** One for all documents: it keeps nothing between them but what makes the next one faster. */
const parser = new Parser();
