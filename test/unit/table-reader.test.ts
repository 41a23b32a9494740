import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Batch, batches } from '../../jobs/engine/batches.ts';
import { COPY_TRAILER, CopyBuffer } from '../../jobs/engine/copy-buffer.ts';
import type { TableMapping } from '../../jobs/engine/mapping.ts';
import { Parents } from '../../jobs/engine/parents.ts';
import * as pg from '../../jobs/engine/pg-types.ts';
import { SortedReader } from '../../jobs/engine/sorted-reader.ts';
import { TableReader } from '../../jobs/engine/table-reader.ts';
import { checkCopiedTable } from '../../jobs/sources/copied-row.ts';
import { copiedHeader } from '../../jobs/sources/copied-table.ts';
import { JsonCollection } from '../../jobs/sources/json-collection.ts';
import { PackedVector } from '../../jobs/sources/packed-vector.ts';
import { readTwice } from '../../jobs/sources/second-reader.ts';
import type { OrderedReader } from '../../jobs/sources/source.ts';
import { harca } from '../../jobs/systems/harca/index.ts';
import { writtenFile } from '../records.ts';

const mappingOf = (table: string) => harca.tables.find((each) => each.table === table)!;
const code = mappingOf('vector_embeddings_code');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-table-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A column with a vector: what PostgreSQL sends of it. */
type Vector = readonly number[] | Buffer | null;
/** A row as `to_json` writes it; a vector stands where a member is a function of it. */
type Row = (write: (vector: Vector) => string) => string;

function bytesOf(vector: Exclude<Vector, null>): Buffer {
  if (Buffer.isBuffer(vector)) return vector;
  const out = new CopyBuffer();
  pg.vector.write(out, Float32Array.from(vector));
  return Buffer.from(out.from(4));
}

/** The rows in both forms that a snapshot may have. */
async function both(packed: readonly string[], rows: readonly Row[]) {
  const texts = rows.map((row) =>
    row((vector) => (vector === null ? 'null' : `"${new PackedVector(bytesOf(vector))}"`)),
  );
  const out = new CopyBuffer();
  out.raw(copiedHeader(packed));
  for (const row of rows) {
    const vectors: Vector[] = [];
    const text = row((vector) => {
      vectors.push(vector);
      return vector === null ? 'null' : '0';
    });
    out.int16(1 + packed.length);
    out.textField(text);
    for (const vector of vectors) {
      if (vector === null) out.null();
      else out.field(bytesOf(vector));
    }
  }
  out.raw(COPY_TRAILER);
  const json = {
    ...(await writtenFile(join(folder, 'rows.json'), `[\n${texts.join(',\n')}\n]\n`)),
    name: 'db/rows.json',
  };
  const copy = {
    ...(await writtenFile(join(folder, 'rows.copy'), Buffer.from(out.from(0)))),
    name: 'db/rows.copy',
  };
  return { json, copy };
}

/** All that the batches of a reader say. */
async function found(
  mapping: TableMapping,
  reader: OrderedReader,
  rows: number,
  from = 0,
  to = reader.count,
) {
  const said = {
    rows: [] as string[],
    rejected: [] as unknown[],
    merged: [] as unknown[],
    notes: [] as unknown[],
  };
  for await (const batch of batches(mapping, reader, new Parents(), { rows, from, first: from, to })) {
    said.rows.push(...rowsOf(batch));
    said.rejected.push(...batch.rejected);
    said.merged.push(...batch.merged);
    said.notes.push(...Object.entries(batch.notes));
  }
  return said;
}

function rowsOf(batch: Batch): string[] {
  return batch.starts.map((start, i) => {
    const row = batch.rows.bytes.subarray(start, batch.starts[i + 1] ?? batch.rows.length);
    return `${batch.locator(i)} ${row.toString('hex')} ${batch.payload(i)}`;
  });
}

const sortedRows = async (mapping: TableMapping, file: Awaited<ReturnType<typeof both>>['json']) =>
  SortedReader.open(
    new JsonCollection(mapping.entity, [file]),
    mapping,
    new Parents(),
    join(folder, 'rows.sort'),
  );
const copiedRows = (mapping: TableMapping, file: Awaited<ReturnType<typeof both>>['copy'], order?: string) =>
  TableReader.open(file, mapping, new Parents(), join(folder, 'rows.order'), order);

async function expectSame(mapping: TableMapping, packed: readonly string[], rows: readonly Row[]) {
  const { json, copy } = await both(packed, rows);
  const [expected, actual] = [await sortedRows(mapping, json), await copiedRows(mapping, copy)];
  const all = await found(mapping, expected, 10_000);
  expect(await found(mapping, actual, 10_000)).toEqual(all);
  const few = await found(mapping, actual, 3);
  expect({ ...few, notes: [] }).toEqual({ ...all, notes: [] });
  expect(actual.count).toBe(rows.length);
  for (const reader of [expected, actual]) await reader.close();
  return all;
}

