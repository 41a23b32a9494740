import { CopyBuffer } from '../engine/copy-buffer.ts';

/** A file by its name, with `/` between folders, its size in bytes and its content. */
export interface HashedFile {
  readonly path: string;
  readonly size: number;
  /** In hexadecimal digits. */
  readonly sha256: string;
}

/** A {@link FileList} as it is handed to another thread. */
export interface SharedFiles {
  /** The paths in UTF-8, one after the other, and where each ends. */
  readonly paths: Uint8Array;
  readonly ends: Uint32Array;
  readonly sizes: Float64Array;
  /** 32 bytes a file. */
  readonly hashes: Uint8Array;
}

const HASH = 32;

/**
 * Files of a snapshot. There may be a hundred thousand, so they lie packed, in memory that all threads share, and each is
 * made an object when it is asked for.
 */
export class FileList implements Iterable<HashedFile> {
  readonly length: number;
  readonly #paths: Buffer;
  readonly #hashes: Buffer;

  constructor(readonly shared: SharedFiles) {
    const { paths, ends, hashes } = shared;
    this.length = ends.length;
    this.#paths = Buffer.from(paths.buffer);
    this.#hashes = Buffer.from(hashes.buffer);
  }

  static of(files: Iterable<HashedFile>): FileList {
    const ends: number[] = [];
    const sizes: number[] = [];
    const paths = new CopyBuffer();
    const hashes = new CopyBuffer();
    for (const { path, size, sha256 } of files) {
      paths.raw(Buffer.from(path));
      ends.push(paths.length);
      sizes.push(size);
      hashes.raw(Buffer.from(sha256, 'hex'));
    }
    return new FileList({
      paths: shared(Uint8Array, paths.from(0)),
      ends: shared(Uint32Array, ends),
      sizes: shared(Float64Array, sizes),
      hashes: shared(Uint8Array, hashes.from(0)),
    });
  }

  /** @param i below `length`, as everywhere */
  path(i: number): string {
    const { ends } = this.shared;
    return this.#paths.toString('utf8', i === 0 ? 0 : ends[i - 1], ends[i]);
  }

  at(i: number): HashedFile {
    const sha256 = this.#hashes.toString('hex', HASH * i, HASH * (i + 1));
    return { path: this.path(i), size: this.shared.sizes[i]!, sha256 };
  }

  *paths(): Generator<string> {
    for (let i = 0; i < this.length; i++) yield this.path(i);
  }

  *[Symbol.iterator](): Generator<HashedFile> {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }

  /** All of them, in bytes. */
  get size(): number {
    return this.shared.sizes.reduce((sum, size) => sum + size, 0);
  }

  toJSON(): HashedFile[] {
    return [...this];
  }
}

/** A copy in memory that all threads share. */
export function shared<T extends Uint8Array | Uint32Array | Float64Array>(
  of: { new (memory: SharedArrayBuffer): T; readonly BYTES_PER_ELEMENT: number },
  values: ArrayLike<number>,
): T {
  const memory = new of(new SharedArrayBuffer(of.BYTES_PER_ELEMENT * values.length));
  memory.set(values);
  return memory;
}
