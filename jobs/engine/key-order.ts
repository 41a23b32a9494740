import type { PgType } from './pg-types.ts';

/** How the key columns, which are the first of a row, are ordered. */
export type KeyOrder = readonly NonNullable<PgType<unknown>['order']>[];

/**
 * Compares the keys of two rows in binary COPY form as PostgreSQL orders them.
 * @param aStart offset of row a's field count
 * @returns negative, zero or positive
 */
export function compareKeys(a: Buffer, aStart: number, b: Buffer, bStart: number, order: KeyOrder): number {
  let atA = aStart + 2;
  let atB = bStart + 2;
  for (const each of order) {
    const endA = atA + 4 + a.readInt32BE(atA);
    const endB = atB + 4 + b.readInt32BE(atB);
    atA += 4;
    atB += 4;
    if (each === 'signed') {
      // Only the first byte holds the sign; with it flipped, unsigned order is the signed one.
      const signs = (a[atA]! ^ 0x80) - (b[atB]! ^ 0x80);
      if (signs !== 0) return signs;
    }
    // A call of Buffer.compare costs more than a short key.
    const end = atA + Math.min(endA - atA, endB - atB, SHORT);
    for (; atA < end; atA++, atB++) {
      const differ = a[atA]! - b[atB]!;
      if (differ !== 0) return differ;
    }
    const found =
      atA === endA || atB === endB ? endA - atA - (endB - atB) : a.compare(b, atB, endB, atA, endA);
    if (found !== 0) return found;
    atA = endA;
    atB = endB;
  }
  return 0;
}

/** Bytes that are compared one by one. */
const SHORT = 64;

/** The key of a row as bytes whose memcmp order is the same order, for sorting outside PostgreSQL. */
export function sortKey(bytes: Buffer, start: number, order: KeyOrder): Buffer {
  let size = 0;
  for (let at = start + 2, i = 0; i < order.length; i++) {
    const length = bytes.readInt32BE(at);
    at += 4 + length;
    size += length + (order[i] === 'signed' ? 0 : 1);
  }
  const key = Buffer.allocUnsafe(size);
  let filled = 0;
  for (let at = start + 2, i = 0; i < order.length; i++) {
    const end = at + 4 + bytes.readInt32BE(at);
    const first = filled;
    for (at += 4; at < end; at++) key[filled++] = bytes[at]!;
    if (order[i] === 'signed') key[first] = key[first]! ^ 0x80;
    // Text has no NUL, so a NUL behind it sorts the value below its continuations; fixed-size values don't mind.
    else key[filled++] = 0;
  }
  return key;
}
