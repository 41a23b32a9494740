import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CutoverError } from '../../jobs/errors.ts';
import {
  checkJsonFile,
  type JsonRecord,
  type JsonShape,
  parseJsonFile,
  parseRecord,
  readRecord,
  streamJson,
} from '../../jobs/sources/json-stream.ts';
import { JsonNumber, JsonObject } from '../../jobs/sources/json-value.ts';
import { randomDocument, seededRandom } from '../json-documents.ts';

const BLOCK_SIZES = [1, 2, 3, 4, 5, 6, 7, 64, 256 * 1024];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'json-stream-'));
});
afterAll(() => rm(folder, { recursive: true }));

let files = 0;
async function fileOf(content: string | Uint8Array): Promise<string> {
  const file = join(folder, `${++files}.json`);
  await writeFile(file, content);
  return file;
}

async function recordsOf(
  file: string,
  shape: JsonShape,
  options?: { blockSize?: number; maxRecordBytes?: number },
): Promise<JsonRecord[]> {
  const records: JsonRecord[] = [];
  for await (const batch of streamJson(file, shape, options)) records.push(...batch);
  return records;
}

async function refusal(work: Promise<unknown>): Promise<CutoverError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof CutoverError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** A record without its file, so that records of the same content compare equal. */
function shown({ ordinal, key, offset, length, bytes }: JsonRecord): unknown {
  return { ordinal, key, offset, length, text: bytes.toString() };
}

describe('records', () => {
  test('of an array', async () => {
    const file = await fileOf('[\n  {"a": "]}\\"日"},\r\n  [1, [2]] ,3,"x,y" , null]\n');
    expect((await recordsOf(file, 'array')).map(shown)).toEqual([
      { ordinal: 0, key: undefined, offset: 4, length: 16, text: '{"a": "]}\\"日"}' },
      { ordinal: 1, key: undefined, offset: 25, length: 8, text: '[1, [2]]' },
      { ordinal: 2, key: undefined, offset: 35, length: 1, text: '3' },
      { ordinal: 3, key: undefined, offset: 37, length: 5, text: '"x,y"' },
      { ordinal: 4, key: undefined, offset: 45, length: 4, text: 'null' },
    ]);
  });

  test('of an object, repeated keys included', async () => {
    const file = await fileOf('{"日" : {"n":1},\n"":"x", "\\u65e5":2}');
    expect((await recordsOf(file, 'object')).map(shown)).toEqual([
      { ordinal: 0, key: '日', offset: 9, length: 7, text: '{"n":1}' },
      { ordinal: 1, key: '', offset: 21, length: 3, text: '"x"' },
      { ordinal: 2, key: '日', offset: 35, length: 1, text: '2' },
    ]);
  });

  test.each<[JsonShape, string]>([
    ['array', '[]'],
    ['array', ' \n[ \n] \n'],
    ['object', '{}'],
    ['object', '\t{\r\n}'],
  ])('none in an empty %s', async (shape, content) => {
    const file = await fileOf(content);
    expect(await recordsOf(file, shape)).toEqual([]);
    expect(await checkJsonFile(file, shape)).toEqual({ records: 0 });
  });

  test('a byte order mark at the start of the file is skipped, and offsets count it', async () => {
    const file = await fileOf('\ufeff[{"a":1}]');
    const [record] = await recordsOf(file, 'array');
    expect(record).toMatchObject({ offset: 4, length: 7 });
    expect((await parseJsonFile(file)).value).toEqual([new JsonObject([['a', new JsonNumber('1')]])]);
  });

  test('parsing one gives the issues of its key and of its value', async () => {
    const [record] = await recordsOf(await fileOf('{"a\\ud800":{"n":NaN}}'), 'object');
    const { value, issues } = parseRecord(record!);
    expect(value).toEqual(new JsonObject([['n', new JsonNumber('NaN')]]));
    expect(issues.map(({ code, path, detail }) => [code, path, detail])).toEqual([
      ['LONE_SURROGATE', '$', "U+D800, character 2 of the record's key"],
      ['NON_FINITE', '$.n', 'NaN'],
    ]);
  });

  test('can be read again by offset and length', async () => {
    const file = await fileOf(`["${'é'.repeat(1000)}",{"a":[1]}]`);
    const handle = await open(file);
    try {
      for (const { offset, length, bytes } of await recordsOf(file, 'array')) {
        expect(await readRecord(handle, offset, length)).toEqual(bytes);
      }
      const error = await refusal(readRecord(handle, 2000, 500));
      expect(error.kind).toBe('source');
      expect(error.message).toContain('The source ends at byte 2014');
    } finally {
      await handle.close();
    }
  });
});

