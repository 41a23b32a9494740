import { describe, expect, test } from 'vitest';
import { encodeJsonb, JsonbUnstorable, replaceNonFinite, sameJson } from '../../jobs/engine/jsonb.ts';
import { parseJson } from '../../jobs/sources/json-parse.ts';
import { JsonNumber, type JsonObject, type JsonValue } from '../../jobs/sources/json-value.ts';
import { randomDocument, seededRandom } from '../json-documents.ts';

function parse(text: string): JsonValue {
  return parseJson(Buffer.from(text)).value;
}

function encode(text: string): string {
  return encodeJsonb(parse(text)).toString();
}

/** The expected texts are what PostgreSQL 15 printed; test/integration/jsonb.test.ts asks a server again. */
describe('encodeJsonb', () => {
  test.each([
    ['null', 'null'],
    [' [ true,false ,null ] ', '[true, false, null]'],
    ['[1,[],{},[{}],{"a":[]}]', '[1, [], {}, [{}], {"a": []}]'],
    ['"\\u0001\\u001f\\b\\f\\n\\r\\t\\u000b\\"\\\\\\/"', '"\\u0001\\u001f\\b\\f\\n\\r\\t\\u000b\\"\\\\/"'],
    ['"\\u007f\\u0080\\u2028é日\\ud83d\\ude00𠮷"', '"\u007f\u0080\u2028é日😀𠮷"'],
  ])('%s', (document, text) => {
    expect(encode(document)).toBe(text);
  });

  test.each([
    [
      'by length in bytes before letters',
      '{"b":1,"aa":2,"a":3,"é":4,"zz":0}',
      '{"a": 3, "b": 1, "aa": 2, "zz": 0, "é": 4}',
    ],
    ['by UTF-8 bytes, not UTF-16', '{"\uffffa":4,"😀":3}', '{"\uffffa": 4, "😀": 3}'],
    [
      'the last value of a repeated key',
      '{"a":1,"b":2,"a":{"x":[],"":0}}',
      '{"a": {"": 0, "x": []}, "b": 2}',
    ],
    [
      'keys that mean something to JavaScript',
      '{"__proto__":1,"10":2,"9":3}',
      '{"9": 3, "10": 2, "__proto__": 1}',
    ],
    ['escaped keys', '{"\\n":1}', '{"\\n": 1}'],
  ])('keys: %s', (_, document, text) => {
    expect(encode(document)).toBe(text);
  });

  test('keys of objects that differ only in their order', () => {
    const orders = [
      '{"a":1,"b":2,"cc":3}',
      '{"cc":3,"b":2,"a":1}',
      '{"b":2,"cc":3,"a":1}',
      '{"x":1,"b":2,"cc":3}',
    ];
    expect(orders.map(encode)).toEqual([
      ...Array.from({ length: 3 }, () => '{"a": 1, "b": 2, "cc": 3}'),
      '{"b": 2, "x": 1, "cc": 3}',
    ]);
  });

  test.each([
    ['0', '0'],
    ['-0', '0'],
    ['-0.0', '0.0'],
    ['0e5', '0'],
    ['0e-5', '0.00000'],
    ['-0.000e-2', '0.00000'],
    ['1.50', '1.50'],
    ['-1.50e1', '-15.0'],
    ['1.50e2', '150'],
    ['1E+2', '100'],
    ['1.5E-3', '0.0015'],
    ['-0.0015e1', '-0.015'],
    ['0.0001e5', '10'],
    ['1e-20', '0.00000000000000000001'],
    ['12345e-3', '12.345'],
    ['1e00000000000000000000000000000005', '100000'],
    ['9223372036854775807', '9223372036854775807'],
    ['123456789012345678901234567890.10', '123456789012345678901234567890.10'],
    ['0e1073741822', '0'],
    ['1e131071', `1${'0'.repeat(131_071)}`],
    ['1e-16383', `0.${'0'.repeat(16_382)}1`],
  ])('the number %s', (number, text) => {
    expect(encode(number)).toBe(text);
  });

  test('a document longer than the first buffer', () => {
    const text = '日😀"x'.repeat(50_000);
    expect(encode(JSON.stringify(['short', text, text]))).toBe(
      `["short", ${JSON.stringify(text)}, ${JSON.stringify(text)}]`,
    );
    expect(encode('"short"')).toBe('"short"');
  });

  test('the result stays as it is when the next document is written', () => {
    const first = encodeJsonb('first');
    encodeJsonb('other');
    expect(first.toString()).toBe('"first"');
  });

  test.each<[string, JsonbUnstorable['code'], path: string]>([
    ['{"a":[1,NaN]}', 'NON_FINITE', '$.a[1]'],
    ['-Infinity', 'NON_FINITE', '$'],
    ['{"a":{"b c":"x\\u0000"}}', 'NUL_CHARACTER', '$.a["b c"]'],
    ['{"a":{"\\u0000":1}}', 'NUL_CHARACTER', '$.a["\\u0000"]'],
    ['["\\ud800"]', 'LONE_SURROGATE', '$[0]'],
    ['["\\ud800\\u0041"]', 'LONE_SURROGATE', '$[0]'],
    ['["a\\udc00"]', 'LONE_SURROGATE', '$[0]'],
    ['["\\udc00\\udc00"]', 'LONE_SURROGATE', '$[0]'],
    ['{"\\udc00":1}', 'LONE_SURROGATE', '$["\\udc00"]'],
    ['[[],[0,{"n":1e131072}]]', 'NUMBER_RANGE', '$[1][1].n'],
    ['1.0e-16383', 'NUMBER_RANGE', '$'],
    ['-1e200000', 'NUMBER_RANGE', '$'],
    ['0e1073741823', 'NUMBER_RANGE', '$'],
    ['0e-16384', 'NUMBER_RANGE', '$'],
    ['1e99999999999999999999', 'NUMBER_RANGE', '$'],
    ['0e-99999999999999999999', 'NUMBER_RANGE', '$'],
  ])('%s cannot be stored', (document, code, path) => {
    expect(() => encode(document)).toThrow(JsonbUnstorable);
    expect(() => encode(document)).toThrow(expect.objectContaining({ code, path }));
    expect(encode('{"after":[1]}')).toBe('{"after": [1]}');
  });

  test('writes what it read: canonical text stays the same', () => {
    const random = seededRandom(5);
    for (let i = 0; i < 1000; i++) {
      const document = randomDocument(random, { storable: true });
      const text = encode(document);
      expect(encode(text)).toBe(text);
      expect(sameJson(parse(document), parse(text))).toBeUndefined();
    }
  });
});

