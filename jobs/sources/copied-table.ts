import { closeSync, openSync, readSync } from 'node:fs';
import { COPY_HEADER, endOfRow } from '../engine/copy-buffer.ts';
import { CutoverError } from '../errors.ts';

/**
 * A table of a living database in a snapshot is what `COPY … TO STDOUT (FORMAT binary)` answered, in a file whose name ends
 * so. PostgreSQL reads it as it is. The fields of a row are the row as `to_json` writes it, with 0 in place of each packed
 * vector, and then these vectors in the order in which the header's extension names their columns.
 */
const COPIED = '.copy';

export const isCopied = (file: string): boolean => file.endsWith(COPIED);

/** The name of a table among the files of its store: the same in whatever form a snapshot has it. */
export const nameOfTable = (file: string): string =>
  isCopied(file) ? `${file.slice(0, -COPIED.length)}.json` : file;

export const copiedFile = (table: string): string => `${table}${COPIED}`;

/** What stands before the rows. @param packed columns whose vectors are fields of their own */
export function copiedHeader(packed: readonly string[]): Buffer {
  const extension = Buffer.from(JSON.stringify({ packed }));
  const size = Buffer.alloc(4);
  size.writeInt32BE(extension.length);
  return Buffer.concat([COPY_HEADER.subarray(0, -4), size, extension]);
}

const BLOCK_BYTES = 1 << 20;
const MAX_ROW_BYTES = 64 << 20;

/** A copied table, open for reading. */
export class CopiedTable {
  /** Columns whose vectors are fields of their own. */
  readonly packed: readonly string[];
  readonly #file: number;
  readonly #begin: number;

  /** @throws CutoverError `source` for a file that is no copied table */
  constructor(private readonly path: string) {
    this.#file = openSync(path, 'r');
    try {
      const head = this.read(0, COPY_HEADER.length);
      if (!head.subarray(0, -4).equals(COPY_HEADER.subarray(0, -4)))
        throw this.damaged(0, 'is no copied table');
      const size = head.readInt32BE(head.length - 4);
      this.#begin = head.length + size;
      this.packed = packedIn(this.read(head.length, size)) ?? [];
      if (this.packed.length === 0) throw this.damaged(head.length, 'does not say which columns are packed');
    } catch (error) {
      closeSync(this.#file);
      throw error;
    }
  }

  /** All rows, from the first one on. */
  rows(): CopiedRows {
    return new CopiedRows(this, this.#begin);
  }

  /** Reads bytes at a place of the file. @param into where to; default: memory of its own */
  read(offset: number, size: number, into = Buffer.allocUnsafe(size), at = 0): Buffer {
    if (this.readSome(offset, size, into, at) < size) throw this.damaged(offset, 'is cut');
    return into;
  }

  /** The same, as far as the file goes. @returns how many bytes there were */
  readSome(offset: number, size: number, into: Buffer, at: number): number {
    let filled = 0;
    while (filled < size) {
      const read = readSync(this.#file, into, at + filled, size - filled, offset + filled);
      if (read === 0) break;
      filled += read;
    }
    return filled;
  }

  damaged(offset: number, what: string): CutoverError {
    return new CutoverError(
      'source',
      `${this.path} ${what} at byte ${offset}`,
      'Take the backup of the living database again.',
    );
  }

  close(): void {
    closeSync(this.#file);
  }
}

function packedIn(extension: Buffer): readonly string[] | undefined {
  try {
    return (JSON.parse(extension.toString()) as { packed?: string[] }).packed;
  } catch {
    return undefined;
  }
}

/** Goes through the rows of a copied table; a row is valid until the next step. */
export class CopiedRows {
  /** Holds the row from `start` to `end`. */
  bytes = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  start = 0;
  end = 0;
  #filled = 0;
  #isOver = false;

  /** @param place of the first byte of `bytes` in the file */
  constructor(
    private readonly table: CopiedTable,
    private place: number,
  ) {}

  /** Where the row begins in the file. */
  get offset(): number {
    return this.place + this.start;
  }

  /** Steps to the next row. False: there is none. @throws CutoverError `source` for a file that is cut or damaged */
  next(): boolean {
    if (this.#isOver) return false;
    this.start = this.end;
    let end = endOfRow(this.bytes, this.start, this.#filled);
    while (end < 0) {
      if (!this.#more()) throw this.table.damaged(this.offset, 'is cut');
      end = endOfRow(this.bytes, this.start, this.#filled);
    }
    const fields = this.bytes.readInt16BE(this.start);
    this.end = end;
    this.#isOver = fields === -1;
    if (this.#isOver) return false;
    if (fields !== 1 + this.table.packed.length || this.bytes.readInt32BE(this.start + 2) < 0) {
      throw this.table.damaged(this.offset, 'is damaged');
    }
    return true;
  }

  /** Reads on behind the row that has begun, which moves to the front. */
  #more(): boolean {
    const { bytes, start } = this;
    const kept = this.#filled - start;
    if (kept >= bytes.length) {
      if (kept >= MAX_ROW_BYTES)
        throw this.table.damaged(this.offset, `has a row of more than ${MAX_ROW_BYTES} bytes`);
      this.bytes = Buffer.allocUnsafeSlow(bytes.length * 2);
    }
    bytes.copy(this.bytes, 0, start, this.#filled);
    this.place += start;
    this.start = 0;
    const read = this.table.readSome(this.place + kept, this.bytes.length - kept, this.bytes, kept);
    this.#filled = kept + read;
    return read > 0;
  }
}