describe('wherever the blocks end', () => {
  const ARRAY = `\ufeff \n[ "é日😀\\"\\\\", {"k\\"]": "v\\\\", "日本": [[], {}, "\\ud83d\\ude00]"]}, -1.5e+3 , true,NaN\n,"\\\\"]\r\n`;
  const OBJECT = `{ "a\\"日" : "é😀\\\\" , "" :{"x":["\\u005d\\"", {}]},"n":0,"n":null ,"\\\\":[]}\n `;

  test.each(BLOCK_SIZES)('%i bytes a block', async (blockSize) => {
    const array = await recordsOf(await fileOf(ARRAY), 'array', { blockSize });
    expect(array.map((record) => record.bytes.toString())).toEqual([
      '"é日😀\\"\\\\"',
      '{"k\\"]": "v\\\\", "日本": [[], {}, "\\ud83d\\ude00]"]}',
      '-1.5e+3',
      'true',
      'NaN',
      '"\\\\"',
    ]);
    const object = await recordsOf(await fileOf(OBJECT), 'object', { blockSize });
    expect(object.map(({ key, bytes }) => [key, bytes.toString()])).toEqual([
      ['a"日', '"é😀\\\\"'],
      ['', '{"x":["\\u005d\\"", {}]}'],
      ['n', '0'],
      ['n', 'null'],
      ['\\', '[]'],
    ]);
    for (const record of [...array, ...object]) parseRecord(record);
  });

  test('random documents give back their records', async () => {
    const random = seededRandom(7);
    for (let i = 0; i < 12; i++) {
      const documents = Array.from({ length: 5 }, () => randomDocument(random, { storable: false }));
      const array = await fileOf(`[${documents.join(',')}]`);
      const object = await fileOf(`{${documents.map((text, n) => `"${n}" :${text}`).join(', ')}}`);
      for (const blockSize of [1, 3, 7, 256 * 1024]) {
        for (const [file, shape] of [[array, 'array'] as const, [object, 'object'] as const]) {
          const records = await recordsOf(file, shape, { blockSize });
          expect(records.map(({ bytes }) => bytes.toString())).toEqual(documents.map((text) => text.trim()));
        }
      }
    }
  });

  test.each([
    '[{"a":1},{"a":2]',
    '[{"a":1},{"a":tru}]',
    '[1,"日本",[{"x":"é"},]]',
    '[1 "a"]',
    '[1,"a" x]',
    '["a\\q"]',
    '["日", {"a":"b',
  ])('the damage of %s is at the same place', async (content) => {
    const file = await fileOf(content);
    const check = async (blockSize: number) => {
      for (const record of await recordsOf(file, 'array', { blockSize })) parseRecord(record);
    };
    const messages = await Promise.all(BLOCK_SIZES.map(async (size) => (await refusal(check(size))).message));
    expect(new Set(messages).size).toBe(1);
  });
});

