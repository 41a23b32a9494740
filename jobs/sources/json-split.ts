import { CutoverError } from '../errors.ts';
import { damaged, parseAt } from './json-damage.ts';
import { isBlank, JsonSyntaxError, MAX_DEPTH, parseJson } from './json-parse.ts';
import { findKeyIssues, type JsonIssue } from './json-value.ts';

/** One element of the top-level array, or one member of the top-level object, not parsed yet. */
export class JsonRecord {
  /**
   * @param ordinal the place in the file's array or object, from 0
   * @param key the member's key; `undefined` in an array
   * @param keyIssues what there is to say about the key itself
   * @param offset where the value starts in the file, in bytes
   * @param block memory in which the value lies as it stands in the file; who keeps the record keeps all of it
   * @param start  @param end of the value in the block
   */
  constructor(
    readonly file: string,
    readonly ordinal: number,
    readonly key: string | undefined,
    readonly keyIssues: readonly JsonIssue[],
    readonly offset: number,
    readonly block: Buffer,
    readonly start: number,
    readonly end: number,
  ) {}

  /** The value's length in bytes. */
  get length(): number {
    return this.end - this.start;
  }

  /** The value as it stands in the file; a view of the block. */
  get bytes(): Buffer {
    return this.block.subarray(this.start, this.end);
  }
}

export type JsonShape = 'array' | 'object';

/** Where the splitter is: in one of the four kinds of token, or at a place between tokens. */
type State = 'in container' | 'in string' | 'in scalar' | 'in key' | Place;
type Place = 'start' | 'first' | 'next' | 'colon' | 'value' | 'after' | 'done';

/** What may stand at a place. */
const EXPECTED: Record<JsonShape, Record<Place, string>> = {
  array: {
    start: 'a top-level array, "["',
    first: 'a value or "]"',
    next: 'a value',
    colon: '":"',
    value: 'a value',
    after: '"," or "]"',
    done: 'the end of the file',
  },
  object: {
    start: 'a top-level object, "{"',
    first: 'a key or "}"',
    next: 'a key',
    colon: '":"',
    value: 'a value',
    after: '"," or "}"',
    done: 'the end of the file',
  },
};

/** What a byte outside of strings means for the end of a container. */
const PLAIN = 0;
const QUOTE = 1;
const OPENER = 2;
const CLOSER = 3;
const KINDS = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte === 0x22 ? QUOTE : isOpener(byte) ? OPENER : isCloser(byte) ? CLOSER : PLAIN,
);

const NO_ISSUES: readonly JsonIssue[] = [];

/** Cuts a top-level array or object into its records, from blocks that may end anywhere. */
export class JsonSplitter {
  private state: State = 'start';
  private readonly open: number;
  private readonly close: number;
  /** The current token's bytes from earlier blocks. */
  private pieces: Buffer[] = [];
  private pending = 0;
  /** Where the current token starts in the file. */
  private tokenOffset = 0;
  /** The closing brackets that the current container still needs, innermost last. */
  private readonly closers = new Uint8Array(MAX_DEPTH);
  private depth = 0;
  private inString = false;
  /** 1 when a block ended on a backslash, so that the next block's first byte belongs to the escape. */
  private escaped = 0;
  private ordinal = 0;
  private key: string | undefined;
  private keyIssues: readonly JsonIssue[] = NO_ISSUES;
  private records: JsonRecord[] = [];

  /**
   * @param offset where the first block starts in the file, in bytes
   */
  constructor(
    private readonly file: string,
    private readonly shape: JsonShape,
    private readonly maxRecordBytes: number,
    private offset: number,
  ) {
    this.open = shape === 'array' ? 0x5b : 0x7b;
    this.close = shape === 'array' ? 0x5d : 0x7d;
  }

  /** The records that have ended since the last call. */
  take(): JsonRecord[] {
    const { records } = this;
    this.records = [];
    return records;
  }

  /**
   * Takes the file's next block, which becomes part of the records: it must not be written to again.
   *
   * @throws CutoverError of kind `source`; the records before the damage can still be taken
   */
  push(block: Buffer): void {
    const end = block.length;
    let at = 0;
    /** Where the current token starts in this block. */
    let from = 0;
    while (at < end) {
      switch (this.state) {
        case 'in container':
          at = this.skipContainer(block, from, at);
          if (this.depth === 0) this.endRecord(block, from, at);
          break;
        case 'in string':
        case 'in key':
          at = this.skipString(block, at);
          if (this.inString) break;
          if (this.state === 'in key') this.endKey(block, from, at);
          else this.endRecord(block, from, at);
          break;
        case 'in scalar':
          while (at < end && !endsScalar(block[at]!)) at++;
          if (at < end) this.endRecord(block, from, at);
          break;
        default:
          if (isBlank(block[at]!)) at++;
          else {
            from = at;
            at = this.step(this.state, block[at]!, at);
          }
      }
    }
    if (this.inToken) {
      this.pieces.push(block.subarray(from));
      this.pending += end - from;
      if (this.pending > this.maxRecordBytes) this.refuseLength(Buffer.concat(this.pieces));
    }
    this.offset += end;
  }

  /** Says that the file has ended. */
  end(): void {
    if (this.state === 'done') return;
    if (this.inToken) parseAt(this.file, this.tokenOffset, Buffer.concat(this.pieces), this.where);
    const place = this.inToken ? 'after' : (this.state as Place);
    throw damaged(this.file, this.offset, EXPECTED[this.shape][place]);
  }

  private get inToken(): boolean {
    return this.state.startsWith('in ');
  }

  private get where(): string {
    return ` in record ${this.ordinal}`;
  }

