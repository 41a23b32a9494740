import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { noExport } from '../../jobs/engine/export-files.ts';
import { looseDifferences, looseText } from '../../jobs/engine/loose-json.ts';
import { membersIn } from '../../jobs/engine/loose-members.ts';
import { parseJson } from '../../jobs/sources/json-parse.ts';
import type { JsonObject } from '../../jobs/sources/json-value.ts';
import { fileText, JsonFileWriter } from '../../jobs/sources/json-write.ts';
import { parseLoosely } from '../../jobs/sources/parse-loosely.ts';
import { SYSTEMS } from '../../jobs/systems/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'cutover-export-files-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const parsed = (text: string) => parseJson(Buffer.from(text)).value;

describe('a file as Python writes it', () => {
  it('has tokens, Japanese and empty containers as they are', async () => {
    const file = join(folder, 'users.json');
    const writer = await JsonFileWriter.create(file, 'object', 'python');
    await writer.add(parsed('{"名": [NaN, 1.50], "e": {}, "l": []}') as JsonObject, 'a"b');
    await writer.add(parsed('{}') as JsonObject, '');
    await writer.close();
    expect(readFileSync(file, 'utf8')).toBe(
      '{\n  "a\\"b": {\n    "名": [\n      NaN,\n      1.50\n    ],\n    "e": {},\n    "l": []\n  },\n  "": {}\n}',
    );
    expect(fileText(parsed('{"a": -Infinity}'), 'python')).toBe('{\n  "a": -Infinity\n}');
    expect(fileText(parsed('{"a": -Infinity}'))).toBe('{\n  "a": null\n}');
  });

  it('is an empty object when it has no members', async () => {
    const file = join(folder, 'none.json');
    await (await JsonFileWriter.create(file, 'object', 'python')).close();
    expect(readFileSync(file, 'utf8')).toBe('{}');
  });
});

describe('a loose reading', () => {
  it('keeps the tokens where the application reads them', () => {
    expect(parseLoosely('[NaN, -Infinity, "NaN", 12345678901234567890]', true)).toEqual([
      Number.NaN,
      Number.NEGATIVE_INFINITY,
      'NaN',
      12345678901234567890n,
    ]);
    expect(parseLoosely('[NaN]')).toEqual([null]);
    expect(looseDifferences([Number.NaN], [null])).toEqual([{ path: '[0]', a: '"NaN"', b: 'null' }]);
    expect(looseDifferences([Number.NaN], [Number.NaN])).toEqual([]);
  });

  it('has one text for what is the same', () => {
    const values: unknown[] = [
      ...[null, 'null', 0, -0, 1, 1n, '1', 1e21, 10n ** 21n, 1.5, Number.NaN, 'NaN', true, [], {}, [[]]],
      ...[
        { a: 1, b: [2] },
        { b: [2], a: 1 },
        { a: null },
        '2025-01-01T00:00:00Z',
        '2025-01-01T09:00:00.0+09:00',
      ],
    ];
    for (const a of values) {
      for (const b of values) {
        expect(looseText(a) === looseText(b)).toBe(looseDifferences(a, b).length === 0);
      }
    }
  });

  it('sees every member of an object, those of one key too', () => {
    const text =
      '{"a": {"x": "}, \\"b\\": 1"}, "a" : [1, {"a": NaN}],\n"": "日本", "\\u0061": 3 , "日": 4,"a":5}';
    const found = membersIn(text, 'f.json', false).map(({ key, value, locator }) => [key, value, locator]);
    expect(found).toEqual([
      ['a', { x: '}, "b": 1' }, 'f.json["a"]'],
      ['a', [1, { a: null }], `f.json["a"] at byte ${text.indexOf('[1')}`],
      ['', '日本', 'f.json[""]'],
      ['a', 3, `f.json["a"] at byte ${Buffer.byteLength(text.slice(0, text.indexOf('3 ,')))}`],
      ['日', 4, 'f.json["日"]'],
      ['a', 5, `f.json["a"] at byte ${Buffer.byteLength(text) - 2}`],
    ]);
    expect(membersIn('{}', 'f.json', false)).toEqual([]);
  });
});

describe('which systems have an export', () => {
  it.each([
    ['trdinger', undefined],
    ['lightning-talk', undefined],
    ['instant-search', undefined],
    ['voice-roleplay', undefined],
    ['voice-roleplay-analytics', undefined],
    ['harca', expect.stringMatching(/single precision.*and a part of the store is a database/)],
  ])('%s', (name, reason) => {
    expect(noExport(SYSTEMS.find((system) => system.name === name)!)).toEqual(reason);
  });
});
