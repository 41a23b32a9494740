import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bigint, nth, text } from '../../jobs/engine/contracts.ts';
import { Parents } from '../../jobs/engine/parents.ts';
import { SortedReader } from '../../jobs/engine/sorted-reader.ts';
import { random } from '../../jobs/sample/random.ts';
import { JsonCollection } from '../../jobs/sources/json-collection.ts';
import { JsonNumber } from '../../jobs/sources/json-value.ts';
import type { EntityReader, SourceRecord } from '../../jobs/sources/source.ts';
import { mappingOf, writtenFile } from '../records.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-sorted-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let n = 0;
async function collection(content: unknown, partsOr?: string): Promise<JsonCollection> {
  const file = join(folder, `things${n++}.json`);
  const written = await writtenFile(
    file,
    typeof content === 'string' ? content : JSON.stringify(content, null, 2),
  );
  return new JsonCollection('things', [{ ...written, name: basename(file), partsOr }]);
}

async function all(reader: EntityReader, from = 0): Promise<SourceRecord[]> {
  const records: SourceRecord[] = [];
  for await (const block of reader.blocks(from)) records.push(...block);
  return records;
}

const byName = mappingOf({ key: ['name', 'id'], fields: [bigint('id'), text('name')] });
const values = (record: SourceRecord) => {
  const id = record.get('id');
  return [record.get('name'), id instanceof JsonNumber ? Number(id.text) : id];
};

describe('records that may repeat', () => {
  const byNth = mappingOf({ key: ['name', 'n'], fields: [text('name'), nth('n')] });
  const things = ['b', 'a', 'b', null, 'b', 'a'].map((name, id) => ({ id, name }));
  const numbers = (records: SourceRecord[]) =>
    records.map((record) => [...values(record), record.get('$nth')]);

  it('are numbered in the order of the file, wherever a pass begins', async () => {
    const sorted = await SortedReader.open(
      await collection(things),
      byNth,
      new Parents(),
      join(folder, 'nth.sort'),
    );
    const expected = [
      [null, 3, 1n],
      ['a', 1, 1n],
      ['a', 5, 2n],
      ['b', 0, 1n],
      ['b', 2, 2n],
      ['b', 4, 3n],
    ];
    for (const from of [0, 2, 5]) {
      const records = await all(sorted, from);
      expect(numbers(records)).toEqual(expected.slice(from));
      expect(records.map((record) => [...record.fields()])).toEqual(records.map(() => ['id', 'name']));
    }
    await sorted.close();
  });

  it('are not, where no field asks', async () => {
    const sorted = await SortedReader.open(
      await collection(things),
      byName,
      new Parents(),
      join(folder, 'no-nth.sort'),
    );
    expect((await all(sorted)).map((record) => record.get('$nth'))).toEqual(things.map(() => undefined));
    await sorted.close();
  });
});

describe('a file without an order', () => {
  it('is read in the order of the key: text by its UTF-8, numbers by their value', async () => {
    const things = [
      { id: 2, name: 'b' },
      { id: -1, name: 'b' },
      { id: 1, name: '😀' },
      { id: 3, name: 'ｚ' },
      { id: 10, name: 'b' },
      { id: 0, name: '' },
      { id: 1, name: 'ba' },
    ];
    const sorted = await SortedReader.open(
      await collection(things),
      byName,
      new Parents(),
      join(folder, 'a.sort'),
    );
    expect(sorted.count).toBe(7);
    expect((await all(sorted)).map(values)).toEqual([
      ['', 0],
      ['b', -1],
      ['b', 2],
      ['b', 10],
      ['ba', 1],
      ['ｚ', 3],
      ['😀', 1],
    ]);
    await sorted.close();
  });

  it('keeps records of one key in the order of the file, and each one’s own place', async () => {
    const things = [
      { id: 1, name: 'b', note: 'first' },
      { id: 1, name: 'a' },
      { id: 1, name: 'b', note: 'second' },
      { id: 1, name: 'b', note: 'third' },
    ];
    const inner = await collection(things);
    const sorted = await SortedReader.open(inner, byName, new Parents(), join(folder, 'b.sort'));
    const found = await all(sorted);
    expect(found.map((record) => record.get('note'))).toEqual([undefined, 'first', 'second', 'third']);
    expect(found.map(({ locator }) => locator.replace(/^things\d+/, 'things'))).toEqual([
      'things.json[1]',
      'things.json[0]',
      'things.json[2]',
      'things.json[3]',
    ]);
    await sorted.close();
  });

  it('puts records that no key can be made of first, and loses none', async () => {
    const things = [
      { id: 5, name: 'a' },
      { name: 'no id' },
      { id: 1, name: 'b' },
      'no object',
      { id: 'x', name: 'c' },
    ];
    const sorted = await SortedReader.open(
      await collection(things),
      byName,
      new Parents(),
      join(folder, 'c.sort'),
    );
    const found = await all(sorted);
    expect(found.slice(0, 3).map(({ locator }) => locator.match(/\[\d\]/)![0])).toEqual([
      '[1]',
      '[3]',
      '[4]',
    ]);
    expect(found.slice(3).map(values)).toEqual([
      ['a', 5],
      ['b', 1],
    ]);
    await sorted.close();
  });

  it('is read as it stands where its keys are in order, without those that have none', async () => {
    const names = [null, 'a', null, null, 'a', 'b', null, 'c', 'd', null];
    const things = names.map((name, id) => ({ id, name }));
    const file = join(folder, 'in-order.sort');
    const sorted = await SortedReader.open(await collection(things), byName, new Parents(), file);
    const expected = [0, 2, 3, 6, 9, 1, 4, 5, 7, 8];
    for (let from = 0; from <= expected.length; from++) {
      const found = (await all(sorted, from)).map((record) => values(record)[1]);
      expect(found).toEqual(expected.slice(from));
    }
    await sorted.close();
  });

  it('can be read again, and from any position on', async () => {
    const source = random(1, 'sorted reader');
    const things = Array.from({ length: 1203 }, () => ({
      id: source.int(-50, 50),
      name: source.hex(source.int(0, 2)),
    }));
    const sorted = await SortedReader.open(
      await collection(things),
      byName,
      new Parents(),
      join(folder, 'd.sort'),
    );
    const once = (await all(sorted)).map(({ locator }) => locator);
    expect(new Set(once).size).toBe(1203);
    for (const from of [0, 1, 499, 500, 501, 1202, 1203]) {
      expect((await all(sorted, from)).map(({ locator }) => locator)).toEqual(once.slice(from));
    }
    const keys = (await all(sorted)).map(values) as [string, number][];
    const expected = things
      .map(({ id, name }) => [name, id] as [string, number])
      .sort((a, b) => Buffer.compare(Buffer.from(a[0]), Buffer.from(b[0])) || a[1] - b[1]);
    expect(keys).toEqual(expected);
    await sorted.close();
  });

  it('leaves nothing on the disk, and is not confused by what another run left there', async () => {
    const file = join(folder, 'e.sort');
    await writeFile(file, 'left over');
    const sorted = await SortedReader.open(
      await collection([{ id: 1, name: 'a' }]),
      byName,
      new Parents(),
      file,
    );
    // Not even while it is open: a process that is killed can't remove anything.
    expect(existsSync(file)).toBe(false);
    await sorted.close();
  });
});