const id = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const row =
  (n: number, vector: Vector, changes: { content?: string; metadata?: string; more?: string } = {}): Row =>
  (write) => {
    const { content = `"text ${n}"`, metadata = '{"n": 1.50}', more = '' } = changes;
    return `{"id":"${id(n)}","content":${content},"embedding":${write(vector)},"metadata":${metadata},"created_at":"2025-03-15T12:00:0${n % 10}.5+00:00"${more}}`;
  };
const bad = bytesOf([1, 2]);
bad.writeInt16BE(3, 0);

const ROWS: readonly Row[] = [
  ...Array.from({ length: 300 }, (_, n) => row(n, [n, 0.1, -0, 3e-38])),
  // The same again under another id, at another time; a text of escapes; nothing at all.
  row(301, [7, 0.1, -0, 3e-38], { content: '"text 7"' }),
  row(302, [7, 0.1, -0, 4e-38], { content: '"text 7"' }),
  row(303, [1, 2], { content: '"two\\n\\"quoted\\" \\\\ 日本 🚀 \\u0001"' }),
  row(304, null),
  row(305, null, { metadata: 'null' }),
  // What is refused.
  row(306, [1], { content: 'null' }),
  row(307, [1], { content: '"N\\u0000L"' }),
  row(308, [1], { metadata: '{"embedding":0,"embedding":[0, "\\"embedding\\":0"]}' }),
  // What the mapping does not know, and what must not be kept.
  row(309, [1, 2], { more: ',"tags":["a", {"b": 1e400}],"embedding ":0' }),
  row(310, [1, 2], { more: ',"api_key":"x","none":null' }),
  row(311, [1, 2], { metadata: '{"password": "x", "embedding": 0}' }),
  row(312, [1, 2], { more: ',"$file":"mine"' }),
  // Many that are there twice, so that no cut may come between them.
  ...Array.from({ length: 200 }, (_, n) => row(400 + n, [n, 0.1, -0, 3e-38], { content: `"text ${n}"` })),
  // Longer than what is read at a stretch.
  row(313, [1, 2], { content: `"${'long '.repeat(300_000)}"` }),
];

