import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { vector } from '../../jobs/engine/contracts.ts';
import { parseJson } from '../../jobs/sources/json-parse.ts';
import { outcome } from '../records.ts';

const field = vector('embedding');
/** What becomes of a field that is written so in JSON. */
const of = (json: string) => {
  const found = outcome(field, parseJson(Buffer.from(json)).value);
  return found instanceof Float32Array ? [...found] : found;
};
const packed = (text: string | Buffer, marker = '_compressed') =>
  JSON.stringify({ [marker]: true, data: deflateSync(text).toString('base64') });

describe('a vector', () => {
  it.each([
    ['an array', '[0.5, -2, 1e-3]'],
    ['its text', '"[0.5,-2,0.001]"'],
    ['compressed by the newest program', packed('[0.5,-2,0.001]')],
    ['compressed by an older one', packed('[0.5,-2,0.001]', 'compressed')],
  ])('is read from %s', (_, json) => {
    expect(of(json)).toEqual([0.5, -2, Math.fround(0.001)]);
  });

  it('is rounded to single precision, and keeps the sign of zero', () => {
    expect(of('[0.18081611872322986, -0.0, 3.4028235e38, 1e-50]')).toEqual([
      0.18081611394882202, -0, 3.4028234663852886e38, 0,
    ]);
  });

  it('may have 16,000 elements', () => {
    const zeros = (n: number) => `[${new Array(n).fill('0').join()}]`;
    expect(of(zeros(16_000))).toHaveLength(16_000);
    expect(of(zeros(16_001))).toBe('BAD_VECTOR');
  });

  it.each([
    ['an element is null', '[1, null]', 'NON_FINITE'],
    ['an element is NaN', '[1, NaN]', 'NON_FINITE'],
    ['an element is infinite', '[1, -Infinity]', 'NON_FINITE'],
    ['an element is infinite in single precision only', '[1e39]', 'OUT_OF_RANGE'],
    ['an element is beyond double precision', '[1e400]', 'OUT_OF_RANGE'],
    ['an element is a text', '[1, "2"]', 'BAD_VECTOR'],
    ['an element is an array', '[[1]]', 'BAD_VECTOR'],
    ['there are no elements', '[]', 'BAD_VECTOR'],
    ['it is a number', '1', 'BAD_VECTOR'],
    ['the text is no JSON', '"[1,"', 'BAD_VECTOR'],
    ['the text is another thing', '"{}"', 'BAD_VECTOR'],
    ['the object is no compressed one', '{"data": "eJwDAAAAAAE="}', 'BAD_VECTOR'],
    ['the object says more', '{"_compressed": true, "data": "eJwDAAAAAAE=", "size": 1}', 'BAD_VECTOR'],
    ['the data is no text', '{"_compressed": true, "data": [1]}', 'BAD_VECTOR'],
    ['the data is no base64', '{"_compressed": true, "data": "eJw*"}', 'BAD_VECTOR'],
    ['the data is not deflated', '{"_compressed": true, "data": "AAAA"}', 'BAD_VECTOR'],
    ['it unpacks to megabytes', packed(Buffer.alloc(2_000_000, ' ')), 'BAD_VECTOR'],
    ['the compressed text is no array', packed('{}'), 'BAD_VECTOR'],
    ['it is null', 'null', 'NULL_VALUE'],
  ])('is refused when %s', (_, json, code) => {
    expect(of(json)).toBe(code);
  });

  it('is refused when its compressed data is cut, changed or continued', () => {
    const data = deflateSync('[0.5,-2,0.001]');
    const changed = Buffer.from(data);
    changed[data.length - 1]! ^= 1;
    for (const damaged of [data.subarray(0, -2), changed, Buffer.concat([data, Buffer.from([0])])]) {
      expect(of(JSON.stringify({ _compressed: true, data: damaged.toString('base64') }))).toBe('BAD_VECTOR');
    }
  });

  it('goes back as an array of what was stored', () => {
    const row = {
      text: () => '[0.5,-0,0.18081611]',
      notes: [],
      nameOf: () => undefined,
      keyOf: () => undefined,
    };
    expect(JSON.stringify(field.legacy!(row))).toBe('[{"text":"0.5"},{"text":"-0"},{"text":"0.18081611"}]');
  });
});
