import { describe, expect, it } from 'vitest';
import { CopyBuffer } from '../../jobs/engine/copy-buffer.ts';
import { compareKeys, type KeyOrder, sortKey } from '../../jobs/engine/key-order.ts';
import * as pg from '../../jobs/engine/pg-types.ts';
import { random } from '../../jobs/sample/random.ts';

interface Row {
  readonly bytes: Buffer;
  readonly start: number;
}

// biome-ignore lint/suspicious/noExplicitAny: keys of several types
type Type = pg.PgType<any>;

/** A row that does not begin at 0, with another column behind the key. */
function rowOf(types: readonly Type[], values: readonly unknown[]): Row {
  const buffer = new CopyBuffer();
  buffer.textField('another row');
  const start = buffer.length;
  buffer.int16(types.length + 1);
  types.forEach((type, i) => {
    type.write(buffer, values[i]);
  });
  buffer.textField('no part of the key');
  return { bytes: buffer.from(0), start };
}

const sign = (value: number) => Math.sign(value) + 0;

/** Both ways of ordering must agree with `expected` for each pair. */
function expectOrder(types: readonly Type[], keys: unknown[][], expected: (i: number, j: number) => number) {
  const order: KeyOrder = types.map((type) => type.order!);
  const rows = keys.map((key) => rowOf(types, key));
  const sortKeys = rows.map(({ bytes, start }) => sortKey(bytes, start, order));
  for (let i = 0; i < rows.length; i++) {
    for (let j = 0; j < rows.length; j++) {
      const [a, b] = [rows[i]!, rows[j]!];
      const compared = sign(compareKeys(a.bytes, a.start, b.bytes, b.start, order));
      const sorted = sign(Buffer.compare(sortKeys[i]!, sortKeys[j]!));
      const want = sign(expected(i, j));
      if (compared !== want || sorted !== want) {
        expect.fail(`${keys[i]} and ${keys[j]}: ${compared} and ${sorted} instead of ${want}`);
      }
    }
  }
}

describe('as PostgreSQL orders', () => {
  it('text under COLLATE "C": prefixes first, and characters beyond U+FFFF last', () => {
    // `select x from unnest(…) x order by x collate "C"` on PostgreSQL 17. JavaScript would put 😀 before ｚ.
    const texts = [
      '',
      'Z',
      'a',
      'a\u0001',
      'a b',
      'aa',
      'b',
      'z',
      '~',
      'é',
      'ÿ',
      '日',
      '日本',
      'ﷺ',
      'ｚ',
      '😀',
      '𠮷',
    ];
    expectOrder(
      [pg.text],
      texts.map((text) => [text]),
      (i, j) => i - j,
    );
  });

  it('any text as its UTF-8 bytes', () => {
    const letters = [
      'a',
      'b',
      '\u0001',
      '~',
      '\u007f',
      'é',
      '߿',
      'ࠀ',
      '日',
      '\ud7ff',
      '\ue000',
      '\uffff',
      '𐀀',
      '😀',
      '\u{10ffff}',
    ];
    const values = random(1, 'key order');
    const texts = Array.from({ length: 300 }, () =>
      Array.from({ length: values.int(0, 4) }, () => values.pick(letters)).join(''),
    );
    expectOrder(
      [pg.text],
      texts.map((text) => [text]),
      (i, j) => Buffer.compare(Buffer.from(texts[i]!), Buffer.from(texts[j]!)),
    );
  });

  it('integers, instants and days by their value, whatever the sign', () => {
    const int4 = [-2147483648, -65536, -256, -255, -1, 0, 1, 255, 256, 2147483647];
    const int8 = [
      -(2n ** 63n),
      -4294967297n,
      -4294967296n,
      -1n,
      0n,
      1n,
      4294967295n,
      4294967296n,
      2n ** 63n - 1n,
    ];
    expectOrder(
      [pg.int4],
      int4.map((value) => [value]),
      (i, j) => i - j,
    );
    expectOrder(
      [pg.date],
      int4.map((value) => [value]),
      (i, j) => i - j,
    );
    expectOrder(
      [pg.int8],
      int8.map((value) => [value]),
      (i, j) => i - j,
    );
    expectOrder(
      [pg.timestamptz],
      int8.map((value) => [value]),
      (i, j) => i - j,
    );
  });

  it('uuid as bytes, with and without zeros among them', () => {
    const uuids = [
      '00000000000000000000000000000000',
      '00000000000000000000000000000001',
      '7fffffffffffffffffffffffffffffff',
      '80000000000000000000000000000000',
      'ffffffffffffffffffffffffffffffff',
    ];
    expectOrder(
      [pg.uuid],
      uuids.map((hex) => [Buffer.from(hex, 'hex')]),
      (i, j) => i - j,
    );
  });

  it('several columns by the first that differs: a longer text does not run into the next column', () => {
    const keys = [
      ['a', -1],
      ['a', 0],
      ['a', 0x62_00_00_00],
      ['a\u0001', -2147483648],
      ['ab', -5],
      ['ab', 5],
      ['b', -2147483648],
    ];
    expectOrder([pg.text, pg.int4], keys, (i, j) => i - j);
    expectOrder(
      [pg.int4, pg.text],
      keys.map(([text, n]) => [n, text]),
      (i, j) => {
        const [a, b] = [keys[i]!, keys[j]!];
        return (
          Number(a[1]) - Number(b[1]) || Buffer.compare(Buffer.from(String(a[0])), Buffer.from(String(b[0])))
        );
      },
    );
  });
});

it('rows of other values behind the key are equal by it', () => {
  const [a, b] = [new CopyBuffer(), new CopyBuffer()];
  for (const [buffer, other] of [
    [a, 'x'],
    [b, 'y'],
  ] as const) {
    buffer.int16(2);
    buffer.int64Field(7);
    buffer.textField(other);
  }
  expect(compareKeys(a.bytes, 0, b.bytes, 0, ['signed'])).toBe(0);
});