describe('a copied table', () => {
  it('gives the same rows, locators, payloads and reasons as its rows in JSON', async () => {
    const all = await expectSame(code, ['embedding'], ROWS);
    expect(all.rows).toHaveLength(ROWS.length - 201 - 3);
    expect(all.merged).toHaveLength(201);
    expect(all.rejected).toHaveLength(3);
    expect(all.rows.join()).toContain('db/rows.json[300]');
  });

  it('keeps a vector that no column knows as its text', async () => {
    const all = await expectSame(
      code,
      ['embedding', 'other'],
      [
        (write) =>
          `{"id":"${id(1)}","content":"x","embedding":${write([1])},"metadata":null,"created_at":null,"other":${write([0.1, -0, 1e-5, 1e6])}}`,
        (write) =>
          `{"id":"${id(2)}","content":"y","embedding":${write(null)},"metadata":null,"created_at":null,"other":${write(null)}}`,
        (write) =>
          `{"id":"${id(3)}","content":null,"embedding":${write([2])},"metadata":null,"created_at":null,"other":${write([3])}}`,
      ],
    );
    expect(all.rows.join()).toContain(Buffer.from('"[0.1,-0,1e-05,1e+06]"').toString('hex'));
    expect(all.rejected).toMatchObject([
      { payload: expect.stringContaining('"embedding":"[2]","metadata"') },
    ]);
  });

  it('holds a vector against the one that was made from it', async () => {
    const twins =
      (n: number, one: Vector, other: Vector): Row =>
      (write) =>
        `{"id":"${id(n)}","content":"${n}","embedding":${write(one)},"metadata":null,"created_at":null,"updated_at":null,"embedding_vector":${write(other)}}`;
    const all = await expectSame(
      mappingOf('vector_embeddings_embedding'),
      ['embedding', 'embedding_vector'],
      [
        twins(1, [1, 2], [1, 2]),
        twins(2, [1, 2], [1, 3]),
        twins(3, null, [1]),
        twins(4, [1], null),
        twins(5, null, null),
      ],
    );
    expect(all.rows).toHaveLength(3);
    expect(all.rejected).toMatchObject([{ code: 'VECTORS_DIFFER' }, { code: 'VECTORS_DIFFER' }]);
  });

  it('has its vectors looked at', async () => {
    const { copy } = await both(['embedding'], [row(1, [1]), row(2, bad), row(3, bytesOf([1, Number.NaN]))]);
    const reader = await copiedRows(code, copy);
    const { rows, rejected } = await found(code, reader, 10);
    await reader.close();
    expect(rows).toHaveLength(1);
    expect(rejected).toMatchObject([
      { code: 'BAD_VECTOR', field: 'embedding', locator: 'db/rows.json[1]' },
      { code: 'NON_FINITE', field: 'embedding[1]', locator: 'db/rows.json[2]' },
    ]);
  });

  it('is the same in parts, read by others in the order that one of them found', async () => {
    const { copy } = await both(['embedding'], ROWS);
    const reader = await copiedRows(code, copy);
    const all = await found(code, reader, 10_000);
    const cuts = reader.cuts();
    expect(cuts.length).toBeGreaterThan(100);
    const bounds = [0, ...cuts.map(({ at }) => at), reader.count];
    const other = await copiedRows(code, copy, reader.known);
    expect(other.cuts()).toEqual([]);
    const parts = { rows: [] as string[], rejected: [] as unknown[], merged: [] as unknown[] };
    for (const [i, from] of bounds.slice(0, -1).entries()) {
      const part = await found(code, other, 10, from, bounds[i + 1]);
      for (const key of ['rows', 'rejected', 'merged'] as const) (parts[key] as unknown[]).push(...part[key]);
      const [first, last] = [part.rows[0]!, part.rows.at(-1)!].map(keyIn);
      if (i > 0) expect(first! >= cuts[i - 1]!.key[1]!).toBe(true);
      if (i < cuts.length) expect(last! < cuts[i]!.key[1]!).toBe(true);
    }
    expect(new Set(cuts.map(({ key }) => key[0]))).toEqual(new Set(['code']));
    expect({ ...parts, notes: all.notes }).toEqual(all);
    await other.close();
    expect(existsSync(reader.known)).toBe(true);
    await reader.close();
    expect(existsSync(reader.known)).toBe(false);
  });

  /** The text that tells a row, which stands behind the store's name. */
  const keyIn = (row: string) =>
    Buffer.from(/ 000e00000004636f646500000040([0-9a-f]{128})/.exec(row)![1]!, 'hex').toString();

  it('gives vectors that stay what they are when their memory is used for others', async () => {
    const rows = Array.from({ length: 100 }, (_, n) => row(n, new Array(1536).fill(n)));
    const { copy } = await both(['embedding'], rows);
    const reader = await copiedRows(code, copy);
    const vectors: { readonly vector: PackedVector; readonly was: Buffer }[] = [];
    let blocks = 0;
    for await (const block of reader.blocks(0)) {
      blocks++;
      for (const record of block) {
        const vector = record.get('embedding') as PackedVector;
        vectors.push({ vector, was: Buffer.from(vector.bytes) });
      }
    }
    expect(blocks).toBeGreaterThan(3);
    expect(vectors.filter(({ vector, was }) => !vector.bytes.equals(was))).toEqual([]);
    await reader.close();
  });

  it('without rows has none', async () => {
    const { copy } = await both(['embedding'], []);
    const reader = await copiedRows(code, copy);
    expect(await found(code, reader, 10)).toEqual({ rows: [], rejected: [], merged: [], notes: [] });
    await reader.close();
    await checkCopiedTable(copy.path);
  });

  it('is read a second time by other means, which sees a difference', async () => {
    const { copy } = await both(['embedding'], ROWS);
    const seen = `${ROWS.length} documents`;
    expect(await readTwice([copy])).toEqual({ ok: true, ours: seen, theirs: seen });
  });

  const whole = async () => {
    const { copy } = await both(['embedding'], ROWS.slice(0, 3));
    const { readFile } = await import('node:fs/promises');
    return { copy, bytes: await readFile(copy.path) };
  };
  it.each<[string, (bytes: Buffer) => Buffer, RegExp]>([
    ['cut within a row', (bytes) => bytes.subarray(0, -40), /is cut at byte \d+/],
    ['cut behind a row', (bytes) => bytes.subarray(0, -2), /is cut at byte \d+/],
    ['empty', () => Buffer.alloc(0), /is cut at byte 0/],
    ['another file', () => Buffer.from('[]'.repeat(50)), /is no copied table at byte 0/],
    [
      'a plain COPY',
      () => Buffer.concat([copiedHeader([]), COPY_TRAILER]),
      /does not say which columns are packed/,
    ],
    [
      'with rows of other fields',
      (bytes) => {
        const at = copiedHeader(['embedding']).length;
        bytes.writeInt16BE(1, at);
        return bytes;
      },
      /is damaged at byte \d+/,
    ],
    [
      'with a row that is no JSON',
      (bytes) => Buffer.from(bytes.toString('latin1').replace('"id"', '"id:'), 'latin1'),
      /has no row as JSON/,
    ],
  ])('is refused when it is %s', async (_, damage, message) => {
    const { copy, bytes } = await whole();
    await writtenFile(copy.path, damage(bytes));
    await expect(checkCopiedTable(copy.path)).rejects.toMatchObject({
      kind: 'source',
      message: expect.stringMatching(message),
    });
  });
});
