import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bigint, text } from '../../jobs/engine/contracts.ts';
import { ExternalSort } from '../../jobs/engine/external-sort.ts';
import { Parents } from '../../jobs/engine/parents.ts';
import { SortedReader } from '../../jobs/engine/sorted-reader.ts';
import { JsonCollection } from '../../jobs/sources/json-collection.ts';
import { parseJson } from '../../jobs/sources/json-parse.ts';
import { peekMember } from '../../jobs/sources/json-peek.ts';
import { JsonNumber, JsonObject, type JsonValue } from '../../jobs/sources/json-value.ts';
import { differenceOf } from '../../jobs/sources/second-reader.ts';
import type { PlacedRecord, Raw, SourceRecord } from '../../jobs/sources/source.ts';
import { randomDocument, seededRandom } from '../json-documents.ts';
import { mappingOf, writtenFile } from '../records.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-differential-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let n = 0;
async function collection(content: string): Promise<JsonCollection> {
  const path = join(folder, `things${n++}.json`);
  return new JsonCollection('things', [{ ...(await writtenFile(path, content)), name: basename(path) }]);
}

/** As they are written. */
const NAMES = ['a', 'b', '日', '\\u0062', 'a\\n'];

/** Objects of few shapes with random values, some with a member more, or one that is repeated. */
function randomRecords(random: () => number, count: number): string[] {
  const value = () => randomDocument(random, { storable: false });
  return Array.from({ length: count }, () => {
    const kind = random();
    if (kind < 0.1) return value();
    const id = kind < 0.2 ? '"none"' : String(Math.floor(random() * 1000));
    const members = [
      `"id":${id}`,
      `"name": "${NAMES[Math.floor(random() * NAMES.length)]}"`,
      `"data":${value()}`,
    ];
    if (kind > 0.8) members.push(`"more":${value()}`);
    if (kind > 0.95) members.push(`"\\u0069d":${value()}`);
    return `{${members.join(random() < 0.5 ? ',' : ' ,\n ')}}`;
  });
}

/** Where one of our records differs from the document that JSON.parse makes of its text. */
function differs(record: SourceRecord, theirs: unknown): unknown {
  if (theirs === null || typeof theirs !== 'object' || Array.isArray(theirs)) {
    return record.defect?.code === 'NOT_AN_OBJECT' ? undefined : record.defect;
  }
  const ours = new JsonObject([...record.fields()].map((name) => [name, record.get(name) as JsonValue]));
  return differenceOf(ours, theirs, '$');
}

test('records are what JSON.parse makes of them, in the order of the file and by their places', async () => {
  const random = seededRandom(21);
  for (let round = 0; round < 8; round++) {
    const texts = randomRecords(random, 60);
    const reader = await collection(`[${texts.join(',')}]`);
    const records: PlacedRecord[] = [];
    for await (const block of reader.blocks(0)) records.push(...block);
    expect(records).toHaveLength(texts.length);
    for (const [i, record] of records.entries()) {
      const theirs = JSON.parse(texts[i]!);
      expect(differs(record, theirs), texts[i]).toBeUndefined();
      expect(differs(await reader.reread(record.place), theirs), texts[i]).toBeUndefined();
      const { block, start, end } = record.slice!;
      expect(differs(reader.revive(record.place, block, start, end), theirs), texts[i]).toBeUndefined();
    }
    await reader.close();
  }
});