describe('a collection', () => {
  it('that is not there has no records', async () => {
    expect(await all(new JsonCollection('things', []))).toEqual([]);
  });

  it.each([
    ['[]', 0],
    [' [ ] ', 0],
    ['[{}]', 1],
  ])('%s', async (content, count) => {
    expect(await all(await collection(content))).toHaveLength(count);
  });

  it('tells a missing field from one that is null', async () => {
    const [found] = await all(await collection([{ a: null }]));
    expect([found!.get('a'), found!.get('b'), [...found!.fields()]]).toEqual([null, undefined, ['a']]);
  });

  it('gives a defect to what JSON readers disagree on or PostgreSQL cannot hold', async () => {
    const found = await all(
      await collection('[{"id":1,"a":1,"a":2}, 5, {"a":"\\u0000"}, {"a":["\\ud83d"]}, {"a":NaN}, {"a":1}]'),
    );
    expect(found.map(({ defect }) => defect?.code)).toEqual([
      'DUPLICATE_KEY',
      'NOT_AN_OBJECT',
      'NUL_CHARACTER',
      'LONE_SURROGATE',
      undefined, // a matter of the field's contract
      undefined,
    ]);
  });

  describe('payload', () => {
    const payload = async (content: string, ...leftOut: string[]) =>
      (await all(await collection(content)))[0]!.payload(new Set(leftOut));

    it('is the text of the record, repeated keys and all', async () => {
      expect(await payload('[{"a": 1.50,  "a": "\\u540d"}]')).toBe('{"a": 1.50,  "a": "\\u540d"}');
    });

    it('goes without what is left out, at any depth', async () => {
      const text = await payload(
        '[{"a": 1.50, "password": "x", "b": [{"password": "y", "c": NaN}]}]',
        'password',
      );
      expect(text).toBe('{"a": 1.50, "b": [{"c": NaN}]}');
    });

    it('also where its name is written with escapes', async () => {
      expect(await payload('[{"a": 1, "pass\\u0077ord": "x"}]', 'password')).toBe('{"a": 1}');
    });
  });
});

describe('a collection whose first document has the entities as its members', () => {
  const settings = [
    { siteName: 'LT', reminderDays: [7, 1], updatedAt: '2025-07-01T00:00:00.000Z' },
    { siteName: 'other' },
    7,
  ];

  it('gives each member, which can see the others, and sets further documents aside', async () => {
    const found = await all(await collection(settings, 'EXTRA_SETTINGS'));
    expect(found.map((record) => [record.get('key'), record.defect?.code])).toEqual([
      ['siteName', undefined],
      ['reminderDays', undefined],
      ['updatedAt', undefined],
      [undefined, 'EXTRA_SETTINGS'],
      [undefined, 'EXTRA_SETTINGS'],
    ]);
    expect(found[0]!.get('value')).toBe('LT');
    expect(found[0]!.get('updatedAt')).toBe('2025-07-01T00:00:00.000Z');
    expect([...found[0]!.fields()]).toEqual(['key', 'value']);
    expect(found[1]!.payload(new Set())).toBe('{"reminderDays": [7, 1]}');
    expect(found[0]!.locator).toMatch(/^things\d+\.json siteName$/);
    expect(found[3]!.payload(new Set()).replaceAll(/\s/g, '')).toBe('{"siteName":"other"}');
  });

  it('finds each of them again in the order of the key', async () => {
    const mapping = mappingOf({ key: ['key'], fields: [text('key')] });
    const inner = await collection(settings, 'EXTRA_SETTINGS');
    const sorted = await SortedReader.open(inner, mapping, new Parents(), join(folder, 'f.sort'));
    expect((await all(sorted)).map((record) => record.get('key') ?? record.defect?.code)).toEqual([
      'EXTRA_SETTINGS',
      'EXTRA_SETTINGS',
      'reminderDays',
      'siteName',
      'updatedAt',
    ]);
    await sorted.close();
  });
});
