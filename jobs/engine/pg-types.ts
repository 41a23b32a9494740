import { endianness } from 'node:os';
import { parseJson } from '../sources/json-parse.ts';
import type { JsonValue } from '../sources/json-value.ts';
import { PackedVector } from '../sources/packed-vector.ts';
import type { CopyBuffer } from './copy-buffer.ts';
import { sameJson } from './jsonb.ts';
import { uuidText } from './uuid.ts';

/** One PostgreSQL type: how a value is written in binary, ordered, compared and shown. */
export interface PgType<V> {
  /** As SQL spells it, for casts and for the fingerprint. */
  readonly sql: string;
  /** Writes the length and the binary value. */
  write(out: CopyBuffer, value: V): void;
  /** A binary field as a person reads it, for a divergence. */
  show(field: Buffer): string;
  /**
   * How PostgreSQL orders the binary form: as unsigned bytes (text under `COLLATE "C"`), or as two's complement.
   * Absent: not usable in a key.
   */
  readonly order?: 'bytes' | 'signed';
  /** For fields whose bytes differ though their values may be the same; absent: bytes decide. */
  same?(a: Buffer, b: Buffer): boolean;
  /** An SQL expression whose `IS DISTINCT FROM` sees every difference that `same` sees; absent: the column itself. */
  identity?(column: string): string;
}

/** A value is UTF-8 bytes known to be valid and free of NUL, or a well-formed string. */
export const text: PgType<string | Uint8Array> = {
  sql: 'text',
  write: (out, value) => (typeof value === 'string' ? out.textField(value) : out.field(value)),
  show: (field) => field.toString('utf8'),
  order: 'bytes',
};

export const int4: PgType<number> = {
  sql: 'integer',
  write(out, value) {
    out.int32(4);
    out.int32(value);
  },
  show: (field) => String(field.readInt32BE(0)),
  order: 'signed',
};

export const int8: PgType<number | bigint> = {
  sql: 'bigint',
  write: (out, value) => out.int64Field(value),
  show: (field) => field.readBigInt64BE(0).toString(),
  order: 'signed',
};

export const float8: PgType<number> = {
  sql: 'double precision',
  write: (out, value) => out.float64Field(value),
  show(field) {
    const value = field.readDoubleBE(0);
    return Object.is(value, -0) ? '-0' : String(value);
  },
  // `=` holds 0.0 and -0.0 for the same; the sent bytes do not (hazard H14).
  identity: (column) => `float8send(${column})`,
};

export const bool: PgType<boolean> = {
  sql: 'boolean',
  write(out, value) {
    out.int32(1);
    out.reserve(1);
    out.bytes[out.length++] = value ? 1 : 0;
  },
  show: (field) => String(field[0] === 1),
  order: 'bytes',
};

/** Microseconds from 1970-01-01 to 2000-01-01, where PostgreSQL counts from. */
export const POSTGRES_EPOCH_MICROSECONDS = 946_684_800_000_000;

/** A value is microseconds since 2000-01-01T00:00:00Z. */
export const timestamptz: PgType<number | bigint> = {
  sql: 'timestamp with time zone',
  write: (out, value) => out.int64Field(value),
  show(field) {
    const micros = field.readBigInt64BE(0) + BigInt(POSTGRES_EPOCH_MICROSECONDS);
    const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
    const date = new Date(Number((micros - fraction) / 1000n));
    if (Number.isNaN(date.getTime())) return `${micros} microseconds since 1970`;
    return date.toISOString().replace('.000Z', `.${fraction.toString().padStart(6, '0')}Z`);
  },
  order: 'signed',
};

/** A value is days since 2000-01-01. */
export const date: PgType<number> = {
  sql: 'date',
  write: int4.write,
  show: (field) => new Date((field.readInt32BE(0) + 10_957) * 86_400_000).toISOString().slice(0, 10),
  order: 'signed',
};

/** A value is the sixteen bytes. */
export const uuid: PgType<Uint8Array> = {
  sql: 'uuid',
  write: (out, value) => out.field(value),
  show: uuidText,
  order: 'bytes',
};

/** The byte that a binary jsonb begins with. */
export const JSONB_VERSION = 1;

/** A value is the canonical text that `encodeJsonb` makes, so that equal documents are mostly equal bytes. */
export const jsonb: PgType<Uint8Array> = {
  sql: 'jsonb',
  write(out, value) {
    out.int32(value.length + 1);
    out.reserve(1);
    out.bytes[out.length++] = JSONB_VERSION;
    out.raw(value);
  },
  show: (field) => field.toString('utf8', 1),
  same: (a, b) => sameJson(documentOf(a), documentOf(b)) === undefined,
  // jsonb's own `=` ignores the scale of a number (1.0 = 1), and so does sameJson.
};

function documentOf(field: Buffer): JsonValue {
  return parseJson(field.subarray(1)).value;
}

const IS_LITTLE_ENDIAN = endianness() === 'LE';

/** The fewest digits that read back as the same single-precision number. */
function shortest(value: number): string {
  if (Object.is(value, -0)) return '-0';
  for (let digits = 1; digits < 9; digits++) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return String(Number(text));
  }
  return String(Number(value.toPrecision(9)));
}

/**
 * pgvector's `vector`: single-precision elements, as many as the value has. Binary: int16 number of elements, int16 0,
 * then each as float4. Source: `vector_send` of pgvector.
 */
export const vector: PgType<Float32Array | PackedVector> = {
  sql: 'vector',
  write(out, value) {
    if (value instanceof PackedVector) {
      out.field(value.bytes);
      return;
    }
    const size = 4 + 4 * value.length;
    out.int32(size);
    out.int16(value.length);
    out.int16(0);
    out.reserve(value.byteLength);
    const written = out.bytes.subarray(out.length, out.length + value.byteLength);
    written.set(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    if (IS_LITTLE_ENDIAN) written.swap32();
    out.length += value.byteLength;
  },
  show(field) {
    const elements = Array.from({ length: field.readInt16BE(0) }, (_, i) => field.readFloatBE(4 + 4 * i));
    return `[${elements.map(shortest).join(',')}]`;
  },
  // `=` holds 0.0 and -0.0 for the same; the sent bytes do not.
  identity: (column) => `vector_send(${column})`,
};