test('sorted records are all there, in the order that a sort of JSON.parse’s documents gives', async () => {
  const random = seededRandom(22);
  const mapping = mappingOf({ key: ['name', 'id'], fields: [bigint('id'), text('name')] });
  for (let round = 0; round < 4; round++) {
    const texts = randomRecords(random, 700);
    const keys = texts.map((text, i) => {
      const { id, name } = JSON.parse(text) ?? {};
      const isKey = Number.isInteger(id) && typeof name === 'string' && text.startsWith('{"id":');
      return { i, name: isKey ? name : '', id: isKey ? id : -1 };
    });
    // Whether a repeated id counts is not the sort's to say: its record is refused in any case.
    const plain = new Set(keys.filter(({ i }) => !texts[i]!.includes('\\u0069d')).map(({ i }) => i));
    const inOrder = keys
      .filter(({ i }) => plain.has(i))
      .sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)) || a.id - b.id || a.i - b.i);
    const file = join(folder, 'sort');
    const sorted = await SortedReader.open(
      await collection(`[${texts.join(',')}]`),
      mapping,
      new Parents(),
      file,
    );
    const places: number[] = [];
    for await (const block of sorted.blocks(0)) {
      for (const record of block) {
        const i = Number(/\[(\d+)\]$/.exec(record.locator)![1]);
        places.push(i);
        expect(differs(record, JSON.parse(texts[i]!))).toBeUndefined();
      }
    }
    expect(places).toHaveLength(texts.length);
    expect(places.filter((i) => plain.has(i))).toEqual(inOrder.map(({ i }) => i));
    await sorted.close();
  }
});

test('a member that is looked at alone is the one that parsing gives, or is left to the parser', () => {
  const random = seededRandom(23);
  let seen = 0;
  for (const text of randomRecords(random, 3000)) {
    const bytes = Buffer.from(`  ${text},{"id":1}`);
    const end = bytes.length - 9;
    const { value, issues } = parseJson(bytes.subarray(2, end));
    for (const name of ['id', 'name', 'data', 'more', 'absent']) {
      const found = peekMember(bytes, 2, end, Buffer.from(JSON.stringify(name)));
      if (found === undefined || issues.some(({ code }) => code === 'DUPLICATE_KEY')) continue;
      seen++;
      const expected: Raw = value instanceof JsonObject ? value.get(name) : undefined;
      expect(shown(found), text).toEqual(shown(expected));
    }
  }
  expect(seen).toBeGreaterThan(2000);
});

const shown = (raw: Raw) => (raw instanceof JsonNumber ? { number: raw.text } : raw);

test('keys with an issue are reported for each object that has them, however often they come', () => {
  for (const key of ['\\u0000', '\\ud800', 'a\\ud83db']) {
    for (let i = 0; i < 9; i++) {
      const { issues } = parseJson(Buffer.from(`{"${key}":1}`));
      expect(issues).toHaveLength(1);
    }
  }
});

test('objects of one shape, then of another, share nothing that can be changed', () => {
  const { value } = parseJson(
    Buffer.from('[{"a":1,"b":2},{"a":1,"b":2},{"a":3,"b":4},{"a":5},{"a":1,"b":2,"c":3}]'),
  );
  const objects = value as JsonObject[];
  objects[1]!.add('z', null);
  expect(objects.map(({ keys }) => keys.join())).toEqual(['a,b', 'a,b,z', 'a,b', 'a', 'a,b,c']);
  expect([objects[2]!.get('b'), objects[2]!.has('z')]).toEqual([new JsonNumber('4'), false]);
});

test.each([64, 1000, 1 << 20])('entries are sorted the same in runs of %i bytes', (runBytes) => {
  const random = seededRandom(24);
  const sort = new ExternalSort(join(folder, 'runs'), runBytes);
  const entries = Array.from({ length: 3000 }, (_, i) => {
    const size = Math.floor(random() * 7);
    const key = Buffer.concat([
      size > 0 ? Buffer.from('shared') : Buffer.alloc(0),
      Buffer.from(Array.from({ length: size }, () => Math.floor(random() * 3) * 127)),
    ]);
    return { key, value: `${i} ${'x'.repeat(Math.floor(random() * 40))}` };
  });
  for (const { key, value } of entries) {
    const at = sort.add(key, key.length, Buffer.byteLength(value));
    sort.bytes.write(value, at);
  }
  sort.finish();
  const expected = entries.toSorted((a, b) => Buffer.compare(a.key, b.key)).map(({ value }) => value);
  for (let pass = 0; pass < 2; pass++) {
    const found: string[] = [];
    const cursor = sort.cursor();
    while (cursor.next()) found.push(cursor.bytes.toString('utf8', cursor.keyEnd, cursor.end));
    expect(found).toEqual(expected);
  }
  sort.close();
});
