import { closeSync, openSync, readSync } from 'node:fs';
import { CutoverError } from '../errors.ts';

/**
 * Pages of an SQLite file and the cells of its b-trees, as they lie in it.
 * Source: https://www.sqlite.org/fileformat2.html, sections 1.3 (header), 1.5 (pages) and 2.1 (records).
 */

const CHUNK = 64 << 10;
const CHUNKS = 16;
/** Bytes of pages that are kept each by itself. */
const SINGLES = 1 << 20;

/** A piece of the file; its numbers are big-endian. */
export interface Bytes {
  readonly bytes: Buffer;
  readonly view: DataView;
}

interface Chunk extends Bytes {
  n: number;
}

export function bytesOf(size: number): Bytes {
  const bytes = Buffer.allocUnsafeSlow(size);
  return { bytes, view: new DataView(bytes.buffer) };
}

/** A file of pages that nobody writes to. */
export class PageFile {
  readonly fd: number;
  readonly pageSize: number;
  /** Bytes of a page that hold content. */
  readonly usable: number;

  constructor(readonly path: string) {
    this.fd = openSync(path, 'r');
    const header = Buffer.alloc(100);
    readSync(this.fd, header, 0, 100, 0);
    const size = header.readUInt16BE(16);
    this.pageSize = size === 1 ? 65536 : size;
    this.usable = this.pageSize - header[20]!;
  }

  /** @returns the error that the file is not whole */
  damaged(what: string): CutoverError {
    return new CutoverError('source', `${this.path}: ${what}`, 'Take another snapshot: cutover backup.');
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** Reads pages for one walk; what it answers is valid until it is asked for another page. */
export class PageReader {
  /** The piece of the file with the page that was asked for last, and where the page begins in it. */
  piece: Bytes;
  start = 0;

  /** Pieces and pages that were read before, by their number modulo the number of places. */
  readonly #chunks: (Chunk | undefined)[] = new Array(CHUNKS);
  readonly #singles: (Chunk | undefined)[];
  /** The chunk that was asked for last at each place: the second time it is read as a whole. */
  readonly #asked = new Float64Array(CHUNKS).fill(-1);
  readonly #pagesAChunk: number;

  /** @param scattered what is asked for lies far apart: pages are read each by itself */
  constructor(
    readonly file: PageFile,
    scattered = false,
  ) {
    this.#singles = new Array(SINGLES / file.pageSize);
    this.#pagesAChunk = scattered ? 1 : Math.max(1, CHUNK / file.pageSize);
    this.piece = bytesOf(0);
  }

  /** @param page from 1 */
  read(page: number): void {
    const { pageSize } = this.file;
    const number = Math.floor((page - 1) / this.#pagesAChunk);
    const place = number % CHUNKS;
    let chunk = this.#chunks[place];
    if (chunk?.n === number) {
      this.start = (page - 1 - number * this.#pagesAChunk) * pageSize;
    } else if (this.#asked[place] === number) {
      chunk = this.#fill(this.#chunks, place, number, this.#pagesAChunk * pageSize);
      this.start = (page - 1 - number * this.#pagesAChunk) * pageSize;
    } else {
      this.#asked[place] = number;
      const single = page % this.#singles.length;
      chunk = this.#singles[single];
      if (chunk?.n !== page - 1) chunk = this.#fill(this.#singles, single, page - 1, pageSize);
      this.start = 0;
    }
    this.piece = chunk;
  }

  #fill(places: (Chunk | undefined)[], place: number, n: number, size: number): Chunk {
    places[place] ??= { n, ...bytesOf(size) };
    const chunk = places[place];
    chunk.n = -1;
    const read = readSync(this.file.fd, chunk.bytes, 0, size, n * size);
    // Behind the end of the file there are no pages; what is left there of another piece isn't one.
    chunk.bytes.fill(0, read);
    chunk.n = n;
    return chunk;
  }
}