describe('a damaged file is refused', () => {
  test.each<[JsonShape, content: string, place: string, problem: string]>([
    // Between records
    ['array', '{"a":1}', 'line 1, column 1 (byte 0)', 'expected a top-level array, "[", found "{"'],
    ['object', '\n[1]', 'line 2, column 1 (byte 1)', 'expected a top-level object, "{", found "["'],
    ['array', '"a"', 'line 1, column 1 (byte 0)', 'expected a top-level array, "[", found """'],
    ['array', '\0\0\0\0', 'line 1, column 1 (byte 0)', 'expected a top-level array, "[", found byte 0x00'],
    ['array', '[1 2]', 'line 1, column 4 (byte 3)', 'expected "," or "]", found "2"'],
    ['array', '[{}{}]', 'line 1, column 4 (byte 3)', 'expected "," or "]", found "{"'],
    ['array', '[1"a"]', 'line 1, column 3 (byte 2)', 'expected "," or "]", found """'],
    ['array', '[1,]', 'line 1, column 4 (byte 3)', 'expected a value, found "]"'],
    ['array', '[,1]', 'line 1, column 2 (byte 1)', 'expected a value or "]", found ","'],
    ['array', '[1,,2]', 'line 1, column 4 (byte 3)', 'expected a value, found ","'],
    ['array', '[1}', 'line 1, column 3 (byte 2)', 'expected "," or "]", found "}"'],
    ['array', '["日"]\n]', 'line 2, column 1 (byte 8)', 'expected the end of the file, found "]"'],
    ['array', '[1]\0', 'line 1, column 4 (byte 3)', 'expected the end of the file, found byte 0x00'],
    ['array', '[1][2]', 'line 1, column 4 (byte 3)', 'expected the end of the file, found "["'],
    ['object', '{"a":1 "b":2}', 'line 1, column 8 (byte 7)', 'expected "," or "}", found """'],
    ['object', '{"a":1,}', 'line 1, column 8 (byte 7)', 'expected a key, found "}"'],
    ['object', '{,"a":1}', 'line 1, column 2 (byte 1)', 'expected a key or "}", found ","'],
    ['object', '{a:1}', 'line 1, column 2 (byte 1)', 'expected a key or "}", found "a"'],
    ['object', '{"a" 1}', 'line 1, column 6 (byte 5)', 'expected ":", found "1"'],
    ['object', '{"a"}', 'line 1, column 5 (byte 4)', 'expected ":", found "}"'],
    ['object', '{"a":}', 'line 1, column 6 (byte 5)', 'expected a value, found "}"'],
    ['object', '{"a":1]', 'line 1, column 7 (byte 6)', 'expected "," or "}", found "]"'],
    // Inside records
    ['array', '[1,\n {"a":01}]', 'line 2, column 8 (byte 11) in record 1', 'expected "," or "}", found "1"'],
    ['array', '[-]', 'line 1, column 3 (byte 2) in record 0', 'expected a digit, found "]"'],
    [
      'array',
      '[{"a":1},{"a":[2}]',
      'line 1, column 17 (byte 16) in record 1',
      'expected "," or "]", found "}"',
    ],
    [
      'array',
      '[{"a":"x},{"b":1}]',
      'line 1, column 13 (byte 12) in record 0',
      'expected "," or "}", found "b"',
    ],
    ['array', '[{"a":"x\n"}]', 'line 1, column 9 (byte 8) in record 0', 'expected no control character'],
    ['object', '{"a\\x":1}', 'line 1, column 5 (byte 4) in record 0', 'after a backslash, found "x"'],
    [
      'array',
      `[1,${'['.repeat(513)}${']'.repeat(513)}]`,
      'line 1, column 516 (byte 515) in record 1',
      'expected at most 512 levels of nesting, found "["',
    ],
    // Cut
    [
      'array',
      '[{"a":1},\n{"a":"日',
      'line 2, column 8 (byte 19) in record 1',
      `expected the string's closing`,
    ],
    ['array', '[{"a":1},{"a"', 'line 1, column 14 (byte 13) in record 1', 'expected ":"'],
    ['array', '[{"a":1}', 'line 1, column 9 (byte 8)', 'expected "," or "]"'],
    ['array', '[1,12', 'line 1, column 6 (byte 5)', 'expected "," or "]"'],
    ['array', '[1,', 'line 1, column 4 (byte 3)', 'expected a value'],
    ['array', '[', 'line 1, column 2 (byte 1)', 'expected a value or "]"'],
    ['object', '{"a', 'line 1, column 4 (byte 3) in record 0', `expected the string's closing`],
    ['object', '{"a":{"b":1}', 'line 1, column 13 (byte 12)', 'expected "," or "}"'],
  ])('%s %j', async (shape, content, place, problem) => {
    const file = await fileOf(content);
    const error = await refusal(checkJsonFile(file, shape));
    expect(error.kind).toBe('source');
    expect(error.message).toContain(file);
    expect(error.message).toContain(place);
    expect(error.message).toContain(problem);
    expect(error.fix).toBeTruthy();
  });

  test.each<[JsonShape, string]>([
    ['array', '[{"a": [true, "日\\n"]}, -1.5e3, "x", null]'],
    ['object', '{"a": {"b": [false, "\\ud83d\\ude00"]}, "日": 12, "": []}'],
  ])('cut at any byte: %s', async (shape, content) => {
    const bytes = Buffer.from(content);
    for (let length = 1; length < bytes.length; length++) {
      const error = await refusal(checkJsonFile(await fileOf(bytes.subarray(0, length)), shape));
      expect(error.message).toContain(`is cut: it ends at line 1, column`);
      expect(error.message).toContain(`(byte ${length})`);
    }
    await checkJsonFile(await fileOf(bytes), shape);
  });

  test.each(['', ' \n\t'])('empty: %j', async (content) => {
    const file = await fileOf(content);
    const message = `${file} is empty (${content.length} bytes)`;
    expect((await refusal(checkJsonFile(file, 'array'))).message).toBe(message);
    expect((await refusal(checkJsonFile(file, 'object'))).message).toBe(message);
    expect((await refusal(parseJsonFile(file))).message).toBe(message);
  });

  test('damaged bytes anywhere are taken and refused as in the whole document', async () => {
    const random = seededRandom(11);
    const tokens = Buffer.from('{}[]",:\\1 -');
    let taken = 0;
    let refused = 0;
    const short = (): string => {
      const document = randomDocument(random, { storable: false });
      return document.length < 50 ? document : short();
    };
    for (let i = 0; i < 600; i++) {
      const documents = [short(), short(), short()];
      const [shape, content] =
        i % 2 === 0
          ? (['array', `[${documents.join(',')}]`] as const)
          : (['object', `{${documents.map((text) => `"k":${text}`).join(',')}}`] as const);
      const bytes = Buffer.from(content);
      bytes[1 + Math.floor(random() * (bytes.length - 2))] = tokens[Math.floor(random() * tokens.length)]!;
      const file = await fileOf(bytes);
      const whole = await parseJsonFile(file).then(
        ({ value }) => value,
        () => undefined,
      );
      if (whole === undefined) {
        refused++;
        await refusal(checkJsonFile(file, shape));
      } else {
        taken++;
        const records = Array.isArray(whole) ? whole.length : (whole as JsonObject).size;
        expect((await checkJsonFile(file, shape)).records).toBeGreaterThanOrEqual(records);
      }
    }
    expect(Math.min(taken, refused)).toBeGreaterThan(60);
  }, 60_000);

  test.each([
    ['[{"a":[2}],1]', '(byte 8) in record 0: expected "," or "]", found "}"'],
    [`[${'['.repeat(513)}${']'.repeat(513)}]`, 'expected at most 512 levels'],
  ])('wrong brackets are refused before a record is parsed: %s', async (content, problem) => {
    expect((await refusal(recordsOf(await fileOf(content), 'array'))).message).toContain(problem);
  });

  test('the records before the damage are given first', async () => {
    const file = await fileOf('[1,2,3}');
    const seen: number[] = [];
    const read = async () => {
      for await (const batch of streamJson(file, 'array')) seen.push(...batch.map(({ ordinal }) => ordinal));
    };
    await refusal(read());
    expect(seen).toEqual([0, 1, 2]);
  });

  test('not there, or a folder', async () => {
    for (const file of [join(folder, 'missing.json'), folder]) {
      for (const work of [() => checkJsonFile(file, 'array'), () => parseJsonFile(file)]) {
        const error = await refusal(work());
        expect(error.kind).toBe('source');
        expect(error.message).toContain(`${file} cannot be read`);
      }
    }
  });
});

