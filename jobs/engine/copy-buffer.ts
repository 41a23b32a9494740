/**
 * A growing buffer of rows in PostgreSQL's binary COPY form: per row an int16 field count, per field an int32 length
 * (-1 for null) and the value. Source: PostgreSQL documentation, COPY, "Binary Format".
 *
 * Rows are written once, in place, so a row that turns out to be rejected or merged is taken back by `truncate`.
 */
export class CopyBuffer {
  bytes: Buffer;
  length = 0;

  constructor(capacity = 1 << 16) {
    this.bytes = Buffer.allocUnsafe(capacity);
  }

  /** Makes room for `size` more bytes. */
  reserve(size: number): void {
    const needed = this.length + size;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
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
    this.length = this.bytes.writeInt16BE(value, this.length);
  }

  int32(value: number): void {
    this.reserve(4);
    this.length = this.bytes.writeInt32BE(value, this.length);
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
    this.bytes.writeInt32BE(8, this.length);
    if (typeof value === 'bigint') {
      this.bytes.writeBigInt64BE(value, this.length + 4);
    } else {
      // Two halves instead of a BigInt a value: exact for every safe integer.
      const high = Math.floor(value / 0x1_0000_0000);
      this.bytes.writeInt32BE(high, this.length + 4);
      this.bytes.writeUInt32BE(value - high * 0x1_0000_0000, this.length + 8);
    }
    this.length += 12;
  }
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