  /** One byte between tokens, which is no blank; returns where to go on. */
  private step(place: Place, byte: number, at: number): number {
    switch (place) {
      case 'start':
        if (byte !== this.open) break;
        this.state = 'first';
        return at + 1;
      case 'colon':
        if (byte !== 0x3a) break;
        this.state = 'value';
        return at + 1;
      case 'after':
        if (byte !== this.close && byte !== 0x2c) break;
        this.state = byte === this.close ? 'done' : 'next';
        return at + 1;
      case 'first':
        if (byte !== this.close) return this.step('next', byte, at);
        this.state = 'done';
        return at + 1;
      case 'next':
        if (this.shape === 'array') return this.step('value', byte, at);
        if (byte !== 0x22) break;
        return this.startString('in key', at);
      case 'value':
        if (byte === 0x22) return this.startString('in string', at);
        if (byte === 0x2c || byte === 0x3a || isCloser(byte)) break;
        this.tokenOffset = this.offset + at;
        this.state = isOpener(byte) ? 'in container' : 'in scalar';
        return at;
    }
    // The state, not the place: after "[" more is allowed than after ",".
    throw damaged(this.file, this.offset + at, EXPECTED[this.shape][this.state as Place]);
  }

  private startString(state: 'in key' | 'in string', at: number): number {
    this.tokenOffset = this.offset + at;
    this.state = state;
    this.inString = true;
    return at + 1;
  }

  /** Goes to the end of the string or of the block. */
  private skipString(block: Buffer, start: number): number {
    const end = block.length;
    let at = start + this.escaped;
    while (at < end) {
      const c = block[at++]!;
      if (c === 0x22) {
        this.escaped = 0;
        this.inString = false;
        return at;
      }
      if (c === 0x5c) at++;
    }
    this.escaped = at - end;
    return end;
  }

  /** Goes to the end of the outermost bracket or of the block. */
  private skipContainer(block: Buffer, from: number, start: number): number {
    const end = block.length;
    const { closers } = this;
    let { depth } = this;
    let at = start;
    while (at < end) {
      if (this.inString) {
        at = this.skipString(block, at);
        continue;
      }
      let c = block[at++]!;
      let kind = KINDS[c]!;
      while (kind === PLAIN && at < end) {
        c = block[at++]!;
        kind = KINDS[c]!;
      }
      if (kind === QUOTE) this.inString = true;
      else if (kind === OPENER) {
        if (depth === closers.length) this.refuse(block, from, at);
        closers[depth++] = c + 2;
      } else if (kind === CLOSER) {
        if (closers[--depth] !== c) this.refuse(block, from, at);
        if (depth === 0) break;
      }
    }
    this.depth = depth;
    return at;
  }

  private endRecord(block: Buffer, from: number, to: number): void {
    const { file, ordinal, key, keyIssues, tokenOffset: offset } = this;
    if (this.pieces.length === 0) {
      if (to - from > this.maxRecordBytes) this.refuseLength(block.subarray(from, to));
      this.records.push(new JsonRecord(file, ordinal, key, keyIssues, offset, block, from, to));
    } else {
      const bytes = this.endToken(block, from, to);
      if (bytes.length > this.maxRecordBytes) this.refuseLength(bytes);
      this.records.push(new JsonRecord(file, ordinal, key, keyIssues, offset, bytes, 0, bytes.length));
    }
    this.ordinal++;
    this.state = 'after';
  }

  private endKey(block: Buffer, from: number, to: number): void {
    const bytes = this.endToken(block, from, to);
    this.key = parseAt(this.file, this.tokenOffset, bytes, this.where).value as string;
    this.keyIssues = findKeyIssues(this.key);
    this.state = 'colon';
  }

  private endToken(block: Buffer, from: number, to: number): Buffer {
    const last = block.subarray(from, to);
    if (this.pieces.length === 0) return last;
    const bytes = Buffer.concat([...this.pieces, last]);
    this.pieces = [];
    this.pending = 0;
    return bytes;
  }

  /** The record broke at the end of these bytes at the latest; parsing it says where it broke first. */
  private refuse(block: Buffer, from: number, to: number): never {
    parseAt(this.file, this.tokenOffset, this.endToken(block, from, to), this.where);
    throw new Error(`${this.file}: the record at byte ${this.tokenOffset} was refused, but parses`);
  }

  private refuseLength(bytes: Buffer): never {
    // A missing quote or bracket makes one record of many: that place is what the user needs to know.
    const error = syntaxErrorOf(bytes);
    if (error !== undefined && error.offset < bytes.length) {
      throw damaged(this.file, this.tokenOffset + error.offset, error.expected, this.where);
    }
    throw new CutoverError(
      'source',
      `${this.file}: record ${this.ordinal}, which starts at byte ${this.tokenOffset}, is longer than ${this.maxRecordBytes} bytes`,
      'Check the record at that place: nothing the applications wrote is that long.',
    );
  }
}

function syntaxErrorOf(bytes: Buffer): JsonSyntaxError | undefined {
  try {
    parseJson(bytes);
  } catch (error) {
    if (error instanceof JsonSyntaxError) return error;
    throw error;
  }
  return undefined;
}

/** `[` or `{`; its closing bracket's code is higher by 2. */
export function isOpener(byte: number): boolean {
  return (byte | 0x20) === 0x7b;
}

export function isCloser(byte: number): boolean {
  return (byte | 0x20) === 0x7d;
}

export function endsScalar(byte: number): boolean {
  return isBlank(byte) || byte === 0x2c || byte === 0x3a || byte === 0x22 || isOpener(byte) || isCloser(byte);
}
