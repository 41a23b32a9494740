import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Batch, batches } from '../../jobs/engine/batches.ts';
import {
  bigint,
  bool,
  double,
  integer,
  isoInstant,
  json,
  lenientBool,
  lenientInteger,
  reference,
  text,
} from '../../jobs/engine/contracts.ts';
import { CopyBuffer } from '../../jobs/engine/copy-buffer.ts';
import type { Field, TableMapping } from '../../jobs/engine/mapping.ts';
import { Parents } from '../../jobs/engine/parents.ts';
import { int8 } from '../../jobs/engine/pg-types.ts';
import { RowConverter } from '../../jobs/engine/row-converter.ts';
import { SortedReader } from '../../jobs/engine/sorted-reader.ts';
import { JsonCollection } from '../../jobs/sources/json-collection.ts';
import type { EntityReader, OrderedReader } from '../../jobs/sources/source.ts';
import { lightningTalk } from '../../jobs/systems/lightning-talk/index.ts';
import { randomDocument, seededRandom } from '../json-documents.ts';
import { longWay, mappingOf, rowsIn, writtenFile } from '../records.ts';

const folder = mkdtempSync(join(tmpdir(), 'cutover-json-lanes-'));
const opened: SortedReader[] = [];
afterAll(async () => {
  for (const reader of opened) await reader.close();
  rmSync(folder, { recursive: true, force: true });
});

let n = 0;
async function readerOf(mapping: TableMapping, texts: readonly string[], parents = new Parents()) {
  const path = join(folder, `${n++}.json`);
  const file = { ...(await writtenFile(path, `[${texts.join(',\n')}]`)), name: basename(path) };
  const inner = new JsonCollection(mapping.entity, [file]);
  const reader = await SortedReader.open(inner, mapping, parents, `${path}.sort`);
  opened.push(reader);
  return reader;
}

/** Values as they are written in JSON: ordinary ones first, then what each contract has to look at twice. */
const TEXTS = [
  ...[
    '"BTC"',
    '"talk_submitted"',
    '"日本語 🚀"',
    '""',
    `"${'x'.repeat(48)}"`,
    `"${'é'.repeat(40)}"`,
    '"a@b"',
  ],
  ...[
    '"\\n"',
    '"\\u0041"',
    '"\\u0000"',
    '"\\ud83d"',
    '"\\ud83d\\ude80"',
    '"https://a:b@c"',
    `"${'long '.repeat(99)}"`,
  ],
];
const NUMBERS = [
  ...[
    '1',
    '0',
    '-1',
    '1.5',
    '0.1',
    '-0.5',
    '2.0',
    '-0',
    '-0.0',
    '1e3',
    '1E400',
    '1e-400',
    '5e-324',
    '2147483647',
  ],
  ...[
    '2147483648',
    '-2147483649',
    '9007199254740991',
    '9007199254740992',
    '9007199254740993',
    '100000000000000000',
  ],
  ...[
    '9223372036854775807',
    '9223372036854775808',
    '-9223372036854775808',
    '0.1000000000000000055511151231257827',
  ],
  ...[
    '0.00000000000000000000000000000000000001',
    '123456789.123456789',
    '12345678901234.5',
    '1.7976931348623159e308',
  ],
];
const WORDS = ['true', 'false', 'null', 'NaN', 'Infinity', '-Infinity'];
const TIMES = [
  ...[
    '"2025-06-01T00:00:00.000Z"',
    '"2025-06-01T23:59:59Z"',
    '"2025-06-01T00:00:00.123456Z"',
    '"2025-06-01T00:00:00"',
  ],
  ...[
    '"2024-02-29T12:00:00.5Z"',
    '"2023-02-29T12:00:00Z"',
    '"2025-06-01"',
    '"2025-06-01T00:00:00+09:00"',
    '"now"',
  ],
  ...[
    '"2025-06-01 00:00:00"',
    '"2025-06-01T24:00:00Z"',
    '"0001-01-01T00:00:00Z"',
    '"9999-12-31T23:59:59.999999Z"',
  ],
  ...['"2025-06-01T00:00Z"', '"2025-06-01T00:00:00.0000000Z"', '"2025-06-01T00:00:00.Z"'],
];
const DOCUMENTS = [
  ...[
    '{}',
    '[]',
    '{"a": 1}',
    '{"bb":1,"a":[1, 2.50,{}],"日":"é"}',
    '[true,false , null]',
    '{"a":{"b":{"c":"d"}}}',
  ],
  ...[
    '{"a":1,"a":2}',
    '{"password":"x"}',
    '{"token":1}',
    '{"mail":"a@b.c"}',
    '{"u":"https://a:b@c/d"}',
    '{"a":-0.0}',
  ],
  ...[
    '{"a":-0.50}',
    '{"a":1e5}',
    '{"a":NaN}',
    '{"a":"\\n"}',
    '{"\\u0061":1}',
    '["https://a:b@c"]',
    '[-1.0, 1.0]',
  ],
  ...['{"a":01}', '[1 2]', '{"a" : tru}', '[1,]', '{"a":}', `${'['.repeat(20)}${']'.repeat(20)}`],
  ...['{"aa":{"x":1},"b":{"x":"y","w":2}}', `[${'9'.repeat(1200)}]`, '{"secrets":{}}', '{"ab":"b","aa":"c"}'],
];
const ANY = [...TEXTS, ...NUMBERS, ...WORDS, ...TIMES, ...DOCUMENTS];

