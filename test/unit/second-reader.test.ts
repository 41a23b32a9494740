import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseJson } from '../../jobs/sources/json-parse.ts';
import { differenceOf, readTwice } from '../../jobs/sources/second-reader.ts';
import { writtenFile } from '../records.ts';

describe('second reader', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cutover-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const file = async (text: string) => {
    const path = join(folder, 'a.json');
    return [{ name: 'a.json', ...(await writtenFile(path, text)) }];
  };

  it('agrees on documents, with tokens that only Python writes, inside and outside strings', async () => {
    const text =
      '[{"a": NaN, "b": -Infinity, "c": "NaN is \\"text\\" here", "d": [1.50, 1e2, "\\u00e9"]}, {}]';
    expect(await readTwice(await file(text))).toEqual({
      ok: true,
      ours: '2 documents',
      theirs: '2 documents',
    });
  });

  it('has nothing to say of a document that our reader refuses: it is in quarantine', async () => {
    const path = join(folder, 'b.json');
    const notUtf8 = Buffer.from([0x7b, 0x22, 0x83, 0x81, 0x22, 0x3a, 0x31, 0x7d]);
    const file = { name: 'b.json', records: 'document', ...(await writtenFile(path, notUtf8)) } as const;
    expect(await readTwice([file])).toEqual({ ok: true, ours: '0 documents', theirs: '0 documents' });
  });

  it('has nothing to say of a file that is not there', async () => {
    expect(await readTwice([])).toBeUndefined();
  });

  const differ = (ours: string, theirs: unknown) =>
    differenceOf(parseJson(Buffer.from(ours)).value, theirs, '$');

  it.each([
    ['{"a": {"b": [1, 2]}}', { a: { b: [1, 3] } }, '$.a.b[1] 2', '$.a.b[1] 3'],
    ['{"a": 1}', {}, '$ an object with a', '$ {}'],
    ['{"a": "1"}', { a: 1 }, '$.a "1"', '$.a 1'],
    ['[1]', [1, 2], '$ an array of 1', '$ [1,2]'],
    ['0', -0, '$ 0', '$ 0'],
  ])('sees the difference between %s and %j', (ours, theirs, a, b) => {
    expect(differ(ours, theirs)).toEqual({ ours: a, theirs: b });
  });

  it('sees no difference where there is none', () => {
    expect(
      differ('{"x": [null, true, "ü", 1e30]}', {
        x: [null, true, 'ü', 1e30],
      }),
    ).toBeUndefined();
  });
});
