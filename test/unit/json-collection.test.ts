import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CollectionFile, JsonCollection } from '../../jobs/sources/json-collection.ts';
import type { FileShape } from '../../jobs/sources/json-layout.ts';
import { JsonNumber } from '../../jobs/sources/json-value.ts';
import type { Place, SourceRecord } from '../../jobs/sources/source.ts';
import { writtenFile } from '../records.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-collection-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let n = 0;
async function file(
  content: string | Buffer | object,
  shape: FileShape,
  name = 'x.json',
): Promise<CollectionFile> {
  const path = join(folder, `${n++}.json`);
  const isBytes = typeof content === 'string' || Buffer.isBuffer(content);
  return {
    ...shape,
    name,
    ...(await writtenFile(path, isBytes ? content : JSON.stringify(content, null, 2))),
  };
}

type Found = SourceRecord & { place: Place };

/** All records, each of which must be the same when it is read again, in the opposite order. */
async function read(files: CollectionFile[], leftOut: string[] = []): Promise<Found[]> {
  const collection = new JsonCollection('things', files);
  const found: Found[] = [];
  for await (const block of collection.blocks(0)) found.push(...block);
  const shown = (record: SourceRecord) => ({
    locator: record.locator,
    defect: record.defect,
    fields: [...record.fields()],
    special: ['$file', '$key', '$index', '$size', '$sha256', '$of.name'].map((name) => record.get(name)),
    payload: record.payload(new Set(leftOut)),
  });
  for (const record of [...found].reverse()) {
    expect(shown(await collection.reread(record.place))).toEqual(shown(record));
  }
  await collection.close();
  for (let from = 0; from <= found.length; from++) {
    const rest: Found[] = [];
    for await (const block of collection.blocks(from)) rest.push(...block);
    expect(rest.map(shown)).toEqual(found.slice(from).map(shown));
  }
  return found;
}

const locators = (found: SourceRecord[]) => found.map((record) => record.locator);
const codes = (found: SourceRecord[]) => found.map((record) => record.defect?.code);

describe('the members of an object', () => {
  const shape = { records: 'members' } as const;

  it('are records by their keys, whatever these are', async () => {
    const found = await read([await file({ a: { n: 1 }, '': { n: 2 }, '日本 "x"': { n: 3 } }, shape)]);
    expect(found.map((record) => record.get('$key'))).toEqual(['a', '', '日本 "x"']);
    expect(locators(found)).toEqual(['x.json["a"]', 'x.json[""]', 'x.json["日本 \\"x\\""]']);
    expect(found[2]!.get('n')).toEqual(new JsonNumber('3'));
    expect(found[0]!.get('$file')).toBe('x.json');
    expect([...found[0]!.fields()]).toEqual(['n']);
  });

  it('of one key are told apart by their place', async () => {
    const found = await read([await file('{"a": {"n": 1}, "b": {}, "a": {"n": 2}, "a": {"n": 3}}', shape)]);
    expect(locators(found)).toEqual([
      'x.json["a"]',
      'x.json["b"]',
      'x.json["a"] at byte 30',
      'x.json["a"] at byte 45',
    ]);
  });

  it('keep members that are called like what is said of a record', async () => {
    const [found] = await read([await file({ a: { $key: 'mine', $file: 'x.wav' } }, shape)]);
    expect([found!.get('$key'), found!.get('$file')]).toEqual(['a', 'x.json']);
    expect([found!.own!('$key'), found!.own!('$file')]).toEqual(['mine', 'x.wav']);
  });

  it('with a NUL or half a character in a key, or a value that is no object, are defective', async () => {
    const text = '{"a\\u0000b": {}, "\\ud83d": {}, "c": 5, "d": {"t": "\\u0000"}, "e": {}}';
    const found = await read([await file(text, shape)]);
    expect(codes(found)).toEqual([
      'NUL_CHARACTER',
      'LONE_SURROGATE',
      'NOT_AN_OBJECT',
      'NUL_CHARACTER',
      undefined,
    ]);
  });
});

