import { isUtf8 } from 'node:buffer';
import type { Cells } from '../sources/source.ts';

/**
 * A growing buffer of rows in PostgreSQL's binary COPY form: per row an int16 field count, per field an int32 length
 * (-1 for null) and the value. Source: PostgreSQL documentation, COPY, "Binary Format".
 *
 * Rows are written once, in place, so a row that turns out to be rejected or merged is taken back by `truncate`.
 */
export class CopyBuffer {
  bytes: Buffer;
  length = 0;
  /** The same bytes: its numbers are written without a call. */
  #view: DataView;

  constructor(capacity = 1 << 16) {
    this.bytes = Buffer.allocUnsafeSlow(capacity);
    this.#view = viewOf(this.bytes);
  }

  /** Makes room for `size` more bytes. */
  reserve(size: number): void {
    const needed = this.length + size;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
    this.#view = viewOf(grown);
  }

  truncate(length: number): void {
    this.length = length;
  }

  /** The bytes written from `start` on; valid until the next write. */
  from(start: number): Buffer {
    return this.bytes.subarray(start, this.length);
  }

  int16(value: number): void {
    this.reserve(2);
    this.#view.setInt16(this.length, value);
    this.length += 2;
  }

  int32(value: number): void {
    this.reserve(4);
    this.#view.setInt32(this.length, value);
    this.length += 4;
  }

  null(): void {
    this.int32(-1);
  }

  raw(value: Uint8Array): void {
    this.reserve(value.length);
    this.bytes.set(value, this.length);
    this.length += value.length;
  }

  /** A length-prefixed value. */
  field(value: Uint8Array): void {
    this.int32(value.length);
    this.raw(value);
  }

  textField(value: string): void {
    // A UTF-16 unit takes at most three bytes of UTF-8.
    this.reserve(4 + value.length * 3);
    const written = this.bytes.write(value, this.length + 4, 'utf8');
    this.bytes.writeInt32BE(written, this.length);
    this.length += 4 + written;
  }

  int64Field(value: number | bigint): void {
    this.reserve(12);
    const view = this.#view;
    view.setInt32(this.length, 8);
    if (typeof value === 'bigint') {
      view.setBigInt64(this.length + 4, value);
    } else {
      // Two halves instead of a BigInt a value: exact for every safe integer.
      const high = Math.floor(value / 0x1_0000_0000);
      view.setInt32(this.length + 4, high);
      view.setUint32(this.length + 8, value - high * 0x1_0000_0000);
    }
    this.length += 12;
  }

  float64Field(value: number): void {
    this.reserve(12);
    this.#view.setInt32(this.length, 8);
    this.#view.setFloat64(this.length + 4, value);
    this.length += 12;
  }

  int32At(at: number): number {
    return this.#view.getInt32(at);
  }

  int64At(at: number): number {
    return this.#view.getInt32(at) * 0x1_0000_0000 + this.#view.getUint32(at + 4);
  }

  float64At(at: number): number {
    return this.#view.getFloat64(at);
  }

  /**
   * A length-prefixed copy of text, if PostgreSQL can hold it.
   * @returns false, with nothing written, for bytes with a NUL or that are not UTF-8
   */
  utf8Field({ bytes, view }: Pick<Cells, 'bytes' | 'view'>, start: number, size: number): boolean {
    this.reserve(4 + size);
    const to = this.length + 4;
    const out = this.#view;
    if (size <= SHORT) {
      // Four bytes at a time, and what is left one by one; a byte with its high bit is not ASCII.
      let all = 0;
      let i = 0;
      for (; i + 4 <= size; i += 4) {
        const four = view.getInt32(start + i);
        // Whether a byte is zero: Sean Anderson, Bit Twiddling Hacks, "Determine if a word has a zero byte".
        if (((four - 0x0101_0101) & ~four & HIGH_BITS) !== 0) return false;
        all |= four;
        out.setInt32(to + i, four);
      }
      for (; i < size; i++) {
        const byte = view.getUint8(start + i);
        if (byte === 0) return false;
        all |= byte;
        out.setUint8(to + i, byte);
      }
      if ((all & HIGH_BITS) !== 0 && !isUtf8(bytes.subarray(start, start + size))) return false;
    } else {
      const text = bytes.subarray(start, start + size);
      if (text.indexOf(0) !== -1 || !isUtf8(text)) return false;
      this.bytes.set(text, to);
    }
    out.setInt32(this.length, size);
    this.length = to + size;
    return true;
  }
}

/** The highest bit of each of four bytes. */
const HIGH_BITS = 0x8080_8080 | 0;

/** Up to so many bytes are copied faster than by a call. */
const SHORT = 48;

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Signature, flags and header extension that begin a binary COPY stream. */
export const COPY_HEADER = Buffer.concat([
  Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'),
  Buffer.from([0, 0, 0, 0, 0, 0, 0, 0]),
]);
/** The field count of -1 that ends it. */
export const COPY_TRAILER = Buffer.from([0xff, 0xff]);

/**
 * The fields of one row: views of `bytes`, null for SQL NULL.
 * @param start offset of the row's field count
 */
export function fieldsOf(bytes: Buffer, start: number): (Buffer | null)[] {
  const count = bytes.readInt16BE(start);
  const fields: (Buffer | null)[] = new Array(count);
  let at = start + 2;
  for (let i = 0; i < count; i++) {
    const size = bytes.readInt32BE(at);
    at += 4;
    if (size < 0) {
      fields[i] = null;
    } else {
      fields[i] = bytes.subarray(at, at + size);
      at += size;
    }
  }
  return fields;
}

/** Offset just behind the row that begins at `start`, or -1 when `bytes` ends within it. */
export function endOfRow(bytes: Buffer, start: number, end: number): number {
  if (start + 2 > end) return -1;
  const count = bytes.readInt16BE(start);
  let at = start + 2;
  for (let i = 0; i < count; i++) {
    if (at + 4 > end) return -1;
    const size = bytes.readInt32BE(at);
    at += 4 + Math.max(size, 0);
  }
  return at > end ? -1 : at;
}
