import { describe, expect, it } from 'vitest';
import { varint, varintEnd } from '../../jobs/sources/sqlite-record.ts';

/** A varint as SQLite writes it: seven bits a byte, the ninth has eight (https://www.sqlite.org/fileformat2.html#varint). */
function written(value: bigint): Buffer {
  const unsigned = BigInt.asUintN(64, value);
  let groups = 1;
  while (groups < 9 && unsigned >> BigInt(7 * groups) > 0n) groups++;
  const isLongest = groups === 9;
  const bytes = Array.from({ length: groups }, (_, i) => {
    const shift = BigInt(7 * (groups - 1 - i) + (isLongest ? 1 : 0));
    return Number((unsigned >> shift) & 0x7fn) | 0x80;
  });
  bytes[groups - 1] = isLongest ? Number(unsigned & 0xffn) : bytes[groups - 1]! & 0x7f;
  return Buffer.from(bytes);
}

describe('a varint', () => {
  const edges = Array.from({ length: 64 }, (_, bit) => 1n << BigInt(bit));
  const values = edges.flatMap((edge) => [edge - 1n, edge, edge + 1n, edge + (edge >> 1n), -edge]);

  it.each(values)('%d', (value) => {
    const bytes = Buffer.concat([Buffer.from([0xff]), written(value), Buffer.from([0xff])]);
    const signed = BigInt.asIntN(64, value);
    expect([varint(bytes, 1), varintEnd]).toEqual([Number(signed), bytes.length - 1]);
  });
});
