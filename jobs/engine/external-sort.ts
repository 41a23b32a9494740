import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';

/** Bytes of entries that are sorted at once in memory. */
const RUN_BYTES = 16 << 20;
/** Entries a run: their places must fit beside 32 bits of a key in the 53 bits of a double. */
const RUN_ENTRIES = 1 << 21;
/** Bytes that all runs together are read into, and the least a run. */
const MERGE_BYTES = 8 << 20;
const LEAST_BUFFER = 16 << 10;
const WRITE_BYTES = 1 << 20;
/** Before the key: the entry's size, this head included, and the key's. */
const HEAD = 8;

/** Goes through sorted entries; its fields say where the current one lies, until the next step. */
export interface Cursor {
  readonly bytes: Buffer;
  readonly keyStart: number;
  /** End of the key, start of what belongs to it. */
  readonly keyEnd: number;
  readonly end: number;
  next(): boolean;
}

/**
 * Sorts entries by the bytes of their keys, equal keys in the order in which they were added. What does not fit into
 * memory goes to a file in sorted runs, which are merged as they are read: memory stays flat whatever there is to sort.
 */
export class ExternalSort {
  bytes = Buffer.allocUnsafeSlow(256 << 10);
  count = 0;
  #length = 0;
  #starts: number[] = [];
  #sorted: Uint32Array | undefined;
  readonly #file: number;
  readonly #runs: { readonly from: number; readonly to: number }[] = [];
  #written = 0;

  /** @param path is made anew and has no name from then on: legacy records outlive no process in it, however it ends */
  constructor(
    path: string,
    private readonly runBytes = RUN_BYTES,
  ) {
    this.#file = openSync(path, 'w+', 0o600);
    rmSync(path);
  }

