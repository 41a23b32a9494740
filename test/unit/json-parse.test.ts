import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import { JsonSyntaxError, parseJson } from '../../jobs/sources/json-parse.ts';
import { JsonNumber, JsonObject, type JsonValue } from '../../jobs/sources/json-value.ts';
import { randomDocument, seededRandom } from '../json-documents.ts';

function parse(text: string | Buffer): JsonValue {
  return parseJson(Buffer.from(text as string)).value;
}

function issuesOf(text: string): [code: string, path: string, detail: string][] {
  return parseJson(Buffer.from(text)).issues.map(({ code, path, detail }) => [code, path, detail]);
}

function syntaxError(text: string | Buffer): JsonSyntaxError {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof JsonSyntaxError) return error;
    throw error;
  }
  throw new Error(`accepted: ${text}`);
}

/** Whether our parser reads the same as `JSON.parse`. (Vitest's own comparison stumbles over a key `__proto__`.) */
function readsAs(document: string | Buffer, value: unknown): boolean {
  return isDeepStrictEqual(plain(parse(document)), value);
}

/** The value as `JSON.parse` gives it. */
function plain(value: JsonValue): unknown {
  if (value instanceof JsonNumber) return Number(value.text);
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof JsonObject) return Object.fromEntries(Array.from(value, ([k, v]) => [k, plain(v)]));
  return value;
}

describe('valid documents', () => {
  test.each<[document: string, value: JsonValue]>([
    ['null', null],
    ['true', true],
    [' \t\r\nfalse \t\r\n', false],
    ['""', ''],
    ['"\u007f\u2028\u2029\ufeff\uffff"', '\u007f\u2028\u2029\ufeff\uffff'],
    ['"é日本😀𠮷"', 'é日本😀𠮷'],
    ['"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\/\b\f\n\r\t'],
    ['"\\u0041\\u00e9\\u3042\\uD83D\\ude00\\uABCD\\uabcd"', 'Aéあ😀\uabcd\uabcd'],
    ['"日\\n本\\\\"', '日\n本\\'],
    ['"a genuine \ufffd and one \\ufffd"', 'a genuine \ufffd and one \ufffd'],
    ['"a string long enough to be no copy of a slice"', 'a string long enough to be no copy of a slice'],
    ['[]', []],
    ['[ ]', []],
    ['[[],[[]],"",null]', [[], [[]], '', null]],
    ['{}', new JsonObject()],
    [
      '{ "a" : "x" , "" : { } }',
      new JsonObject([
        ['a', 'x'],
        ['', new JsonObject()],
      ]),
    ],
  ])('%s', (document, value) => {
    expect(parse(document)).toEqual(value);
  });

  test.each([
    ...[
      '0',
      '-0',
      '7',
      '-7',
      '10',
      '1234567890',
      '0.0',
      '-0.10',
      '1.50',
      '0e0',
      '0E+00',
      '1e5',
      '1E-5',
      '1.5e+300',
      '1e400',
    ],
    ...[
      '9223372036854775807',
      '-9223372036854775808',
      '123456789012345678901234567890',
      '0.123456789012345678901234567890',
    ],
  ])('the number %s keeps its text', (number) => {
    expect(parse(number)).toEqual(new JsonNumber(number));
    expect(parse(`[${number}, ${number}]`)).toEqual([new JsonNumber(number), new JsonNumber(number)]);
  });

  test('bytes of any kind of array, at any place in its memory', () => {
    const memory = new Uint8Array([0x5b, 0x22, 0x61, 0x22, 0x5d]);
    expect(parseJson(memory.subarray(1, 4)).value).toBe('a');
  });

  test('key order and keys that mean something to JavaScript', () => {
    const object = parse('{"b":1,"10":2,"9":3,"__proto__":4,"constructor":5,"toString":6}') as JsonObject;
    expect(object.keys).toEqual(['b', '10', '9', '__proto__', 'constructor', 'toString']);
    expect(object.get('__proto__')).toEqual(new JsonNumber('4'));
    expect(object.has('valueOf')).toBe(false);
    expect(object.get('valueOf')).toBeUndefined();
  });

  test('an object of many members', () => {
    const members = Array.from({ length: 1000 }, (_, i) => `"key${i}":"${i}"`);
    const object = parse(`{${members.join(',')},"key7":"again"}`) as JsonObject;
    expect(object.size).toBe(1000);
    expect(object.get('key999')).toBe('999');
    expect(object.get('key7')).toBe('again');
    expect(object.get('key1000')).toBeUndefined();
  });
});

