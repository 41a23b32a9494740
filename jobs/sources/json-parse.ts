import { findIssues, type JsonIssue, JsonNumber, JsonObject, type JsonValue } from './json-value.ts';

export const MAX_DEPTH = 512;

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
  return new Parser(buffer, options.maxDepth ?? MAX_DEPTH).document();
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

/**
 * Slices of a string at least this long would keep the whole record's text in memory for as long as somebody keeps the
 * slice (V8's SlicedString::kMinLength); shorter ones are copies.
 */
const SLICE_KEEPS_PARENT = 13;

class Parser {
  private readonly end: number;
  /** The bytes as Latin-1, so that a place in the text is a place in the bytes. */
  private readonly text: string;
  private at = 0;
  /** Set where a value needs an issue; the paths are worked out only then. */
  private suspicious = false;

  constructor(
    private readonly bytes: Buffer,
    private readonly maxDepth: number,
  ) {
    this.end = bytes.length;
    this.text = bytes.toString('latin1');
  }

  document(): ParsedJson {
    this.skipBlanks();
    const value = this.value(0);
    this.skipBlanks();
    if (this.at < this.end) this.fail('the end of the document');
    return { value, issues: this.suspicious ? findIssues(value) : [] };
  }

  private value(depth: number): JsonValue {
    switch (this.bytes[this.at]) {
      case 0x22: // "
        return this.string();
      case 0x7b: // {
        return this.object(depth + 1);
      case 0x5b: // [
        return this.array(depth + 1);
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

  private object(depth: number): JsonObject {
    this.enter(depth);
    const { bytes } = this;
    const object = new JsonObject();
    if (bytes[this.at] === 0x7d) {
      this.at++;
      return object;
    }
    let allowed = 'a key or "}"';
    for (;;) {
      if (bytes[this.at] !== 0x22) this.fail(allowed);
      const key = this.string();
      this.skipBlanks();
      if (bytes[this.at] !== 0x3a) this.fail('":"');
      this.at++;
      this.skipBlanks();
      object.add(key, this.value(depth));
      this.skipBlanks();
      const c = bytes[this.at];
      if (c !== 0x2c && c !== 0x7d) this.fail('"," or "}"');
      this.at++;
      if (c === 0x7d) break;
      this.skipBlanks();
      allowed = 'a key';
    }
    if (object.overridden !== undefined) this.suspicious = true;
    return object;
  }

  private array(depth: number): JsonValue[] {
    this.enter(depth);
    const { bytes } = this;
    const array: JsonValue[] = [];
    if (bytes[this.at] === 0x5d) {
      this.at++;
      return array;
    }
    for (;;) {
      array.push(this.value(depth));
      this.skipBlanks();
      const c = bytes[this.at];
      if (c !== 0x2c && c !== 0x5d) this.fail('"," or "]"');
      this.at++;
      if (c === 0x5d) return array;
      this.skipBlanks();
    }
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
    while (at < end) {
      const c = bytes[at]!;
      if (c === 0x22 || c === 0x5c || c < 0x20) break;
      bits |= c;
      at++;
    }
    if (bytes[at] !== 0x22) return this.escapedString(start, at);
    this.at = at + 1;
    return bits < 0x80 ? this.slice(start, at) : this.decode(start, at);
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
    return new JsonNumber(this.slice(start, this.at));
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

  /** ASCII only. */
  private slice(start: number, end: number): string {
    if (end - start < SLICE_KEEPS_PARENT) return this.text.substring(start, end);
    return this.bytes.toString('latin1', start, end);
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
    const { line, column } = advancePosition(bytes.subarray(0, at), { line: 1, column: 1 });
    throw new JsonSyntaxError(expected, describeByte(bytes, at), at, line, column);
  }
}
