import type { Bytes } from './read-ahead.ts';
import { CellKind, type Cells } from './source.ts';

/** Reads a big-endian base-128 number; where it ends is in {@link varintEnd}. Beyond 2^53 it loses digits. */
export function varint(bytes: Buffer, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) {
    varintEnd = at + 1;
    return first;
  }
  const second = bytes[at + 1]!;
  if (second < 0x80) {
    varintEnd = at + 2;
    return ((first & 0x7f) << 7) | second;
  }
  const third = bytes[at + 2]!;
  if (third < 0x80) {
    varintEnd = at + 3;
    return ((first & 0x7f) << 14) | ((second & 0x7f) << 7) | third;
  }
  return longVarint(bytes, at);
}

/** Behind the number that {@link varint} read last. */
export let varintEnd = 0;

function longVarint(bytes: Buffer, at: number): number {
  // Seven bytes fit a double; the eighth rounds once.
  let value = 0;
  for (let i = 0; i < 8; i++) {
    const byte = bytes[at + i]!;
    value = value * 0x80 + (byte & 0x7f);
    if (byte < 0x80) {
      varintEnd = at + i + 1;
      return value;
    }
  }
  // The ninth has eight bits, the sign of all among them.
  let exact = 0n;
  for (let i = 0; i < 8; i++) exact = (exact << 7n) | BigInt(bytes[at + i]! & 0x7f);
  varintEnd = at + 9;
  return Number(BigInt.asIntN(64, (exact << 8n) | BigInt(bytes[at + 8]!)));
}

/** Serial types of an integer of eight bytes and of a real. */
const LONG = 6;
const REAL = 7;

/** Bytes of an integer of this serial type in a record's body. */
export function integerSize(type: number): number {
  return type <= 4 ? type : type === 5 ? 6 : type === LONG ? 8 : 0;
}

/** An integer of this serial type; beyond 2^53 it loses digits. */
export function integerAt(view: DataView, at: number, type: number): number {
  switch (type) {
    case 1:
      return view.getInt8(at);
    case 2:
      return view.getInt16(at);
    case 3:
      return view.getInt8(at) * 0x1_0000 + view.getUint16(at + 1);
    case 4:
      return view.getInt32(at);
    case 5:
      return view.getInt16(at) * 0x1_0000_0000 + view.getUint32(at + 2);
    case LONG:
      return view.getInt32(at) * 0x1_0000_0000 + view.getUint32(at + 4);
    case 8:
      return 0;
    case 9:
      return 1;
    default:
      throw new Error(`serial type ${type} is no integer`);
  }
}

/** What the fields of a table's records are. */
export interface RecordShape {
  /** Of each field, its place among the cells; -1 for one that nobody reads. */
  readonly places: Int32Array;
  /** Of each field, 1 where an integer stands for a real: SQLite stores 5.0 so. */
  readonly real: Uint8Array;
}

/**
 * Reads the fields of a record into cells, but for `bytes`.
 * @returns false for a record that was written before the table got its last columns: what they hold is elsewhere
 * @throws Error for what is no record
 */
export function readRecord(
  { bytes, view }: Bytes,
  start: number,
  size: number,
  { places, real }: RecordShape,
  { kinds, numbers, starts, sizes }: Cells,
): boolean {
  let body = start + varint(bytes, start);
  let head = varintEnd;
  const headEnd = body;
  const fields = places.length;
  for (let field = 0; field < fields; field++) {
    if (head >= headEnd) return false;
    let type = bytes[head]!;
    if (type < 0x80) {
      head++;
    } else {
      type = varint(bytes, head);
      head = varintEnd;
    }
    const place = places[field]!;
    if (type >= 12) {
      const length = (type - 12) >>> 1;
      if (place >= 0) {
        kinds[place] = type & 1 ? CellKind.text : CellKind.blob;
        starts[place] = body;
        sizes[place] = length;
      }
      body += length;
    } else if (type === REAL) {
      if (place >= 0) {
        const value = view.getFloat64(body);
        // Not a number is nothing, wherever SQLite reads it.
        kinds[place] = Number.isNaN(value) ? CellKind.null : CellKind.real;
        numbers[place] = value;
      }
      body += 8;
    } else if (type === 0) {
      if (place >= 0) kinds[place] = CellKind.null;
    } else {
      if (place >= 0) {
        kinds[place] = real[field] === 1 ? CellKind.real : CellKind.integer;
        numbers[place] = integerAt(view, body, type);
      }
      body += integerSize(type);
    }
  }
  if (body > start + size) throw new Error('a record is longer than its payload');
  return true;
}

/**
 * Order of two records by all fields behind the first ones, as SQLite sorts them: nothing, numbers, texts by their bytes,
 * blobs by theirs.
 * @param first how many fields are left out; both records have more of them, and one number of fields
 */
export function compareRecords(a: Bytes, aStart: number, b: Bytes, bStart: number, first: number): number {
  let bodyA = aStart + varint(a.bytes, aStart);
  let headA = varintEnd;
  let bodyB = bStart + varint(b.bytes, bStart);
  let headB = varintEnd;
  const end = bodyA;
  for (let field = 0; headA < end; field++) {
    const typeA = varint(a.bytes, headA);
    headA = varintEnd;
    const typeB = varint(b.bytes, headB);
    headB = varintEnd;
    const [sizeA, sizeB] = [contentSize(typeA), contentSize(typeB)];
    if (field >= first) {
      const [rankA, rankB] = [rank(typeA), rank(typeB)];
      if (rankA !== rankB) return rankA - rankB;
      const order =
        rankA === Rank.number
          ? compareNumbers(a.view, bodyA, typeA, b.view, bodyB, typeB)
          : a.bytes.compare(b.bytes, bodyB, bodyB + sizeB, bodyA, bodyA + sizeA);
      if (order !== 0) return order;
    }
    bodyA += sizeA;
    bodyB += sizeB;
  }
  return 0;
}

const Rank = { null: 0, number: 1, text: 2, blob: 3 } as const;

function rank(type: number): number {
  if (type === 0) return Rank.null;
  if (type < 12) return Rank.number;
  return type & 1 ? Rank.text : Rank.blob;
}

function contentSize(type: number): number {
  if (type >= 12) return (type - 12) >>> 1;
  return type === REAL ? 8 : integerSize(type);
}

function compareNumbers(
  a: DataView,
  atA: number,
  typeA: number,
  b: DataView,
  atB: number,
  typeB: number,
): number {
  if (typeA === LONG && typeB === LONG) {
    const [x, y] = [a.getBigInt64(atA), b.getBigInt64(atB)];
    return x < y ? -1 : x > y ? 1 : 0;
  }
  const x = typeA === REAL ? a.getFloat64(atA) : integerAt(a, atA, typeA);
  const y = typeB === REAL ? b.getFloat64(atB) : integerAt(b, atB, typeB);
  return x < y ? -1 : x > y ? 1 : 0;
}
