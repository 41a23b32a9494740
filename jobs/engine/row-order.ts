import { closeSync, fstatSync, openSync, readSync, rmSync, writeSync } from 'node:fs';

/** Where a row lies in its file, its length, and its place among the rows there, from 0. */
export interface RowPlace {
  readonly offset: number;
  readonly size: number;
  readonly ordinal: number;
  /** The last of the texts that its key begins with; undefined for a long one, and where there is no key. */
  readonly text: string | undefined;
}

/** Of a text, so that all entries have one size. */
const MOST_TEXT = 71;
/** Three doubles, exact up to 2^53, and a text behind its length. */
const ENTRY = 3 * 8 + 1 + MOST_TEXT;
const NO_TEXT = 0xff;
/** Places that are read or written at once. */
const AT_ONCE = 1024;

/** Writes places in the order that was found out once, for whoever reads the rows in it. */
export class RowOrderWriter {
  readonly #file: number;
  readonly #entries = Buffer.alloc(ENTRY * AT_ONCE);
  #filled = 0;

  constructor(path: string) {
    this.#file = openSync(path, 'w', 0o600);
  }

  /** @param text in UTF-8 */
  add(offset: number, size: number, ordinal: number, text: Buffer | undefined): void {
    if (this.#filled === this.#entries.length) this.#write();
    const entries = this.#entries;
    let at = entries.writeDoubleLE(offset, this.#filled);
    at = entries.writeDoubleLE(size, at);
    at = entries.writeDoubleLE(ordinal, at);
    const isKept = text !== undefined && text.length <= MOST_TEXT;
    entries[at] = isKept ? text.length : NO_TEXT;
    if (isKept) entries.set(text, at + 1);
    this.#filled += ENTRY;
  }

  close(): void {
    this.#write();
    closeSync(this.#file);
  }

  #write(): void {
    for (let done = 0; done < this.#filled; ) {
      done += writeSync(this.#file, this.#entries, done, this.#filled - done);
    }
    this.#filled = 0;
  }
}

/** The places of rows in their order, in a file that several may read from anywhere. */
export class RowOrder {
  readonly count: number;
  readonly #file: number;
  readonly #entries = Buffer.alloc(ENTRY * AT_ONCE);
  #from = 0;
  #to = 0;

  constructor(readonly path: string) {
    this.#file = openSync(path, 'r');
    this.count = fstatSync(this.#file).size / ENTRY;
  }

  /** @param position below `count` */
  at(position: number): RowPlace {
    if (position < this.#from || position >= this.#to) this.#read(position);
    const entries = this.#entries;
    const at = (position - this.#from) * ENTRY;
    const size = entries[at + 24]!;
    return {
      offset: entries.readDoubleLE(at),
      size: entries.readDoubleLE(at + 8),
      ordinal: entries.readDoubleLE(at + 16),
      text: size === NO_TEXT ? undefined : entries.toString('utf8', at + 25, at + 25 + size),
    };
  }

  close(): void {
    closeSync(this.#file);
  }

  /** Removes the file, whoever still has it open. */
  remove(): void {
    rmSync(this.path, { force: true });
  }

  #read(position: number): void {
    this.#from = position;
    this.#to = Math.min(this.count, position + AT_ONCE);
    const size = (this.#to - this.#from) * ENTRY;
    for (let filled = 0; filled < size; ) {
      const read = readSync(this.#file, this.#entries, filled, size - filled, position * ENTRY + filled);
      if (read === 0) throw new Error(`${this.path} is shorter than it was`);
      filled += read;
    }
  }
}
