import { readSync } from 'node:fs';

const CHUNK = 64 << 10;
const CHUNKS = 32;

/**
 * Reads a file that does not change, page by page. Where pages are near each other, it has more than the page that is
 * asked for: a call of the operating system costs more than the bytes of a page.
 */
export class ReadAhead {
  /** Which chunk of the file each slot holds, and how many bytes of it there are. */
  readonly #chunk = new Float64Array(CHUNKS).fill(-1);
  readonly #length = new Int32Array(CHUNKS);
  readonly #bytes: (Uint8Array | undefined)[] = new Array(CHUNKS);
  /** The chunk that was asked for last in each slot: the second time it is read as a whole. */
  readonly #asked = new Float64Array(CHUNKS).fill(-1);

  constructor(readonly fd: number) {}

  /** @returns how many bytes there were */
  read(into: Uint8Array, to: number, size: number, from: number): number {
    const chunk = Math.floor(from / CHUNK);
    const within = from - chunk * CHUNK;
    if (within + size > CHUNK) return readSync(this.fd, into, to, size, from);
    const slot = chunk % CHUNKS;
    if (this.#chunk[slot] !== chunk) {
      if (this.#asked[slot] !== chunk) {
        this.#asked[slot] = chunk;
        return readSync(this.fd, into, to, size, from);
      }
      this.#bytes[slot] ??= new Uint8Array(CHUNK);
      this.#length[slot] = readSync(this.fd, this.#bytes[slot]!, 0, CHUNK, chunk * CHUNK);
      this.#chunk[slot] = chunk;
    }
    const there = Math.max(0, Math.min(size, this.#length[slot]! - within));
    into.set(this.#bytes[slot]!.subarray(within, within + there), to);
    return there;
  }
}
