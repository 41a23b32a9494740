import { readSync } from 'node:fs';

/** Bytes of a chunk; a multiple of every page's size. */
const CHUNK = 64 << 10;

/** A piece of memory; its numbers are those of the same bytes. */
export interface Bytes {
  readonly bytes: Buffer;
  readonly view: DataView;
}

export function bytesOf(size: number): Bytes {
  const bytes = Buffer.allocUnsafeSlow(size);
  return { bytes, view: new DataView(bytes.buffer) };
}

/** Memory that holds a part of a file. */
export interface Piece extends Bytes {
  /** Where it begins in the file; -1 as long as nothing has been read. */
  begin: number;
  /** How many bytes the file has there; behind them there are zeros. */
  length: number;
}

/** Reads a part of a file into memory that may be used again. */
export function readPiece(fd: number, begin: number, size: number, into?: Piece): Piece {
  const piece = into ?? { begin: -1, length: 0, ...bytesOf(size) };
  piece.begin = -1;
  piece.length = readSync(fd, piece.bytes, 0, size, begin);
  piece.bytes.fill(0, piece.length);
  piece.begin = begin;
  return piece;
}

/**
 * Reads a file that does not change, page by page. Where pages are near each other, it has more than the page that is
 * asked for: a call of the operating system costs more than the bytes of a page.
 */
export class ReadAhead {
  readonly #chunks: (Piece | undefined)[];
  /** The chunk that was asked for last at each place: the second time it is read as a whole. */
  readonly #asked: Float64Array;

  /** @param chunks that are kept */
  constructor(
    readonly fd: number,
    chunks: number,
  ) {
    this.#chunks = new Array(chunks);
    this.#asked = new Float64Array(chunks).fill(-1);
  }

  /** What lies around a page; undefined when nothing near it has been asked for before. @param from offset of the page */
  around(from: number): Piece | undefined {
    const chunk = Math.floor(from / CHUNK);
    const place = chunk % this.#chunks.length;
    const known = this.#chunks[place];
    if (known?.begin === chunk * CHUNK) return known;
    if (this.#asked[place] === chunk) {
      const read = readPiece(this.fd, chunk * CHUNK, CHUNK, known);
      this.#chunks[place] = read;
      return read;
    }
    this.#asked[place] = chunk;
    return undefined;
  }

  /** @returns how many bytes there were */
  read(into: Uint8Array, to: number, size: number, from: number): number {
    const within = from % CHUNK;
    const chunk = within + size > CHUNK ? undefined : this.around(from);
    if (chunk === undefined) return readSync(this.fd, into, to, size, from);
    const there = Math.max(0, Math.min(size, chunk.length - within));
    into.set(chunk.bytes.subarray(within, within + there), to);
    return there;
  }
}
