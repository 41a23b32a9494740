import type { CopyBuffer } from './copy-buffer.ts';

/** A row that was just written, by the place of its columns. Valid until the next one is. */
export class WrittenRow {
  out!: CopyBuffer;
  /** Where each field begins: at its length. */
  readonly starts: Uint32Array;

  constructor(columns: number) {
    this.starts = new Uint32Array(columns);
  }

  /** The value's bytes; empty for null. */
  bytes(place: number): Buffer {
    const start = this.starts[place]!;
    const size = this.out.bytes.readInt32BE(start);
    return this.out.bytes.subarray(start + 4, start + 4 + Math.max(0, size));
  }

  /** Whether the value's bytes are these. */
  is(place: number, value: Uint8Array): boolean {
    const start = this.starts[place]!;
    const { bytes } = this.out;
    let i = this.out.int32At(start);
    if (i !== value.length) return false;
    while (i > 0 && bytes[start + 3 + i] === value[i - 1]) i--;
    return i === 0;
  }

  /** Of an integer of eight bytes; beyond 2^53 it loses digits. */
  int64(place: number): number {
    return this.out.int64At(this.starts[place]! + 4);
  }

  float64(place: number): number {
    return this.out.float64At(this.starts[place]! + 4);
  }
}