describe('the longest record', () => {
  test.each([1, 10, 1024])('is told where it starts, with blocks of %i bytes', async (blockSize) => {
    const file = await fileOf(`[1,"${'x'.repeat(98)}","${'x'.repeat(398)}"]`);
    expect(await recordsOf(file, 'array', { blockSize, maxRecordBytes: 400 })).toHaveLength(3);
    const error = await refusal(recordsOf(file, 'array', { blockSize, maxRecordBytes: 100 }));
    expect(error.message).toBe(`${file}: record 2, which starts at byte 104, is longer than 100 bytes`);
  });

  test('is not waited for', async () => {
    const file = await fileOf(`["${'x'.repeat(1000)}`);
    const error = await refusal(recordsOf(file, 'array', { blockSize: 10, maxRecordBytes: 100 }));
    expect(error.message).toContain('is longer than 100 bytes');
  });

  test('names the missing bracket or quote that made one record of many', async () => {
    const records = Array.from({ length: 50 }, (_, i) => `{"id":${i}}`);
    const file = await fileOf(`[{"id":"x},${records.join(',')}]`);
    const error = await refusal(recordsOf(file, 'array', { maxRecordBytes: 100, blockSize: 10 }));
    expect(error.message).toContain('(byte 13) in record 0: expected "," or "}", found "i"');
  });
});