  /**
   * Adds a key and room for what belongs to it.
   * @returns where in `bytes` the caller writes the `size` bytes, before it adds another one
   */
  add(key: Uint8Array, keySize: number, size: number): number {
    const entry = HEAD + keySize + size;
    if (this.#length > 0 && (this.#length + entry > this.runBytes || this.#starts.length === RUN_ENTRIES)) {
      this.#spill();
    }
    if (this.#length + entry > this.bytes.length) this.#grow(this.#length + entry);
    const { bytes } = this;
    const start = this.#length;
    writeUint32(bytes, start, entry);
    writeUint32(bytes, start + 4, keySize);
    for (let i = 0; i < keySize; i++) bytes[start + HEAD + i] = key[i]!;
    this.#starts.push(start);
    this.#length += entry;
    this.count++;
    return start + HEAD + keySize;
  }

  /** Says that all entries are there. */
  finish(): void {
    if (this.#runs.length > 0) {
      this.#spill();
      this.bytes = Buffer.alloc(0);
    } else {
      this.#sorted = this.#sortRun();
      this.#starts = [];
    }
  }

  /** All entries in order; several may go through them at a time. */
  cursor(): Cursor {
    if (this.#sorted !== undefined) return new MemoryCursor(this.bytes, this.#sorted);
    const size = Math.max(LEAST_BUFFER, Math.floor(MERGE_BYTES / this.#runs.length));
    return new MergeCursor(this.#runs.map(({ from, to }) => new RunCursor(this.#file, from, to, size)));
  }

  close(): void {
    closeSync(this.#file);
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(this.runBytes, this.bytes.length * 2)));
    this.bytes.copy(larger, 0, 0, this.#length);
    this.bytes = larger;
  }

  #spill(): void {
    const { bytes } = this;
    const out = Buffer.allocUnsafeSlow(WRITE_BYTES);
    const from = this.#written;
    let filled = 0;
    for (const start of this.#sortRun()) {
      const end = start + readUint32(bytes, start);
      if (filled + end - start > out.length) {
        this.#write(out, filled);
        filled = 0;
      }
      if (end - start > out.length) this.#write(bytes.subarray(start, end), end - start);
      else filled += bytes.copy(out, filled, start, end);
    }
    this.#write(out, filled);
    this.#runs.push({ from, to: this.#written });
    this.#length = 0;
    this.#starts = [];
  }

  #write(from: Buffer, size: number): void {
    for (let done = 0; done < size; ) {
      const written = writeSync(this.#file, from, done, size - done, this.#written);
      done += written;
      this.#written += written;
    }
  }

  /** Where the entries of the run start, in order. */
  #sortRun(): Uint32Array {
    const { bytes } = this;
    const starts = Uint32Array.from(this.#starts);
    const shared = sharedPrefix(bytes, starts);
    // Numbers are sorted without a call for each comparison: 32 bits of the key, behind what all keys begin with, and the
    // place of the entry below them.
    const order = new Float64Array(starts.length);
    for (let i = 0; i < starts.length; i++) {
      const start = starts[i]! + HEAD;
      const end = start + readUint32(bytes, start - 4);
      let bits = 0;
      for (let at = start + shared; at < start + shared + 4; at++) {
        bits = bits * 256 + (at < end ? bytes[at]! : 0);
      }
      order[i] = bits * RUN_ENTRIES + i;
    }
    order.sort();
    const sorted = new Uint32Array(starts.length);
    for (let from = 0; from < order.length; ) {
      const bits = Math.floor(order[from]! / RUN_ENTRIES);
      let to = from;
      for (; to < order.length && order[to]! < (bits + 1) * RUN_ENTRIES; to++) {
        sorted[to] = starts[order[to]! - bits * RUN_ENTRIES]!;
      }
      if (to - from > 1) sorted.subarray(from, to).sort((a, b) => compareEntries(bytes, a, b) || a - b);
      from = to;
    }
    return sorted;
  }
}

/** How many bytes all keys begin with; empty keys don't count. */
function sharedPrefix(bytes: Buffer, starts: Uint32Array): number {
  let first = -1;
  let shared = 0;
  for (const start of starts) {
    const size = readUint32(bytes, start + 4);
    if (size === 0) continue;
    if (first < 0) {
      first = start + HEAD;
      shared = size;
      continue;
    }
    const most = Math.min(shared, size);
    shared = 0;
    while (shared < most && bytes[first + shared] === bytes[start + HEAD + shared]) shared++;
  }
  return shared;
}

function compareEntries(bytes: Buffer, a: number, b: number): number {
  const aEnd = a + HEAD + readUint32(bytes, a + 4);
  const bEnd = b + HEAD + readUint32(bytes, b + 4);
  return compareBytes(bytes, a + HEAD, aEnd, bytes, b + HEAD, bEnd);
}

/** As memcmp; a key comes before what continues it. Keys mostly differ early, before a call to the runtime would pay. */
export function compareBytes(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const size = Math.min(aEnd - aStart, bEnd - bStart);
  for (let i = 0; i < size; i++) {
    const found = a[aStart + i]! - b[bStart + i]!;
    if (found !== 0) return found;
  }
  return aEnd - aStart - (bEnd - bStart);
}

class MemoryCursor implements Cursor {
  keyStart = 0;
  keyEnd = 0;
  end = 0;
  #next = 0;

  constructor(
    readonly bytes: Buffer,
    private readonly starts: Uint32Array,
  ) {}

  next(): boolean {
    if (this.#next === this.starts.length) return false;
    const start = this.starts[this.#next++]!;
    this.keyStart = start + HEAD;
    this.keyEnd = this.keyStart + readUint32(this.bytes, start + 4);
    this.end = start + readUint32(this.bytes, start);
    return true;
  }
}

/** One run of the file, read in blocks. */
class RunCursor implements Cursor {
  bytes: Buffer;
  keyStart = 0;
  keyEnd = 0;
  end = 0;
  #filled = 0;

  constructor(
    private readonly file: number,
    private from: number,
    private readonly to: number,
    size: number,
  ) {
    this.bytes = Buffer.allocUnsafeSlow(size);
  }

  next(): boolean {
    const start = this.end;
    if (start + HEAD > this.#filled && !this.#fill(HEAD)) return false;
    const size = readUint32(this.bytes, this.end);
    if (this.end + size > this.#filled) this.#fill(size);
    const at = this.end;
    this.keyStart = at + HEAD;
    this.keyEnd = this.keyStart + readUint32(this.bytes, at + 4);
    this.end = at + size;
    return true;
  }

  /** Reads on, with at least `needed` bytes from `end` on; false at the end of the run. */
  #fill(needed: number): boolean {
    const rest = this.#filled - this.end;
    if (rest === 0 && this.from === this.to) return false;
    const target = needed > this.bytes.length ? Buffer.allocUnsafeSlow(needed) : this.bytes;
    this.bytes.copy(target, 0, this.end, this.#filled);
    this.bytes = target;
    this.end = 0;
    this.#filled = rest;
    while (this.#filled < target.length && this.from < this.to) {
      const room = Math.min(target.length - this.#filled, this.to - this.from);
      const read = readSync(this.file, target, this.#filled, room, this.from);
      if (read === 0) throw new Error('a scratch file has become shorter');
      this.#filled += read;
      this.from += read;
    }
    return true;
  }
}

/** Several sorted runs as one: a heap of their cursors, the least on top. */
class MergeCursor implements Cursor {
  readonly #heap: RunCursor[] = [];
  readonly #ranks = new Map<RunCursor, number>();
  #top: RunCursor | undefined;

  constructor(runs: readonly RunCursor[]) {
    for (const [rank, run] of runs.entries()) {
      this.#ranks.set(run, rank);
      if (run.next()) this.#heap.push(run);
    }
    for (let i = this.#heap.length >> 1; i >= 0; i--) this.#sink(i);
  }

  get bytes(): Buffer {
    return this.#top!.bytes;
  }
  get keyStart(): number {
    return this.#top!.keyStart;
  }
  get keyEnd(): number {
    return this.#top!.keyEnd;
  }
  get end(): number {
    return this.#top!.end;
  }

  next(): boolean {
    const heap = this.#heap;
    if (this.#top !== undefined && !this.#top.next()) {
      const last = heap.pop()!;
      if (heap.length > 0) heap[0] = last;
    }
    if (heap.length === 0) return false;
    this.#sink(0);
    this.#top = heap[0]!;
    return true;
  }

  #sink(from: number): void {
    const heap = this.#heap;
    if (from >= heap.length) return;
    const run = heap[from]!;
    let at = from;
    for (;;) {
      let least = 2 * at + 1;
      if (least >= heap.length) break;
      if (least + 1 < heap.length && this.#isLess(heap[least + 1]!, heap[least]!)) least++;
      if (!this.#isLess(heap[least]!, run)) break;
      heap[at] = heap[least]!;
      at = least;
    }
    heap[at] = run;
  }

  #isLess(a: RunCursor, b: RunCursor): boolean {
    const found = compareBytes(a.bytes, a.keyStart, a.keyEnd, b.bytes, b.keyStart, b.keyEnd);
    return found < 0 || (found === 0 && this.#ranks.get(a)! < this.#ranks.get(b)!);
  }
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

function readUint32(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 0x1000000 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
}