describe('invalid documents', () => {
  test.each<[document: string, offset: number, expected: string | RegExp]>([
    ['', 0, 'a value'],
    [' \n', 2, 'a value'],
    ['nul', 3, 'null'],
    ['nulL', 3, 'null'],
    ['True', 0, 'a value'],
    ['undefined', 0, 'a value'],
    ['trues', 4, 'the end of the document'],
    ['1 2', 2, 'the end of the document'],
    ['{}}', 2, 'the end of the document'],
    ['[1]\0', 3, 'the end of the document'],
    ["'a'", 0, 'a value'],
    ['\ufeff1', 0, 'a value'],
    ['1\u00a0', 1, 'the end of the document'],
    ['/* */1', 0, 'a value'],
    // Numbers
    ['+1', 0, 'a value'],
    ['-', 1, 'a digit'],
    ['--1', 1, 'a digit'],
    ['- 1', 1, 'a digit'],
    ['01', 1, 'the end of the document'],
    ['-01', 2, 'the end of the document'],
    ['.5', 0, 'a value'],
    ['-.5', 1, 'a digit'],
    ['1.', 2, 'a digit'],
    ['1.e1', 2, 'a digit'],
    ['1e', 2, 'a digit'],
    ['1e+', 3, 'a digit'],
    ['1e1.5', 3, 'the end of the document'],
    ['0x1F', 1, 'the end of the document'],
    ['1_000', 1, 'the end of the document'],
    ['１', 0, 'a value'],
    ['+Infinity', 0, 'a value'],
    ['-NaN', 1, 'a digit'],
    ['Inf', 3, 'Infinity'],
    ['-Infinit', 8, '-Infinity'],
    ['nan', 1, 'null'],
    // Strings
    ['"', 1, /closing/],
    ['"abc', 4, /closing/],
    ['"abc\\"', 6, /closing/],
    ['"\\', 2, /after a backslash/],
    ['"\\x41"', 2, /after a backslash/],
    ['"\\\n"', 2, /after a backslash/],
    ['"\\U0041"', 2, /after a backslash/],
    ['"\\u004"', 6, /hexadecimal/],
    ['"\\u 041"', 3, /hexadecimal/],
    ['"\\u00g1"', 5, /hexadecimal/],
    ['"\\ud83d\\u00"', 11, /hexadecimal/],
    ['"a\nb"', 2, /control/],
    ['"a\tb"', 2, /control/],
    ['"a\0b"', 2, /control/],
    ['"\u001f"', 1, /control/],
    ['"\\n\u001f"', 3, /control/],
    // Arrays
    ['[', 1, /a value/],
    ['[1', 2, '"," or "]"'],
    ['[1,', 3, 'a value'],
    ['[1,]', 3, 'a value'],
    ['[,1]', 1, 'a value'],
    ['[1,,2]', 3, 'a value'],
    ['[1 2]', 3, '"," or "]"'],
    ['["a" "b"]', 5, '"," or "]"'],
    ['[1}', 2, '"," or "]"'],
    [']', 0, 'a value'],
    ['[1;2]', 2, '"," or "]"'],
    // Objects
    ['{', 1, 'a key or "}"'],
    ['{"a"', 4, '":"'],
    ['{"a" 1}', 5, '":"'],
    ['{"a":', 5, 'a value'],
    ['{"a":}', 5, 'a value'],
    ['{"a":1', 6, '"," or "}"'],
    ['{"a":1,', 7, 'a key'],
    ['{"a":1,}', 7, 'a key'],
    ['{"a":1,,"b":2}', 7, 'a key'],
    ['{"a":1 "b":2}', 7, '"," or "}"'],
    ['{"a":1]', 6, '"," or "}"'],
    ['{a:1}', 1, 'a key or "}"'],
    ['{1:1}', 1, 'a key or "}"'],
    ['{null:1}', 1, 'a key or "}"'],
    ["{'a':1}", 1, 'a key or "}"'],
    ['{"a"::1}', 5, 'a value'],
  ])('%j', (document, offset, expected) => {
    const error = syntaxError(document);
    expect(error.offset).toBe(offset);
    if (typeof expected === 'string') expect(error.expected).toBe(expected);
    else expect(error.expected).toMatch(expected);
  });

  test.each<[name: string, bytes: number[], offset: number]>([
    ['a lone continuation byte', [0x22, 0x61, 0x80, 0x22], 2],
    ['an overlong slash', [0x22, 0xc0, 0xaf, 0x22], 1],
    ['a surrogate in UTF-8', [0x22, 0xe3, 0x81, 0x82, 0xed, 0xa0, 0x80, 0x22], 4],
    ['beyond U+10FFFF', [0x22, 0xf4, 0x90, 0x80, 0x80, 0x22], 1],
    ['a cut character', [0x22, 0xe3, 0x81, 0x22], 1],
    ['Latin-1', [0x22, 0x63, 0x61, 0x66, 0xe9, 0x22], 4],
    ['after a genuine U+FFFD', [0x22, 0xef, 0xbf, 0xbd, 0xff, 0x22], 4],
    ['beside an escape', [0x22, 0x5c, 0x6e, 0xff, 0x22], 3],
    ['in a key', [0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d], 2],
  ])('no UTF-8: %s', (_, bytes, offset) => {
    const error = syntaxError(Buffer.from(bytes));
    expect([error.expected, error.offset]).toEqual(['valid UTF-8', offset]);
  });

  test('every beginning of a document ends too early, at its end', () => {
    const whole = Buffer.from(
      '{"a": [true, false, null, NaN, -Infinity, -1.5e+3, "日\\n\\ud83d\\ude00"], "b": {}}',
    );
    for (let length = 0; length < whole.length; length++) {
      expect(syntaxError(whole.subarray(0, length)).offset).toBe(length);
    }
  });

  test('line, column and what stands there', () => {
    const error = syntaxError('{\n  "日本": "é",\r\n  "😀": あ\n}');
    expect([error.line, error.column, error.offset, error.found]).toEqual([3, 8, 31, '"あ"']);
    expect(error.message).toBe('line 3, column 8 (byte 31): expected a value, found "あ"');
    expect(syntaxError('[1,\t\u0001]').found).toBe('byte 0x01');
    expect(syntaxError('[1,').found).toBe('the end of the data');
  });
});