describe('the elements that each record holds', () => {
  it('know the record around them', async () => {
    const users = {
      u1: { name: 'one', sessions: [{ id: 's1' }, { id: 's2' }] },
      u2: { name: 'two', sessions: [] },
      u3: { name: 'three', sessions: null },
      u4: { name: 'four' },
      u5: { name: 'five', sessions: 'none' },
      u6: { name: 'six', sessions: [{ id: 's1', t: 'x\u0000' }, 7, { id: 's3' }] },
    };
    const found = await read([await file(users, { records: 'members', each: 'sessions' })]);
    expect(
      found.map((each) => [each.get('$key'), each.get('$index'), each.get('id'), each.get('$of.name')]),
    ).toEqual([
      ['u1', 0n, 's1', 'one'],
      ['u1', 1n, 's2', 'one'],
      ['u5', 0n, undefined, 'five'],
      ['u6', 0n, 's1', 'six'],
      ['u6', 1n, undefined, 'six'],
      ['u6', 2n, 's3', 'six'],
    ]);
    // What is wrong with one of them does not touch the others.
    expect(codes(found)).toEqual([
      undefined,
      undefined,
      'WRONG_TYPE',
      'NUL_CHARACTER',
      'NOT_AN_OBJECT',
      undefined,
    ]);
    expect(locators(found)[5]).toBe('x.json["u6"].sessions[2]');
  });

  it('may be members, with keys of their own', async () => {
    const found = await read([
      await file({ of: { a: { n: 1 }, b: { n: 2 } } }, { records: 'document', each: 'of' }),
    ]);
    expect(found.map((each) => [each.get('$key'), each.locator])).toEqual([
      ['a', 'x.json.of["a"]'],
      ['b', 'x.json.of["b"]'],
    ]);
  });

  it('stand in quarantine as one when nobody can say what they are', async () => {
    const shape = { records: 'document', each: 'rows' } as const;
    const found = await read([
      await file([{ rows: [{ n: 1 }] }], shape, 'array.json'),
      await file('{"rows": [{"n": 1}, {"n": 2}], "rows": [{"n": 3}]}', shape, 'twice.json'),
      await file({ other: [{ n: 1 }] }, shape, 'without.json'),
      await file({ rows: [{ n: 4 }] }, shape, 'good.json'),
    ]);
    expect(locators(found)).toEqual(['array.json', 'twice.json', 'good.json.rows[0]']);
    expect(codes(found)).toEqual(['NOT_AN_OBJECT', 'DUPLICATE_KEY', undefined]);
    // A record of another collection is that collection's to refuse.
    expect(await read([await file({ u1: 5 }, { records: 'members', each: 'rows' })])).toEqual([]);
  });

  it('leave out what must not be kept', async () => {
    const [found] = await read(
      [await file([{ of: [{ token: 't', n: { token: 't' } }] }], { each: 'of' })],
      ['token'],
    );
    expect(found!.payload(new Set(['token']))).toBe('{"n": {}}');
  });
});

describe('documents', () => {
  const shape = { records: 'document', keyedBy: 'id' } as const;

  it('are a file each, or several by their keys', async () => {
    const found = await read([
      await file({ id: 'a', n: {} }, shape, 'one.json'),
      await file({ b: { n: 1 }, c: { n: 2 } }, shape, 'two.json'),
      await file({}, shape, 'three.json'),
      await file({ b: { n: 1 }, c: 2 }, shape, 'four.json'),
    ]);
    expect(locators(found)).toEqual([
      'one.json',
      'two.json["b"]',
      'two.json["c"]',
      'three.json',
      'four.json',
    ]);
    expect(found.map((record) => record.get('$key'))).toEqual([undefined, 'b', 'c', undefined, undefined]);
    expect(codes(found)).toEqual([undefined, undefined, undefined, undefined, undefined]);
  });

  it('that are damaged are records for the quarantine, beside the others', async () => {
    const files = [
      await file('', shape, 'empty.json'),
      await file('{"id": "a", "text": "cut', shape, 'cut.json'),
      await file(Buffer.from([0x7b, 0xff, 0x00]), shape, 'bytes.json'),
      await file('[]', shape, 'array.json'),
      await file('{"id": "a", "api_key": "cut', shape, 'secret.json'),
      await file({ id: 'b' }, shape, 'good.json'),
    ];
    const found = await read(files);
    expect(codes(found)).toEqual([
      'BAD_JSON',
      'BAD_JSON',
      'BAD_JSON',
      'NOT_AN_OBJECT',
      'BAD_JSON',
      undefined,
    ]);
    expect(found[1]!.defect!.detail).toMatch(/^cut\.json is cut: it ends at line 1, column 25/);
    expect(JSON.parse(found[1]!.payload(new Set())).$text).toBe('{"id": "a", "text": "cut');
    // Nobody can tell where a secret begins in what is no JSON.
    expect(JSON.parse(found[4]!.payload(new Set())).$text).toBeUndefined();
    expect(JSON.parse(found[2]!.payload(new Set())).$text).toBeUndefined();
  });
});

it('any shape is the elements of an array, or else one document, and what is damaged stands alone', async () => {
  const shape = { records: 'any' } as const;
  const found = await read([
    await file([{ a: 1 }, 'text', { a: '\0' }], shape, 'list.json'),
    await file({ a: 2 }, shape, 'one.json'),
    await file('[{"a": 3}, {"a"', shape, 'cut.json'),
    await file([], shape, 'none.json'),
  ]);
  expect(found.map(({ locator, defect }) => [locator, defect?.code])).toEqual([
    ['list.json[0]', undefined],
    ['list.json[1]', 'NOT_AN_OBJECT'],
    ['list.json[2]', 'NUL_CHARACTER'],
    ['one.json', undefined],
    ['cut.json', 'BAD_JSON'],
  ]);
});

it('files are known by name, size and hash, whatever they hold', async () => {
  const bytes = Buffer.from([0x80, 0x04, 0x95, 0x00, 0xff]);
  const [found] = await read([await file(bytes, { records: 'file' }, 'models/q.pkl')]);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  expect(['$file', '$size', '$sha256'].map((name) => found!.get(name))).toEqual(['models/q.pkl', 5n, sha256]);
  expect([...found!.fields()]).toEqual([]);
  expect(found!.payload(new Set())).toBe(
    JSON.stringify({ $file: 'models/q.pkl', $size: 5, $sha256: sha256 }),
  );
});

it('files are read one after the other', async () => {
  const found = await read([
    await file([{ n: 1 }, { n: 2 }], {}, 'a.json'),
    await file([{ n: 3 }], {}, 'b.json'),
  ]);
  expect(locators(found)).toEqual(['a.json[0]', 'a.json[1]', 'b.json[0]']);
});
