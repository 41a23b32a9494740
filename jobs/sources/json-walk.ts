import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { BACKSLASH, CLOSE_ARRAY, COLON, COMMA, OPEN_ARRAY, QUOTE } from './json-bytes.ts';
import type { JsonCells } from './json-cells.ts';
import { unreadable } from './json-damage.ts';
import { isBlank, MAX_DEPTH } from './json-parse.ts';
import { endsScalar, isCloser, isOpener } from './json-split.ts';

const BLOCK_SIZE = 256 << 10;
/** A longer element is for the reader that knows what to say of it. */
const LONGEST = 16 << 20;

/** Where a walk may begin. */
export interface Mark {
  /** Place of an element in the array. */
  readonly at: number;
  /** Where that element begins in the file, in bytes; for place 0 where the file does. */
  readonly offset: number;
}

export const START: Mark = { at: 0, offset: 0 };

/**
 * Goes through the elements of a file's top-level array one by one, where they lie in one block of memory: valid until the
 * next step. It says nothing of what it can't walk along, a damaged file above all: `isWhole` is then false at the end, and
 * whoever wants to know why has to read the file by other means.
 */
export class JsonWalk {
  bytes: Buffer;
  /** Of the element: place in the array, and where it lies in `bytes`. */
  at: number;
  start = 0;
  end = 0;
  /** Whether the cells have the element. */
  isOrdinary = false;
  /** Whether the walk has come to the end of a well-formed array. */
  isWhole = false;

  readonly #file: number;
  /** Where `bytes` begins in the file, and how much of it is there; behind it stands a NUL. */
  #offset: number;
  #filled = 0;
  #next = 0;

  /**
   * @param cells into which each element that is ordinary is read; absent: none is
   * @param blockSize bytes a read
   * @throws CutoverError of kind `source`
   */
  constructor(
    path: string,
    private readonly cells: JsonCells | undefined,
    private readonly from = START,
    blockSize = BLOCK_SIZE,
  ) {
    this.at = from.at - 1;
    this.#offset = from.offset;
    this.#file = opened(path);
    // There may be many small files.
    this.bytes = Buffer.alloc(Math.min(blockSize, fstatSync(this.#file).size) + 1);
  }

  /** Where the element stands in the file, in bytes. */
  get offset(): number {
    return this.#offset + this.start;
  }

  next(): boolean {
    if (this.#step()) {
      this.at++;
      return true;
    }
    return false;
  }

  close(): void {
    closeSync(this.#file);
  }

  #step(): boolean {
    const isFirst = this.at + 1 === this.from.at;
    if (isFirst && this.from.at === 0) {
      if (this.#more() && this.bytes[0] === 0xef && this.bytes[1] === 0xbb && this.bytes[2] === 0xbf) {
        this.#next = 3;
      }
      if (this.#mark() !== OPEN_ARRAY) return false;
      this.#next++;
      if (this.#mark() === CLOSE_ARRAY) return this.#finish();
    } else if (!isFirst) {
      const mark = this.#mark();
      if (mark === CLOSE_ARRAY) return this.#finish();
      if (mark !== COMMA) return false;
      this.#next++;
    }
    this.#mark();
    this.start = this.#next;
    return this.#element();
  }

  /** Goes to the end of the element that begins at `start`. */
  #element(): boolean {
    let end = this.cells === undefined ? -1 : this.cells.read(this.bytes, this.start);
    this.isOrdinary = end >= 0;
    if (!this.isOrdinary) end = endOfValue(this.bytes, this.start, this.#filled);
    if (end < 0) return false;
    // Not all of it is there yet.
    if (end === 0) return this.#more() && this.#element();
    this.end = end;
    this.#next = end;
    return true;
  }

  /** The next byte that is no blank, at which `#next` then stands; -1 at the end of the file. */
  #mark(): number {
    for (;;) {
      while (this.#next < this.#filled) {
        const c = this.bytes[this.#next]!;
        if (!isBlank(c)) return c;
        this.#next++;
      }
      this.start = this.#next;
      if (!this.#more()) return -1;
    }
  }

  #finish(): boolean {
    this.#next++;
    this.isWhole = this.#mark() < 0;
    return false;
  }

  /** Reads on, with the bytes from `start` on kept. False at the end of the file, and where an element is too long. */
  #more(): boolean {
    const kept = this.#filled - this.start;
    if (kept > LONGEST) return false;
    const target = kept > this.bytes.length / 2 ? Buffer.alloc(2 * (this.bytes.length - 1) + 1) : this.bytes;
    this.bytes.copy(target, 0, this.start, this.#filled);
    this.bytes = target;
    this.#offset += this.start;
    this.#next -= this.start;
    this.start = 0;
    const read = readSync(this.#file, target, kept, target.length - 1 - kept, this.#offset + kept);
    this.#filled = kept + read;
    target[this.#filled] = 0;
    return read > 0;
  }
}

/**
 * Where a value ends that is cut out by its brackets and strings alone.
 * @returns 0 when it is not all there; -1 when nothing can be well-formed that begins so
 */
function endOfValue(bytes: Buffer, start: number, filled: number): number {
  const first = bytes[start]!;
  if (start >= filled) return 0;
  if (first === QUOTE) return endOfString(bytes, start + 1, filled);
  if (first === COMMA || first === COLON || isCloser(first)) return -1;
  if (!isOpener(first)) {
    for (let at = start; at < filled; at++) if (endsScalar(bytes[at]!)) return at;
    return 0;
  }
  const closers: number[] = [];
  for (let at = start; at < filled; ) {
    const c = bytes[at++]!;
    if (c === QUOTE) {
      at = endOfString(bytes, at, filled);
      if (at === 0) return 0;
    } else if (isOpener(c)) {
      if (closers.length === MAX_DEPTH) return -1;
      closers.push(c + 2);
    } else if (isCloser(c)) {
      if (closers.pop() !== c) return -1;
      if (closers.length === 0) return at;
    }
  }
  return 0;
}

function endOfString(bytes: Buffer, start: number, filled: number): number {
  for (let at = start; at < filled; at++) {
    const c = bytes[at]!;
    if (c === QUOTE) return at + 1;
    if (c === BACKSLASH) at++;
  }
  return 0;
}

function opened(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    return unreadable(path, error as Error);
  }
}
