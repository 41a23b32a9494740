import type { Readable } from 'node:stream';
import { COPY_HEADER, endOfRow } from './copy-buffer.ts';

/** The rows of a `COPY … TO STDOUT (FORMAT binary)`, one after the other, without an object a row. */
export class CopyRows {
  /** Holds the current row from `start` on; valid until `next`. */
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;

  readonly #chunks: AsyncIterator<Buffer>;
  #headerSeen = false;

  constructor(stream: Readable) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** Steps to the next row within what has arrived. False: call `more`, then again. */
  next(): boolean {
    const end = this.#headerSeen ? endOfRow(this.bytes, this.end, this.bytes.length) : -1;
    if (end < 0 || this.bytes.readInt16BE(this.end) === -1) return false;
    this.start = this.end;
    this.end = end;
    return true;
  }

  /** Passes over what begins with the current row, in whole rows. */
  pass(size: number): void {
    this.end = this.start + size;
  }

  /** Waits for more bytes. False: the stream has ended. */
  async more(): Promise<boolean> {
    const { value, done } = await this.#chunks.next();
    if (done) return false;
    const rest = this.bytes.subarray(this.end);
    this.bytes = rest.length === 0 ? value : Buffer.concat([rest, value]);
    this.start = 0;
    this.end = 0;
    if (!this.#headerSeen && this.bytes.length >= COPY_HEADER.length) {
      this.#headerSeen = true;
      this.end = COPY_HEADER.length;
    }
    return true;
  }
}
