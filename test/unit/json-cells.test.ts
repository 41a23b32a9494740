import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { JsonCells } from '../../jobs/sources/json-cells.ts';
import { parseJson } from '../../jobs/sources/json-parse.ts';
import { streamJson } from '../../jobs/sources/json-stream.ts';
import { JsonNumber, JsonObject, type JsonValue } from '../../jobs/sources/json-value.ts';
import { JsonWalk } from '../../jobs/sources/json-walk.ts';
import { CellKind } from '../../jobs/sources/source.ts';
import { randomDocument, seededRandom } from '../json-documents.ts';

const folder = mkdtempSync(join(tmpdir(), 'cutover-cells-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const COLUMNS = ['id', 'name', 'data', 'a\nb', 'long name of a member', '日', ''];

/** With a byte behind it that no JSON has, and nothing behind that. */
const bytesOf = (text: string | Buffer) => Buffer.concat([Buffer.from(text), Buffer.alloc(1)]);

/** The cells of an object, by column: kind, text, and number of those that have one. */
function cellsOf(cells: JsonCells) {
  return Object.fromEntries(
    cells.columns.flatMap((column, i) => {
      const kind = cells.kinds[i]!;
      if (kind === CellKind.null) return [];
      const text = cells.bytes.toString('utf8', cells.starts[i]!, cells.starts[i]! + cells.sizes[i]!);
      return [[column, { kind, text, number: cells.numbers[i]! }]];
    }),
  );
}

/** What is wrong with cells, by the parser; the members of containers, which cells don't promise, are left aside. */
function wrongIn(cells: JsonCells, text: Buffer): unknown {
  const found = cellsOf(cells);
  const containers = Object.values(found).filter(({ kind }) => kind === CellKind.container);
  let parsed: ReturnType<typeof parseJson>;
  try {
    parsed = parseJson(text);
  } catch (error) {
    return containers.length > 0 ? undefined : error;
  }
  const { value, issues } = parsed;
  if (!(value instanceof JsonObject)) return 'no object';
  if (issues.some(({ path }) => /^\$(\.[^.[]+)?$/.test(path))) return issues;
  if (new Set(value.keys).size !== Object.keys(found).length) return ['members', value.keys, found];
  for (const [key, member] of value) {
    const cell = found[key];
    if (cell === undefined) return [key, 'is no cell'];
    if (!isSame(cell, member)) return [key, cell, member];
  }
  return undefined;
}

function isSame(cell: { kind: number; text: string; number: number }, member: JsonValue): boolean {
  switch (cell.kind) {
    case CellKind.string:
      return cell.text === member;
    case CellKind.boolean:
      return typeof member === 'boolean' && cell.number === Number(member) && cell.text === String(member);
    case CellKind.integer:
    case CellKind.real:
      return (
        member instanceof JsonNumber &&
        cell.text === member.text &&
        Object.is(cell.number, Number(member.text)) &&
        (cell.kind === CellKind.integer) === /^-?\d+$/.test(member.text)
      );
    case CellKind.container:
      return Array.isArray(member) || member instanceof JsonObject;
    default:
      return false;
  }
}

const ORDINARY = [
  '1',
  '-1',
  '1.5',
  '"x"',
  '"four"',
  '"fives"',
  'true',
  'false',
  '{}',
  '[1, "]"]',
  '{"a":{"b":"}"}}',
];
const VALUES = [
  ...ORDINARY,
  ...[
    '0',
    '-0',
    '-0.0',
    '0.1',
    '123456789012345',
    '9007199254740993',
    '0.30000000000000004',
    '1e5',
    '1E-400',
  ],
  ...[
    '1e999',
    '0.00000000000000000000000000001',
    '2.50',
    '"日本語 🚀"',
    '""',
    '"\\n"',
    '"\\ud83d"',
    '"\\u0000"',
  ],
  ...[
    'null',
    'NaN',
    '-Infinity',
    '01',
    '1.',
    '.5',
    '+1',
    '-',
    'tru',
    '"',
    '"tab\there"',
    '[',
    '{]',
    '"a\u007fb"',
  ],
  ...['"quote\\""', '"0123456789abc\\"', '"  \u0001  "', '[1,]', "'x'", '12345678901234567890.5', '""x'],
];

describe('cells of an object', () => {
  it('are what the parser finds, or there are none', () => {
    const random = seededRandom(31);
    const pick = <T>(of: readonly T[]) => of[Math.floor(random() * of.length)]!;
    const names = [...COLUMNS, 'other', 'id'].map((name) => JSON.stringify(name));
    let ordinary = 0;
    for (let round = 0; round < 60; round++) {
      const cells = new JsonCells(COLUMNS);
      const blanks = [pick(['', ' ', '\n    ']), pick(['', ' '])];
      const shape = names.slice(0, 5).filter((name) => !name.includes('\\') && random() < 0.7);
      for (let i = 0; i < 60; i++) {
        const usual = random() < 0.8 ? shape : names.filter(() => random() < 0.4);
        const members = usual.map((name) => {
          const value = random() < 0.9 ? pick(ORDINARY) : pick(VALUES);
          return `${random() < 0.02 ? ' ' : ''}${name}${blanks[1]}:${blanks[1]}${value}`;
        });
        let text = Buffer.from(`{${blanks[0]}${members.join(`,${blanks[0]}`)}${blanks[0]}}`);
        if (random() < 0.1) text[Math.floor(random() * text.length)] = Math.floor(random() * 256);
        // What lies before and behind it is none of its business.
        const before = Math.floor(random() * 6);
        const bytes = bytesOf(Buffer.concat([Buffer.alloc(before, 0x22), text]));
        const end = cells.read(bytes, before);
        if (end < 0) continue;
        ordinary++;
        text = text.subarray(0, end - before);
        expect(wrongIn(cells, text), text.toString()).toBeUndefined();
      }
    }
    expect(ordinary).toBeGreaterThan(1200);
  });

  it.each(VALUES.map((value) => [value]))('with a value after many strings of all lengths: %s', (value) => {
    const cells = new JsonCells(COLUMNS);
    for (let length = 0; length < 12; length++) {
      for (const text of [
        `{"id": "${'x'.repeat(length)}"}`,
        `{"id": ${value}}`,
        `{"id": "${'y'.repeat(length)}"}`,
      ]) {
        const bytes = bytesOf(text);
        if (cells.read(bytes, 0) >= 0) expect(wrongIn(cells, Buffer.from(text)), text).toBeUndefined();
        else expect(text).toContain(value);
      }
    }
  });

  it.each([
    ['a member twice', '{"id":1,"id":1}'],
    ['one that has no column', '{"id":1,"other":1}'],
    ['a name with an escape', '{"\\u0069d":1}'],
    ['a name that has to be written with one', '{"a\\nb":1}'],
    ['an explicit null', '{"id":null}'],
    ['no member', '{}'],
    ['no object', '[1]'],
    ['bytes that are not UTF-8', Buffer.from('7b226964223a22ff227d', 'hex')],
    ['bytes that are not UTF-8, in a container', Buffer.from('7b226964223a5b22ff225d7d', 'hex')],
    ['a control character', '{"id":"\u0001"}'],
  ])('are not there for %s, whatever came before', (_, text) => {
    const cells = new JsonCells(COLUMNS);
    for (let i = 0; i < 4; i++) {
      expect(cells.read(bytesOf('{"id":1}'), 0)).toBe(8);
      expect(cells.read(bytesOf(text as string), 0)).toBe(-1);
    }
  });

  it('are checked byte by byte where a string is as long as the one before', () => {
    const cells = new JsonCells(COLUMNS);
    for (let length = 1; length < 12; length++) {
      for (let at = 0; at < length; at++) {
        for (const byte of [0x00, 0x1f, 0x22, 0x5c, 0x80, 0xff]) {
          for (let i = 0; i < 3; i++) {
            expect(cells.read(bytesOf(`{"id":"${'x'.repeat(length)}"}`), 0)).toBe(length + 9);
          }
          const other = bytesOf(`{"id":"${'x'.repeat(length)}"}`);
          other[7 + at] = byte;
          expect([byte, at, cells.read(other, 0)]).toEqual([byte, at, -1]);
        }
      }
    }
  });
});

describe('a walk along an array', () => {
  let n = 0;
  const fileOf = (content: string | Buffer) => {
    const path = join(folder, `${n++}.json`);
    writeFileSync(path, content);
    return path;
  };
  const walked = (path: string, blockSize: number, cells = new JsonCells(COLUMNS)) => {
    const walk = new JsonWalk(path, cells, undefined, blockSize);
    const found: [number, number, string][] = [];
    let ordinary = 0;
    while (walk.next()) {
      found.push([walk.at, walk.offset, walk.bytes.toString('latin1', walk.start, walk.end)]);
      if (walk.isOrdinary) ordinary++;
    }
    walk.close();
    return { found, ordinary, isWhole: walk.isWhole };
  };
  const streamed = async (path: string) => {
    const found: [number, number, string][] = [];
    try {
      for await (const block of streamJson(path, 'array')) {
        for (const { ordinal, offset, bytes } of block)
          found.push([ordinal, offset, bytes.toString('latin1')]);
      }
      return { found, isWhole: true };
    } catch {
      return { found, isWhole: false };
    }
  };

  it('cuts a file as the splitter does, in blocks of any size', async () => {
    const random = seededRandom(32);
    for (let round = 0; round < 40; round++) {
      const elements = Array.from({ length: Math.floor(random() * 12) }, () =>
        random() < 0.5
          ? `{"id": ${Math.floor(random() * 1e6)}, "name": "${'n'.repeat(random() * 40)}"}`
          : randomDocument(random, { storable: false }),
      );
      const mark = random() < 0.2 ? '\ufeff' : '';
      const path = fileOf(`${mark} [${elements.join(random() < 0.5 ? ',\n' : ' , ')} ]\n`);
      const expected = await streamed(path);
      expect(expected.isWhole).toBe(true);
      for (const blockSize of [64, 100, 1000, 1 << 16]) {
        expect(walked(path, blockSize)).toMatchObject(expected);
      }
    }
  });

  it('is not whole where the splitter refuses the file, and only there', async () => {
    const random = seededRandom(33);
    let whole = 0;
    for (let i = 0; i < 600; i++) {
      const elements = Array.from({ length: 3 }, () =>
        randomDocument(random, { storable: false }).slice(0, 200),
      );
      const bytes = Buffer.from(`[{"id":1},${elements.join(',')}]`);
      const tokens = '{}[]",:\\1 -\0';
      bytes[Math.floor(random() * bytes.length)] = tokens.charCodeAt(Math.floor(random() * tokens.length));
      const path = fileOf(bytes.subarray(0, random() < 0.2 ? random() * bytes.length : undefined));
      const expected = await streamed(path);
      if (expected.isWhole) whole++;
      const { found, isWhole } = walked(path, 64);
      expect(isWhole, bytes.toString('latin1')).toBe(expected.isWhole);
      if (isWhole) expect(found).toEqual(expected.found);
    }
    expect(Math.min(whole, 600 - whole)).toBeGreaterThan(60);
  });

  it('reads elements into cells that blocks cut anywhere', () => {
    const elements = Array.from({ length: 200 }, (_, id) => `{"id": ${id}, "name": "n${id}"}`);
    const path = fileOf(`[${elements.join(', ')}]`);
    for (const blockSize of [64, 65, 71])
      expect(walked(path, blockSize)).toMatchObject({ ordinary: 200, isWhole: true });
  });

  it('begins at any mark', () => {
    const elements = Array.from({ length: 50 }, (_, id) => `{"id": ${id}}`);
    const path = fileOf(`[${elements.join(', ')}]`);
    for (const [at, offset] of walked(path, 64).found.slice(1)) {
      const walk = new JsonWalk(path, undefined, { at, offset }, 64);
      expect([walk.next(), walk.at, walk.offset]).toEqual([true, at, offset]);
      while (walk.next());
      expect([walk.at, walk.isWhole]).toEqual([49, true]);
      walk.close();
    }
  });
});
