import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Batch, batches } from '../../jobs/engine/batches.ts';
import { NamedReader } from '../../jobs/engine/named-reader.ts';
import { Parents } from '../../jobs/engine/parents.ts';
import { SortedReader } from '../../jobs/engine/sorted-reader.ts';
import { keyOf } from '../../jobs/sample/harca-values.ts';
import { type CollectionFile, JsonCollection } from '../../jobs/sources/json-collection.ts';
import { inOrder } from '../../jobs/sources/json-layout.ts';
import type { OrderedReader } from '../../jobs/sources/source.ts';
import { harca } from '../../jobs/systems/harca/index.ts';
import { writtenFile } from '../records.ts';

const mapping = harca.tables.find(({ table }) => table === 'vector_embeddings_cache')!;
const named = { ...mapping, fileOrder: mapping.fileOrder! };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-named-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const files: CollectionFile[] = [];

async function put(name: string, content: string | Buffer): Promise<void> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  files.push({ ...(await writtenFile(path, content)), name, records: 'document' });
}

const MODEL = 'test-model';
const fileOf = (text: string) => `${keyOf(MODEL, text)}.json`;
const packed = (vector: readonly number[]) => ({
  _compressed: true,
  data: deflateSync(JSON.stringify(vector)).toString('base64'),
});
const entry = (text: string, embedding: unknown, more: object = {}) =>
  JSON.stringify({ text, modelName: MODEL, embedding, createdAt: '2025-03-15T12:00:00.000Z', ...more });

beforeAll(async () => {
  for (let i = 0; i < 150; i++) {
    const text = `text ${i}`;
    const embedding = i % 3 === 0 ? [i, 1] : packed([0.1, i]);
    await put(`${i % 2 === 0 ? 'b' : 'a'}/${fileOf(text)}`, entry(text, embedding));
  }
  // One text in several folders: of other dimensions, of another version, and the same.
  await put(`a/${fileOf('thrice')}`, entry('thrice', packed([1, 2, 3])));
  await put(`b/${fileOf('thrice')}`, entry('thrice', packed([1, 2])));
  await put(`c/${fileOf('thrice')}`, entry('thrice', packed([3, 4, 5]), { version: 2 }));
  await put(`d/${fileOf('thrice')}`, entry('thrice', packed([1, 2])));
  // What is refused.
  await put(`a/${fileOf('damaged')}`, '{"text": "dama');
  await put(`a/${fileOf('an array')}`, '[]');
  await put(`a/${fileOf('empty')}`, '');
  await put(`a/${fileOf('another')}`, entry('not what the name says', [1]));
  await put(`a/${fileOf('not packed')}`, entry('not packed', { _compressed: true, data: 'AAAA' }));
  await put(`a/${fileOf('null element')}`, entry('null element', packed([Number.NaN])));
  await put(
    `b/${fileOf('twice')}`,
    entry('twice', [1], { text: 'twice' }).replace('"text"', '"text":"x","text"'),
  );
  await put(`b/${fileOf('NUL')}`, entry('NUL', [1]).replace('NUL', 'N\\u0000L'));
  // A mark, long blanks and a vector without a name are nothing to refuse.
  await put(`a/${fileOf('marked')}`, `\ufeff${entry('marked', [7])}`);
  await put(`a/${fileOf('large')}`, entry('large', [8]) + ' '.repeat(1 << 20));
  await put(`a/${fileOf('none')}`, entry('none', null));
});

interface Found {
  rows: string[];
  rejected: string[];
  merged: string[];
  payloads: string[];
}

/** All that the batches of a reader say, whichever way they are cut. Refused records have no place among the others. */
async function found(reader: OrderedReader, rows: number, from = 0): Promise<Found> {
  const found: Found = { rows: [], rejected: [], merged: [], payloads: [] };
  const seen: Batch[] = [];
  for await (const batch of batches(mapping, reader, new Parents(), { rows, from })) seen.push(batch);
  for (const batch of seen) {
    for (const [i, start] of batch.starts.entries()) {
      const row = batch.rows.bytes.subarray(start, batch.starts[i + 1] ?? batch.rows.length);
      found.rows.push(`${batch.locator(i)} ${row.toString('hex')}`);
      found.payloads.push(batch.payload(i));
    }
    found.rejected.push(...batch.rejected.map((each) => JSON.stringify(each)));
    found.merged.push(...batch.merged.map((each) => JSON.stringify(each)));
  }
  await reader.close();
  found.rejected.sort();
  return found;
}

const namedReader = (mapping = named) => {
  const order = inOrder([...files.keys()], (place) => mapping.fileOrder(files[place]!.name));
  return new NamedReader({ length: order.length, at: (i) => files[order[i]!]! }, mapping, new Parents());
};

describe('entries in the order of their names', () => {
  it('become the same rows, in the same order, as those that are sorted by their keys', async () => {
    const collection = new JsonCollection('cache', files);
    const sorted = await SortedReader.open(collection, mapping, new Parents(), join(folder, 'keys.sort'));
    const expected = await found(sorted, 10_000);
    expect(expected.rows).toHaveLength(155);
    expect(expected.merged).toHaveLength(2);
    expect(expected.rejected).toHaveLength(8);
    expect(await found(namedReader(), 10_000)).toEqual(expected);
    expect(await found(namedReader(), 7)).toEqual(expected);
  });

  it('are the same wherever a pass begins', async () => {
    const reader = namedReader();
    const locators = async (from: number) => {
      const all: string[] = [];
      for await (const block of reader.blocks(from)) all.push(...block.map(({ locator }) => locator));
      return all;
    };
    const all = await locators(0);
    expect(all).toHaveLength(files.length);
    expect(reader.count).toBe(files.length);
    for (let from = 0; from <= all.length; from++) expect(await locators(from)).toEqual(all.slice(from));
  });

  it('are the same in parts, which no name reaches over', async () => {
    const keyed = namedReader();
    const cuts = keyed.cuts();
    expect(cuts.length).toBeGreaterThan(100);
    const locators = async (from: number, to: number) => {
      const all: string[] = [];
      for await (const batch of batches(mapping, keyed, new Parents(), { rows: 10, first: from, from, to }))
        for (let i = 0; i < batch.starts.length; i++) all.push(batch.locator(i));
      return all;
    };
    const bounds = [0, ...cuts.map(({ at }) => at), keyed.count];
    const inParts: string[] = [];
    for (const [i, from] of bounds.slice(0, -1).entries()) {
      const part = await locators(from, bounds[i + 1]!);
      for (const locator of part) {
        const name = named.fileOrder(locator);
        if (i > 0) expect(name >= cuts[i - 1]!.key[1]!).toBe(true);
        if (i < cuts.length) expect(name < cuts[i]!.key[1]!).toBe(true);
      }
      inParts.push(...part);
    }
    expect(inParts).toEqual(await locators(0, keyed.count));
    const { fileKey, ...whole } = named;
    expect(fileKey).toBeDefined();
    expect(namedReader(whole).cuts()).toEqual([]);
    expect(namedReader({ ...named, watch: () => () => {} }).cuts()).toEqual([]);
  });
});