describe('sameJson', () => {
  test.each([
    ['{"a":1,"b":{"c":2,"d":3}}', '{"b":{"d":3,"c":2},"a":1}'],
    ['[1.0,-0,0.0,1e2,-1.50,0e9]', '[1,0,-0,100,-1.5,0]'],
    ['123456789012345678901234567890', '1.2345678901234567890123456789e29'],
    ['1e1000000000000', '10e999999999999'],
    ['[NaN,Infinity]', '[NaN,Infinity]'],
    ['{"a":1,"a":2}', '{"a":2}'],
    ['"\\u3042\\ud83d\\ude00"', '"あ😀"'],
  ])('%s is %s', (a, b) => {
    expect(sameJson(parse(a), parse(b))).toBeUndefined();
    expect(sameJson(parse(b), parse(a))).toBeUndefined();
  });

  test.each<[a: string, b: string, path: string, was: string, is: string]>([
    ['{"a":{"b":[1,2]}}', '{"a":{"b":[1,3]}}', '$.a.b[1]', '2', '3'],
    ['[1,2]', '[1]', '$[1]', '2', 'nothing'],
    ['[1]', '[1,null]', '$[1]', 'nothing', 'null'],
    ['{"a":1}', '{"a":1,"b c":null}', '$["b c"]', 'nothing', 'null'],
    ['{"a":1,"b":null}', '{"a":1}', '$.b', 'null', 'nothing'],
    ['1', '"1"', '$', '1', '"1"'],
    ['""', 'null', '$', '""', 'null'],
    ['0', 'false', '$', '0', 'false'],
    ['{}', '[]', '$', 'object of 0', 'array of 0'],
    ['"a"', '"a "', '$', '"a"', '"a "'],
    ['"é"', '"e\u0301"', '$', '"é"', '"e\u0301"'],
    ['9223372036854775807', '9223372036854775808', '$', '9223372036854775807', '9223372036854775808'],
    ['0.1', '0.10000000000000000001', '$', '0.1', '0.10000000000000000001'],
    ['1', '-1', '$', '1', '-1'],
    ['1e5', '1e-5', '$', '1e5', '1e-5'],
    ['10', '1', '$', '10', '1'],
    ['Infinity', '-Infinity', '$', 'Infinity', '-Infinity'],
    ['NaN', '0', '$', 'NaN', '0'],
    ['{"__proto__":1}', '{}', '$.__proto__', '1', 'nothing'],
  ])('%s is not %s', (a, b, path, was, is) => {
    expect(sameJson(parse(a), parse(b))).toEqual({ path, a: was, b: is });
    expect(sameJson(parse(b), parse(a))).toEqual({ path, a: is, b: was });
  });

  test('long values are shortened', () => {
    const difference = sameJson('x'.repeat(100_000), new JsonNumber('1'.repeat(100_000)));
    expect(difference!.a.length + difference!.b.length).toBeLessThan(200);
  });
});

describe('replaceNonFinite', () => {
  test('puts null in their place and says where', () => {
    const before = parse('{"score":NaN,"list":[1,Infinity,{"x y":-Infinity}],"text":"NaN"}');
    const { value, paths } = replaceNonFinite(before);
    expect(value).toEqual(parse('{"score":null,"list":[1,null,{"x y":null}],"text":"NaN"}'));
    expect(paths).toEqual([
      { path: '$.score', was: 'NaN' },
      { path: '$.list[1]', was: 'Infinity' },
      { path: '$.list[2]["x y"]', was: '-Infinity' },
    ]);
    expect((before as JsonObject).get('score')).toEqual(new JsonNumber('NaN'));
  });

  test('leaves everything else as it is', () => {
    const before = parse('{"a":[1e400,-0,"Infinity"]}');
    const { value, paths } = replaceNonFinite(before);
    expect(value).toBe(before);
    expect(paths).toEqual([]);
  });
});