describe('a small file read whole', () => {
  test('whatever its top level is', async () => {
    const { value, issues } = await parseJsonFile(await fileOf(' {"a":[NaN]}\n'));
    expect(value).toEqual(new JsonObject([['a', [new JsonNumber('NaN')]]]));
    expect(issues).toEqual([{ code: 'NON_FINITE', path: '$.a[0]', detail: 'NaN' }]);
    expect((await parseJsonFile(await fileOf('"x"'))).value).toBe('x');
  });

  test('damaged', async () => {
    const cut = await fileOf('{"a":\n [1,');
    expect((await refusal(parseJsonFile(cut))).message).toBe(
      `${cut} is cut: it ends at line 2, column 5 (byte 10), expected a value`,
    );
    const marked = await fileOf('\ufeff{"a" 1}');
    expect((await refusal(parseJsonFile(marked))).message).toBe(
      `${marked}, line 1, column 7 (byte 8): expected ":", found "1"`,
    );
  });

  test('larger than 256 MB', async () => {
    const file = await fileOf('');
    const handle = await open(file, 'r+');
    await handle.truncate(256 * 1024 * 1024 + 1);
    await handle.close();
    expect((await refusal(parseJsonFile(file))).message).toBe(
      `${file} has 268435457 bytes; a file that is read whole may have 268435456`,
    );
  });
});

test('memory does not grow with the file', async () => {
  const file = join(folder, 'large.json');
  const handle = await open(file, 'w');
  const chunk = Array.from(
    { length: 1000 },
    (_, i) => `{"id":"${i}","text":"${'日本'.repeat(40)}","n":${i}}`,
  ).join(',');
  let size = (await handle.write('[1')).bytesWritten;
  while (size < 50_000_000) size += (await handle.write(`,${chunk}`)).bytesWritten;
  await handle.write(']');
  await handle.close();

  const inUse = () => {
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = inUse();
  let most = 0;
  let records = 0;
  for await (const batch of streamJson(file, 'array')) {
    for (const record of batch) parseRecord(record);
    records += batch.length;
    most = Math.max(most, inUse() - before);
  }
  expect(records).toBeGreaterThan(100_000);
  expect(most).toBeLessThan(0.8 * size);
}, 60_000);