const parents = new Parents();
for (const name of ['BTC', 'talk_submitted', '日本語 🚀', 'é'.repeat(40)])
  parents.add('parents', name, name.length);

const KINDS: Record<string, Field> = {
  text: text('v', { nullable: true }),
  integer: integer('v', { nullable: true }),
  bigint: bigint('v', { nullable: true }),
  double: double('v', { nullable: true, infinite: 'H4' }),
  bool: bool('v', { nullable: true }),
  'lenient bool': lenientBool('v', 'L7', { nullable: true }),
  'lenient integer': lenientInteger('v', 'L12', { nullable: true }),
  instant: isoInstant('v', { nullable: true, rule: 'L9', localOffsetMinutes: 540 }),
  json: json('v', { nullable: true, nonFinite: 'L27' }),
  'a name of a parent': reference('v', int8, {
    parents: 'parents',
    stored: 'text',
    nullable: true,
    orphan: { note: 'L16' },
  }),
};

/** Reads records both ways. @returns how many took the short one, and those that both ways make another thing of */
async function bothWays(mapping: TableMapping, texts: readonly string[]) {
  const reader = await readerOf(mapping, texts, parents);
  const lanes = new RowConverter(mapping, parents, true).lanes(reader.columns!)!;
  const long = new RowConverter(mapping, parents, true);
  const out = new CopyBuffer(8);
  let short = 0;
  let seen = 0;
  const wrong: unknown[] = [];
  for (const cursor of reader.cells(0)) {
    while (cursor.next()) {
      seen++;
      // What earlier rows wrote is overwritten, as in batches.
      out.truncate(0);
      if (Number.isNaN(cursor.rowid) || !lanes(cursor.row, out)) {
        if (out.length !== 0) wrong.push([cursor.record().locator, 'left something']);
        continue;
      }
      short++;
      const record = cursor.record();
      const [written, expected] = [rowsIn(out)[0], longWay(long, record)];
      if (JSON.stringify(written) !== JSON.stringify(expected) || long.notes.length > 0) {
        wrong.push([record.payload({ has: () => false }), written, expected, long.notes]);
      }
    }
  }
  expect(seen).toBe(texts.length);
  return { short, wrong };
}