describe('depth', () => {
  const arrays = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
  const objects = (depth: number) => '{"a":'.repeat(depth) + 1 + '}'.repeat(depth);

  test.each([arrays, objects])('512 levels unless told otherwise', (nested) => {
    expect(() => parse(nested(512))).not.toThrow();
    expect(syntaxError(nested(513)).expected).toBe('at most 512 levels of nesting');
    expect(syntaxError(nested(200_000)).expected).toBe('at most 512 levels of nesting');
  });

  test('told otherwise', () => {
    expect(() => parseJson(Buffer.from('[[1]]'), { maxDepth: 1 })).toThrow('at most 1 levels');
    expect(() => parseJson(Buffer.from('[1, [2], [3]]'), { maxDepth: 2 })).not.toThrow();
  });
});

describe('issues', () => {
  test('none in an ordinary document', () => {
    expect(issuesOf('{"a":[1,"\\ud83d\\ude00 \\\\u0000 \\\\ud800"],"b":{"a":0}}')).toEqual([]);
  });

  test('tokens that only Python writes', () => {
    expect(parse('[NaN,Infinity,-Infinity]')).toEqual(
      ['NaN', 'Infinity', '-Infinity'].map((t) => new JsonNumber(t)),
    );
    expect(issuesOf('[NaN,{"a b":Infinity},-Infinity,"NaN"]')).toEqual([
      ['NON_FINITE', '$[0]', 'NaN'],
      ['NON_FINITE', '$[1]["a b"]', 'Infinity'],
      ['NON_FINITE', '$[2]', '-Infinity'],
    ]);
  });

  test('a repeated key: the last value counts, the others can be found', () => {
    const document = '{"venue":{"name":"x","n":1,"name":[2],"name":{"a":NaN,"b":3}}}';
    const venue = (parse(document) as JsonObject).get('venue') as JsonObject;
    expect(venue.keys).toEqual(['name', 'n']);
    expect((venue.get('name') as JsonObject).size).toBe(2);
    expect(venue.overridden).toEqual([
      ['name', 'x'],
      ['name', [new JsonNumber('2')]],
    ]);
    expect(issuesOf(document)).toEqual([
      ['DUPLICATE_KEY', '$.venue.name', '3 values of one key'],
      ['NON_FINITE', '$.venue.name.a', 'NaN'],
    ]);
  });

  test('keys that are equal only once their escapes are replaced', () => {
    expect(issuesOf('{"a":1,"\\u0061":2}')).toEqual([['DUPLICATE_KEY', '$.a', '2 values of one key']]);
  });

  test('an issue inside an overridden value', () => {
    expect(issuesOf('{"a":"\\u0000","a":1}').map(([code]) => code)).toEqual([
      'DUPLICATE_KEY',
      'NUL_CHARACTER',
    ]);
  });

  test.each([
    ['"\\ud800"', '\ud800', 'U+D800, character 1'],
    ['"ab\\uDFFFc"', 'ab\udfffc', 'U+DFFF, character 3'],
    ['"\\ud83dx"', '\ud83dx', 'U+D83D, character 1'],
    ['"\\ud83d\\n"', '\ud83d\n', 'U+D83D, character 1'],
    ['"\\ud83d\\u0041"', '\ud83dA', 'U+D83D, character 1'],
    ['"\\ud83d\\ue000"', '\ud83d\ue000', 'U+D83D, character 1'],
    ['"\\ud83d\\ud83d\\ude00"', '\ud83d\ud83d\ude00', 'U+D83D, character 1'],
    ['"\\ude00\\ud83d"', '\ude00\ud83d', 'U+DE00, character 1'],
    ['"\\ud83d\\ude00\\ude00"', '\ud83d\ude00\ude00', 'U+DE00, character 3'],
  ])('the lone surrogate in %s', (document, value, detail) => {
    expect(parse(document)).toBe(value);
    expect(issuesOf(document)).toEqual([['LONE_SURROGATE', '$', detail]]);
  });

  test('NUL, and both in keys', () => {
    expect(parse('"a\\u0000"')).toBe('a\0');
    expect(issuesOf('"\\ud800\\u0000"').map(([code]) => code)).toEqual(['NUL_CHARACTER', 'LONE_SURROGATE']);
    expect(issuesOf('["a\\u0000"]')).toEqual([['NUL_CHARACTER', '$[0]', 'character 2']]);
    expect(issuesOf('{"\\u0000":1,"\\udc00":2}')).toEqual([
      ['NUL_CHARACTER', '$["\\u0000"]', 'character 1 of the key'],
      ['LONE_SURROGATE', '$["\\udc00"]', 'U+DC00, character 1 of the key'],
    ]);
  });
});

