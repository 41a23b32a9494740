import { describe, expect, it } from 'vitest';
import { CopyBuffer } from '../../jobs/engine/copy-buffer.ts';
import { encodeJsonb } from '../../jobs/engine/jsonb.ts';
import * as pg from '../../jobs/engine/pg-types.ts';
import { parseJson } from '../../jobs/sources/json-parse.ts';

/** The binary form without its length, which must be right. */
function sent<V>(type: pg.PgType<V>, value: V): string {
  const buffer = new CopyBuffer(1);
  type.write(buffer, value);
  expect(buffer.bytes.readInt32BE(0)).toBe(buffer.length - 4);
  return buffer.from(4).toString('hex');
}

const shown = <V>(type: pg.PgType<V>, hex: string) => type.show(Buffer.from(hex, 'hex'));

// All hexadecimal below is from PostgreSQL 17: `select encode(int4send(x), 'hex')`, `timestamptz_send` and so on.

it.each([
  [0, '00000000'],
  [1, '00000001'],
  [-1, 'ffffffff'],
  [2147483647, '7fffffff'],
  [-2147483648, '80000000'],
  [20250611, '0134fff3'],
])('integer %d', (value, hex) => {
  expect(sent(pg.int4, value)).toBe(hex);
  expect(shown(pg.int4, hex)).toBe(String(value));
});

it.each([
  [-4294967297n, 'fffffffeffffffff'],
  [9007199254740993n, '0020000000000001'],
])('bigint %d', (value, hex) => {
  expect(sent(pg.int8, value)).toBe(hex);
  expect(shown(pg.int8, hex)).toBe(String(value));
});

it.each([
  [0, '0000000000000000', '0'],
  [-0, '8000000000000000', '-0'],
  [-1.5, 'bff8000000000000', '-1.5'],
  [0.1, '3fb999999999999a', '0.1'],
  [1e-5, '3ee4f8b588e368f1', '0.00001'],
  [5e-324, '0000000000000001', '5e-324'],
  [Number.MAX_VALUE, '7fefffffffffffff', '1.7976931348623157e+308'],
  [Number.POSITIVE_INFINITY, '7ff0000000000000', 'Infinity'],
  [Number.NEGATIVE_INFINITY, 'fff0000000000000', '-Infinity'],
  [Number.NaN, '7ff8000000000000', 'NaN'],
  [64250.123456789, '40ef5f43f35ba6e7', '64250.123456789'],
])('double precision %d', (value, hex, text) => {
  expect(sent(pg.float8, value)).toBe(hex);
  expect(shown(pg.float8, hex)).toBe(text);
});

it('boolean', () => {
  expect(sent(pg.bool, true)).toBe('01');
  expect(sent(pg.bool, false)).toBe('00');
  expect(shown(pg.bool, '01')).toBe('true');
  expect(shown(pg.bool, '00')).toBe('false');
});

it.each([
  [0, '0000000000000000', '2000-01-01T00:00:00.000000Z'],
  [-1, 'ffffffffffffffff', '1999-12-31T23:59:59.999999Z'],
  [-946_684_800_000_000, 'fffca2fec4c82000', '1970-01-01T00:00:00.000000Z'],
  [802_483_200_000_000, '0002d9daae130000', '2025-06-06T00:00:00.000000Z'],
  [802_486_800_123_456, '0002d9db84a88640', '2025-06-06T01:00:00.123456Z'],
  [-63_082_281_600_000_000n, 'ff1fe2ffc59c6000', '0001-01-01T00:00:00.000000Z'],
  [252_455_615_999_999_999n, '0380e70b913b7fff', '9999-12-31T23:59:59.999999Z'],
])('timestamp with time zone %d', (value, hex, text) => {
  expect(sent(pg.timestamptz, value)).toBe(hex);
  expect(shown(pg.timestamptz, hex)).toBe(text);
});

it('an instant that JavaScript has no date for is shown all the same', () => {
  // `infinity`
  expect(shown(pg.timestamptz, '7fffffffffffffff')).toMatch(/microseconds since 1970$/);
});

it.each([
  [0, '00000000', '2000-01-01'],
  [-1, 'ffffffff', '1999-12-31'],
  [9312, '00002460', '2025-06-30'],
  [8825, '00002279', '2024-02-29'],
  [-36466, 'ffff718e', '1900-02-28'],
  [-36465, 'ffff718f', '1900-03-01'],
  [2921939, '002c95d3', '9999-12-31'],
])('date %d', (value, hex, text) => {
  expect(sent(pg.date, value)).toBe(hex);
  expect(shown(pg.date, hex)).toBe(text);
});

it('uuid', () => {
  const hex = '00112233445566778899aabbccddeeff';
  expect(sent(pg.uuid, Buffer.from(hex, 'hex'))).toBe(hex);
  expect(shown(pg.uuid, hex)).toBe('00112233-4455-6677-8899-aabbccddeeff');
});

it('text, as a string and as bytes', () => {
  for (const value of ['日本 𠮷', Buffer.from('日本 𠮷')]) {
    expect(sent(pg.text, value)).toBe('e697a5e69cac20f0a0aeb7');
  }
  expect(shown(pg.text, 'e697a5e69cac20f0a0aeb7')).toBe('日本 𠮷');
});

describe('jsonb', () => {
  const document = (text: string) => encodeJsonb(parseJson(Buffer.from(text)).value);
  // `jsonb_send('{"b": 1.50, "a": "é", "aa": [null, true]}')`
  const hex = '017b2261223a2022c3a9222c202262223a20312e35302c20226161223a205b6e756c6c2c20747275655d7d';

  it('is sent as the server sends it', () => {
    expect(sent(pg.jsonb, document('{"b":1.50,"a":"\\u00e9","aa":[null,true]}'))).toBe(hex);
    expect(shown(pg.jsonb, hex)).toBe('{"a": "é", "b": 1.50, "aa": [null, true]}');
  });

  it('is the same document whatever the spelling of a number, and no other one', () => {
    const field = (text: string) => Buffer.concat([Buffer.from([1]), document(text)]);
    expect(pg.jsonb.same!(field('{"a":1.0}'), field('{"a":1}'))).toBe(true);
    expect(pg.jsonb.same!(field('{"a":1}'), field('{"a":"1"}'))).toBe(false);
    expect(pg.jsonb.same!(field('{"a":null}'), field('{}'))).toBe(false);
  });
});

it('a double is told apart by its bits, so that an update of 0.0 to -0.0 is written', () => {
  expect(pg.float8.identity!('target."volume"')).toBe('float8send(target."volume")');
});

it.each([
  [
    [1, -0, 0.1, 3e-38, 16777216, -12345.678],
    '000600003f800000800000003dcccccd012355e64b800000c640e6b6',
    '[1,-0,0.1,3e-38,16777216,-12345.678]',
  ],
  [
    [1e-45, 3.4028235e38, 0.3333333333],
    '00030000000000017f7fffff3eaaaaab',
    '[1e-45,3.4028235e+38,0.33333334]',
  ],
])('vector %j', (value, hex, text) => {
  expect(sent(pg.vector, new Float32Array(value))).toBe(hex);
  expect(shown(pg.vector, hex)).toBe(text);
});
