import { closeSync, openSync, readSync } from 'node:fs';
import { CutoverError } from '../errors.ts';
import { type Bytes, bytesOf, type Piece, ReadAhead, readPiece } from './read-ahead.ts';

/**
 * Pages of an SQLite file and the cells of its b-trees, as they lie in it.
 * Source: https://www.sqlite.org/fileformat2.html, sections 1.3 (header), 1.5 (pages) and 2.1 (records).
 */

const CHUNKS = 16;
/** Bytes of pages that are kept each by itself. */
const SINGLES = 1 << 20;

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
  /** Memory with the page that was asked for last, and where the page begins in it. */
  piece: Bytes = bytesOf(0);
  start = 0;

  readonly #ahead: ReadAhead | undefined;
  /** Pages that were read each by itself, by their number modulo the number of places. */
  readonly #singles: (Piece | undefined)[];

  /** @param scattered what is asked for lies far apart: pages are read each by itself */
  constructor(
    readonly file: PageFile,
    scattered = false,
  ) {
    this.#ahead = scattered ? undefined : new ReadAhead(file.fd, CHUNKS);
    this.#singles = new Array(SINGLES / file.pageSize);
  }

  /** @param page from 1 */
  read(page: number): void {
    const { fd, pageSize } = this.file;
    const from = (page - 1) * pageSize;
    const chunk = this.#ahead?.around(from);
    if (chunk !== undefined) {
      this.piece = chunk;
      this.start = from - chunk.begin;
      return;
    }
    const place = page % this.#singles.length;
    let single = this.#singles[place];
    if (single?.begin !== from) {
      single = readPiece(fd, from, pageSize, single);
      this.#singles[place] = single;
    }
    this.piece = single;
    this.start = 0;
  }
}