describe('the short way of JSON writes what the long way writes, or nothing', () => {
  it.each(Object.entries(KINDS))('%s', async (_, field) => {
    const mapping = mappingOf({ fields: [bigint('id'), field] });
    for (const layout of [
      (id: number, value: string) => `{"id":${id},"v":${value}}`,
      (id: number, value: string) => `{ "v" : ${value} ,\n\t"id" : ${id}\r}`,
    ]) {
      const { short, wrong } = await bothWays(
        mapping,
        ANY.map((value, id) => layout(id, value)),
      );
      expect(wrong).toEqual([]);
      expect(short).toBeGreaterThan(0);
      expect(short).toBeLessThan(ANY.length);
    }
  });

  it('documents of any shape', async () => {
    const random = seededRandom(41);
    const mapping = mappingOf({ fields: [bigint('id'), KINDS.json!] });
    const texts = Array.from({ length: 3000 }, (_, id) => {
      const document = randomDocument(random, { storable: random() < 0.9 });
      return `{"id":${id},"v":${random() < 0.5 ? document : document.replaceAll(/\\u?..../g, '')}}`;
    }).filter((each) => isJson(each));
    const { short, wrong } = await bothWays(mapping, texts);
    expect(wrong.slice(0, 2)).toEqual([]);
    expect(short).toBeGreaterThan(texts.length / 10);
  });

  it('analytics of lightning-talk', async () => {
    const mapping = lightningTalk.tables.find(({ table }) => table === 'analytics')!;
    parents.add('events', 'event-1', Buffer.alloc(16, 7));
    const random = seededRandom(42);
    const pick = <T>(of: readonly T[]) => of[Math.floor(random() * of.length)]!;
    const DATES = [
      '"Sun Jun 01 2025"',
      '"Mon Jun 02 2025"',
      '"Fri Jan 10 2025"',
      '"Sun Foo 01 2025"',
      '"2025-06-01"',
    ];
    const likely: Record<string, readonly string[]> = {
      id: ['"1-a"', '"2-b"', `"${'long'.repeat(200)}"`, '"日本"', '1', '"a\\"b"', '""'],
      eventId: ['"event-1"', '"event-2"', '""'],
      action: TEXTS,
      data: DOCUMENTS.slice(0, 20),
      timestamp: TIMES,
      date: DATES,
      createdAt: TIMES,
      updatedAt: TIMES,
    };
    const texts = Array.from({ length: 4000 }, () => {
      const members = Object.entries(likely).map(([name, values]) => {
        const rare = random();
        if (rare < 0.01) return [];
        const value =
          rare < 0.02
            ? pick(ANY.slice(0, 60))
            : rare < 0.9
              ? values[Math.floor(random() * 2)]!
              : pick(values);
        return [`"${name}": ${value}`];
      });
      return `{${members.flat().join(', ')}${random() < 0.01 ? ', "other": 1' : ''}}`;
    });
    const { short, wrong } = await bothWays(mapping, texts);
    expect(wrong.slice(0, 2)).toEqual([]);
    expect(short).toBeGreaterThan(400);
  });
});

const isJson = (value: string) => {
  try {
    JSON.parse(value);
    return true;
  } catch {
    return false;
  }
};

describe('a table of a store of files', () => {
  it('goes the long way where a field reads what is in no cell', async () => {
    const reader = await readerOf(mappingOf({ fields: [bigint('id'), text('name', { from: '$file' })] }), [
      '{"id":1}',
    ]);
    expect(reader.columns).toBeUndefined();
  });

  it('has lanes for all of the analytics', async () => {
    const mapping = lightningTalk.tables.find(({ table }) => table === 'analytics')!;
    const reader = await readerOf(mapping, []);
    expect(new RowConverter(mapping, parents, true).lanes(reader.columns!)).toBeDefined();
  });
});

/** The same reader without cells. */
const withoutCells = (reader: OrderedReader): OrderedReader => ({
  entity: reader.entity,
  missingIsNotNull: reader.missingIsNotNull,
  count: reader.count,
  blocks: (from) => reader.blocks(from),
  close: () => reader.close(),
});

async function plain(
  mapping: TableMapping,
  reader: OrderedReader,
  options: { rows: number; from?: number; to?: number },
) {
  const found = [];
  for await (const batch of batches(mapping, reader, new Parents(), options)) found.push(plainBatch(batch));
  return found;
}

const plainBatch = (batch: Batch) => ({
  ...batch,
  rows: rowsIn(batch.rows),
  rowid: undefined,
  locators: batch.starts.map((_, i) => batch.locator(i)),
  payloads: batch.starts.map((_, i) => batch.payload(i)),
  locator: undefined,
  payload: undefined,
});

const locators = async (reader: EntityReader) => {
  const found: string[] = [];
  for await (const block of reader.blocks(0)) for (const { locator } of block) found.push(locator);
  return found;
};