describe('against JSON.parse', () => {
  test('random documents have the same values', () => {
    const random = seededRandom(1);
    for (let i = 0; i < 3000; i++) {
      const document = randomDocument(random, { storable: false });
      expect(readsAs(document, JSON.parse(document)), document).toBe(true);
    }
  });

  test('what JSON.stringify writes is read as it was', () => {
    const random = seededRandom(2);
    for (let i = 0; i < 1000; i++) {
      const value = JSON.parse(randomDocument(random, { storable: false }));
      const document = JSON.stringify(value, null, i % 3);
      expect(readsAs(document, JSON.parse(document)), document).toBe(true);
    }
  });

  test('long strings with anything at any place are taken and refused alike', () => {
    const special = ['"', '\\', '\\n', '\n', '\0', '\x1f', ' ', '\x7f', 'é', '日', '😀', '\\u00e9', ''];
    for (const at of [0, 1, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 127]) {
      for (const size of [0, 1, 2, 3, 4, 5, 63, 64, 65]) {
        for (const each of special) {
          const document = `["${'a'.repeat(at)}${each}${'b'.repeat(size)}", 1]`;
          let value: unknown;
          try {
            value = JSON.parse(document);
          } catch {
            syntaxError(document);
            continue;
          }
          expect(readsAs(document, value), document).toBe(true);
        }
      }
    }
  });

  test('long arrays of numbers, and of anything between them, keep each number as it is written', () => {
    const random = seededRandom(4);
    for (const size of [15, 16, 17, 18, 400, 2000]) {
      for (const blanks of [',', ', ', ' ,\n      ']) {
        for (const other of [
          undefined,
          '"é日"',
          '[1, 2.5]',
          '{"a": [3e-7, "x"]}',
          'null',
          `[${'7,'.repeat(20)}8]`,
        ]) {
          const texts = Array.from({ length: size }, () =>
            String((random() - 0.5) * 10 ** (random() * 40 - 20)),
          );
          const array = texts.slice();
          if (other !== undefined) array.splice(Math.floor(random() * size), 0, other);
          const document = `{"é": [${array.join(blanks)}], "then": [${texts[0]}]}`;
          expect(readsAs(document, JSON.parse(document)), document).toBe(true);
          const read = parse(document) as JsonObject;
          const numbers = (read.get('é') as JsonValue[]).filter((each) => each instanceof JsonNumber);
          expect(numbers.map(({ text }) => text)).toEqual(texts);
        }
      }
    }
    const long = `[${'1,'.repeat(100)}${'7'.repeat(10_000)}]`;
    expect((parse(long) as JsonNumber[]).at(-1)!.text).toBe('7'.repeat(10_000));
    expect(syntaxError(`[${'1,'.repeat(100)}01]`).offset).toBe(202);
  });

  test('documents with damaged bytes are taken and refused alike', () => {
    const random = seededRandom(3);
    const tokens = Buffer.from('{}[]",:\\ue0123456789.+-tfnalsr \n\0\x1f\x80\xc3\xe3\xed\xf0\xff', 'latin1');
    let taken = 0;
    let refused = 0;
    for (let i = 0; i < 20_000; i++) {
      const document = randomDocument(random, { storable: false });
      if (document.length > 200) continue;
      const bytes = Buffer.from(document);
      for (let changes = Math.floor(random() * 3); changes >= 0 && bytes.length > 0; changes--) {
        bytes[Math.floor(random() * bytes.length)] = tokens[Math.floor(random() * tokens.length)]!;
      }
      let value: unknown;
      try {
        value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
      } catch {
        refused++;
        syntaxError(bytes);
        continue;
      }
      taken++;
      expect(readsAs(bytes, value), bytes.toString()).toBe(true);
    }
    expect(Math.min(taken, refused)).toBeGreaterThan(1000);
  });
});
