import { describe, expect, it } from 'vitest';
import { vector } from '../../jobs/engine/contracts.ts';
import { CopyBuffer } from '../../jobs/engine/copy-buffer.ts';
import * as pg from '../../jobs/engine/pg-types.ts';
import { float4Text, PackedVector } from '../../jobs/sources/packed-vector.ts';
import { outcome } from '../records.ts';

const field = vector('embedding');

/** As pgvector sends it. */
function packed(
  elements: readonly number[],
  changes: { dimensions?: number; unused?: number } = {},
): PackedVector {
  const bytes = Buffer.alloc(4 + 4 * elements.length);
  bytes.writeInt16BE(changes.dimensions ?? elements.length, 0);
  bytes.writeInt16BE(changes.unused ?? 0, 2);
  for (const [i, each] of elements.entries()) bytes.writeFloatBE(each, 4 + 4 * i);
  return new PackedVector(bytes);
}

describe('a packed vector', () => {
  it('is written as it came', () => {
    const elements = [0.1, -0, 3e-38, 1e-45, -3.4028234663852886e38];
    const own = packed(elements);
    expect(outcome(field, own)).toBe(own);
    const [bytes, numbers] = [new CopyBuffer(), new CopyBuffer()];
    pg.vector.write(bytes, own);
    pg.vector.write(numbers, Float32Array.from(elements));
    expect(bytes.from(0)).toEqual(numbers.from(0));
  });

  it.each([
    ['an element is NaN', packed([1, Number.NaN]), 'NON_FINITE'],
    ['an element is infinite', packed([Number.POSITIVE_INFINITY, 1]), 'NON_FINITE'],
    ['the last element is infinite', packed([1, 2, 3, Number.NEGATIVE_INFINITY]), 'NON_FINITE'],
    ['it says another dimension', packed([1, 2], { dimensions: 3 }), 'BAD_VECTOR'],
    ['it says a negative one', packed([1, 2], { dimensions: -2 }), 'BAD_VECTOR'],
    ['what is not used is', packed([1, 2], { unused: 1 }), 'BAD_VECTOR'],
    ['it has no elements', packed([]), 'BAD_VECTOR'],
    ['it has too many', packed(new Array(16_001).fill(1)), 'BAD_VECTOR'],
    ['it is empty', new PackedVector(Buffer.alloc(0)), 'BAD_VECTOR'],
    ['it is cut', new PackedVector(packed([1, 2]).bytes.subarray(0, 10)), 'BAD_VECTOR'],
  ])('is refused when %s', (_, own, code) => {
    expect(outcome(field, own)).toBe(code);
  });

  it('may have 16,000 elements, and lie anywhere in memory', () => {
    const { bytes } = packed(new Array(16_000).fill(0.5));
    const block = Buffer.concat([Buffer.alloc(3), bytes]);
    expect(outcome(field, new PackedVector(block.subarray(3)))).toMatchObject({ length: 16_000 });
  });

  // Each as `select x::float4::text` of PostgreSQL 17 answers.
  it.each([
    [0.1, '0.1'],
    [-0, '-0'],
    [16777216, '1.6777216e+07'],
    [123456, '123456'],
    [1234567, '1.234567e+06'],
    [100000, '100000'],
    [1e6, '1e+06'],
    [0.0001, '0.0001'],
    [0.00012345, '0.00012345'],
    [0.00001, '1e-05'],
    [1.5, '1.5'],
    [-123.456, '-123.456'],
    [1e-45, '1e-45'],
    [2 ** -126, '1.1754944e-38'],
    [3.4028234663852886e38, '3.4028235e+38'],
    [2 ** -99, '1.5777218e-30'],
    [9.5367431640625e-7, '9.536743e-07'],
    [0.3333333333333333, '0.33333334'],
    // In the middle of two decimals.
    [0.000244140625, '0.00024414062'],
    [2097152.25, '2.0971522e+06'],
    [-423709.625, '-423709.62'],
    [Number.NaN, 'NaN'],
    [Number.NEGATIVE_INFINITY, '-Infinity'],
  ])('has %d as %s', (value, text) => {
    expect(float4Text(Math.fround(value))).toBe(text);
  });
});