describe('records as cells', () => {
  const mapping = mappingOf({ key: ['name', 'id'], fields: [bigint('id'), text('name')] });
  const random = seededRandom(43);
  const name = () => `n${Math.floor(random() * 40)}`;
  const unusual = (id: number) =>
    [
      `{"id":${id},"name":"\\u006e1"}`,
      '5',
      `{"id":"x","name":"n"}`,
      `{"id":${id},"name":"${name()}","other":[{}]}`,
    ][Math.floor(random() * 4)]!;
  const texts = Array.from({ length: 400 }, (_, id) =>
    random() < 0.1 ? unusual(id) : `{"id":${id % 50},"name":"${name()}"}`,
  );
  const keyOf = (each: string) => {
    const value = JSON.parse(each);
    return typeof value.id === 'number' && typeof value.name === 'string'
      ? [value.name, value.id]
      : undefined;
  };
  const before = (a: string, b: string) => {
    const [x, y] = [keyOf(a) ?? ['', -1], keyOf(b) ?? ['', -1]];
    return Buffer.compare(Buffer.from(x[0]), Buffer.from(y[0])) || x[1] - y[1];
  };
  const inOrder = texts.filter((each) => keyOf(each) !== undefined).sort(before);
  for (let i = 0; i < 12; i++) inOrder.splice(i * 31, 0, i % 2 === 0 ? '7' : '{"name":"no id"}');
  const long = texts.map((each, i) =>
    i % 17 === 0 ? each.replace(/"name":"/, `"name":"${'long'.repeat(20_000)}`) : each,
  );

  it.each([
    ['in no order', texts],
    ['in order, with some aside', inOrder],
    ['of long texts, which are read again', long],
    ['of none', []],
  ])('%s are those of the blocks, wherever a pass begins', async (_, of) => {
    const reader = await readerOf(mapping, of);
    const expected = await locators(reader);
    expect(expected).toHaveLength(of.length);
    for (const from of [0, 1, 5, 12, 13, 100, of.length - 1, of.length].filter((each) => each <= of.length)) {
      const found: string[] = [];
      for (const cursor of reader.cells(Math.max(0, from))) {
        while (cursor.next()) {
          const { locator } = cursor.record();
          found.push(locator);
          if (Number.isNaN(cursor.rowid)) continue;
          expect([reader.locator(cursor.rowid), reader.find(cursor.rowid).locator]).toEqual([
            locator,
            locator,
          ]);
        }
      }
      expect(found).toEqual(expected.slice(Math.max(0, from)));
    }
  });

  it.each([
    ['in no order', texts],
    ['in order', inOrder],
  ])('%s make the same batches as records', async (_, of) => {
    const reader = await readerOf(mapping, of);
    const slow = withoutCells(await readerOf(mapping, of));
    const named = (found: unknown) => JSON.stringify(found).replaceAll(/\d+\.json/g, 'file');
    for (const options of [
      { rows: 1000 },
      { rows: 7 },
      { rows: 7, from: 100 },
      { rows: 3, from: 50, to: 200 },
    ]) {
      expect(named(await plain(mapping, reader, options))).toBe(named(await plain(mapping, slow, options)));
    }
  });

  it('may be cut where the first column of the key changes, and nowhere else', async () => {
    const reader = await readerOf(mapping, inOrder);
    const names: unknown[] = [];
    for await (const block of reader.blocks(0)) for (const record of block) names.push(record.get('name'));
    const cuts = reader.cuts();
    expect(cuts.length).toBeGreaterThan(20);
    for (const { at, key } of cuts) {
      expect(key).toEqual([names[at]]);
      expect(names[at - 1]).not.toBe(names[at]);
    }
    expect((await readerOf(mapping, texts)).cuts()).toEqual([]);
    expect((await readerOf({ ...mapping, watch: () => () => {} }, inOrder)).cuts()).toEqual([]);
  });

  it('are the same for a reader that is told what another one knows', async () => {
    const reader = await readerOf(mapping, inOrder);
    const known = structuredClone(reader.known);
    const path = join(folder, `${n - 1}.json`);
    const file = { ...(await writtenFile(path, `[${inOrder.join(',\n')}]`)), name: basename(path) };
    const inner = new JsonCollection('things', [file]);
    const other = await SortedReader.open(inner, mapping, new Parents(), `${path}.other`, known);
    opened.push(other);
    for (const options of [{ rows: 1000 }, { rows: 7, from: 100, to: 300 }]) {
      expect(await plain(mapping, other, options)).toEqual(await plain(mapping, reader, options));
    }
    expect((await readerOf(mapping, texts)).known).toBeUndefined();
  });

  it('of several files follow each other', async () => {
    const parts = [inOrder.slice(0, 100), [], inOrder.slice(100)];
    const files = [];
    for (const part of parts) {
      const path = join(folder, `part${n++}.json`);
      files.push({ ...(await writtenFile(path, `[${part.join()}]`)), name: basename(path) });
    }
    const inner = new JsonCollection('things', files);
    const reader = await SortedReader.open(inner, mapping, new Parents(), join(folder, 'parts.sort'));
    opened.push(reader);
    const expected = await locators(reader);
    for (const from of [0, 50, 99, 100, 101, 300]) {
      const found: string[] = [];
      for (const cursor of reader.cells(from)) while (cursor.next()) found.push(cursor.record().locator);
      expect(found).toEqual(expected.slice(from));
    }
  });
});
