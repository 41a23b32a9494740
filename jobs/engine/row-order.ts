import { closeSync, fstatSync, openSync, readSync, rmSync, writeSync } from 'node:fs';

/** Where a row lies in its file, its length, and its place among the rows there, from 0. */
export interface RowPlace {
  offset: number;
  size: number;
  ordinal: number;
}

/** Doubles a place: exact up to 2^53. */
const NUMBERS = 3;
const ENTRY = NUMBERS * Float64Array.BYTES_PER_ELEMENT;
/** Places that are read or written at once. */
const AT_ONCE = 4096;

/** Writes places in the order that was found out once, for whoever reads the rows in it. */
export class RowOrderWriter {
  readonly #file: number;
  readonly #entries = new Float64Array(NUMBERS * AT_ONCE);
  #filled = 0;

  constructor(path: string) {
    this.#file = openSync(path, 'w', 0o600);
  }

  add({ offset, size, ordinal }: RowPlace): void {
    if (this.#filled === this.#entries.length) this.#write();
    this.#entries[this.#filled++] = offset;
    this.#entries[this.#filled++] = size;
    this.#entries[this.#filled++] = ordinal;
  }

  close(): void {
    this.#write();
    closeSync(this.#file);
  }

  #write(): void {
    const bytes = new Uint8Array(this.#entries.buffer, 0, this.#filled * Float64Array.BYTES_PER_ELEMENT);
    for (let done = 0; done < bytes.length; ) done += writeSync(this.#file, bytes, done);
    this.#filled = 0;
  }
}

/** The places of rows in their order, in a file that several may read from anywhere. */
export class RowOrder {
  readonly count: number;
  readonly #file: number;
  readonly #entries = new Float64Array(NUMBERS * AT_ONCE);
  #from = 0;
  #to = 0;

  constructor(readonly path: string) {
    this.#file = openSync(path, 'r');
    this.count = fstatSync(this.#file).size / ENTRY;
  }

  /** @param position below `count` */
  at(position: number): RowPlace {
    if (position < this.#from || position >= this.#to) this.#read(position);
    const at = (position - this.#from) * NUMBERS;
    const [offset, size, ordinal] = this.#entries.subarray(at, at + NUMBERS) as unknown as [
      number,
      number,
      number,
    ];
    return { offset, size, ordinal };
  }

  close(): void {
    closeSync(this.#file);
  }

  /** Removes the file, whoever still has it open. */
  remove(): void {
    rmSync(this.path, { force: true });
  }

  #read(position: number): void {
    const bytes = new Uint8Array(this.#entries.buffer);
    this.#from = position;
    this.#to = Math.min(this.count, position + AT_ONCE);
    const size = (this.#to - this.#from) * ENTRY;
    for (let filled = 0; filled < size; ) {
      const read = readSync(this.#file, bytes, filled, size - filled, position * ENTRY + filled);
      if (read === 0) throw new Error(`${this.path} is shorter than it was`);
      filled += read;
    }
  }
}
