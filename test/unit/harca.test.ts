import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CopyBuffer } from '../../jobs/engine/copy-buffer.ts';
import type { KeyedRow } from '../../jobs/engine/mapping.ts';
import { Parents } from '../../jobs/engine/parents.ts';
import { Reject } from '../../jobs/engine/reject.ts';
import { RowConverter } from '../../jobs/engine/row-converter.ts';
import { parseJson } from '../../jobs/sources/json-parse.ts';
import type { JsonObject } from '../../jobs/sources/json-value.ts';
import type { Raw } from '../../jobs/sources/source.ts';
import { harca } from '../../jobs/systems/harca/index.ts';
import { MODEL_ALIASES } from '../../jobs/systems/harca/models.ts';
import { record } from '../records.ts';

const mappingOf = (table: string) => harca.tables.find((each) => each.table === table)!;

/** Columns of the row that a record becomes, or the reason code. */
function converted(table: string, fields: object): Record<string, unknown> | string {
  const converter = new RowConverter(mappingOf(table), new Parents(), true);
  const { value } = parseJson(Buffer.from(JSON.stringify(fields)));
  try {
    converter.convert(
      record(Object.fromEntries(value as JsonObject) as Record<string, Raw>),
      new CopyBuffer(),
    );
  } catch (error) {
    if (error instanceof Reject) return error.code;
    throw error;
  }
  return Object.fromEntries(converter.columns.map((column, i) => [column, converter.values[i]]));
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

describe('an entry of the file cache', () => {
  const entry = {
    $file: `harca-mcp/.cache/日本/${sha256('openai-3-small:文')}.json`,
    text: '文',
    modelName: 'openai-3-small',
    embedding: [1, 2, 3],
    createdAt: '2025-03-15T12:00:00.000Z',
    accessCount: 3,
  };

  it('has the hash of model and text for its key, and the model under its own name', () => {
    expect(converted('vector_embeddings_cache', entry)).toMatchObject({
      store: 'cache',
      legacy_key: sha256('openai-3-small:文'),
      dimensions: 3,
      model: 'text-embedding-3-small',
      source_model: 'openai-3-small',
      content: '文',
      access_count: 3n,
      version: null,
    });
  });

  it('is not taken for one that its name does not fit', () => {
    expect(converted('vector_embeddings_cache', { ...entry, text: '別の文' })).toBe('KEY_MISMATCH');
    expect(converted('vector_embeddings_cache', { ...entry, modelName: null })).toBe('NULL_VALUE');
  });

  it('without a vector has no dimensions', () => {
    const row = converted('vector_embeddings_cache', { ...entry, embedding: null });
    expect(row).toMatchObject({ dimensions: 0, embedding: null });
  });
});

describe('which of two entries counts (V2)', () => {
  const row = (values: Record<string, unknown>): KeyedRow => ({
    record: record({}),
    value: (column) =>
      ({ version: null, created_at: 0, embedding: new Float32Array([1]), ...values })[column],
  });
  const { duplicates } = mappingOf('vector_embeddings_cache');
  it.each([
    ['the newer version', { version: 1n }, { version: 2n }, 'second'],
    [
      'the newer version, though created first',
      { version: 2n, created_at: 1 },
      { version: 1n, created_at: 9 },
      'first',
    ],
    ['the one with a version', { created_at: 9 }, { version: 1n, created_at: 1 }, 'second'],
    ['the one created last', { created_at: 1 }, { created_at: 2 }, 'second'],
    ['the one that says when', { created_at: -1 }, { created_at: null }, 'first'],
    ['the first', {}, {}, 'first'],
  ])('%s', (_, first, second, winner) => {
    expect(duplicates!(row(first), row(second), false)).toEqual({
      winner,
      loser: 'merge',
      rule: 'V2',
      identical: true,
    });
  });

  it('tells whether the vectors are the same', () => {
    const verdict = duplicates!(row({}), row({ embedding: new Float32Array([2]) }), false);
    expect(verdict.identical).toBe(false);
  });
});

describe('a chunk of a document', () => {
  const chunk = {
    $file: 'vector-store.json',
    id: 'doc_1_a',
    embedding: [1],
    content: '',
    metadata: { documentPath: '/docs/a#b.md', documentId: 'a_1', chunkIndex: 2 },
  };

  it('is known by its place in the document, whose id is new each time', () => {
    expect(converted('vector_embeddings_document', chunk)).toMatchObject({
      legacy_key: '/docs/a#b.md#2',
      model: 'unknown',
      legacy_id: 'doc_1_a',
    });
    expect(
      converted('vector_embeddings_document', { ...chunk, metadata: { documentId: 'a_1', chunkIndex: 0 } }),
    ).toMatchObject({ legacy_key: 'a_1#0' });
  });

  it.each([
    [{}],
    [{ documentPath: '/docs/a.md' }],
    [{ documentPath: '/docs/a.md', chunkIndex: '0' }],
    [null],
  ])('without a place is refused: %j', (metadata) => {
    expect(converted('vector_embeddings_document', { ...chunk, metadata })).toBe('MISSING_KEY');
  });

  it('twice is merged when both say the same, and not chosen between when they differ', () => {
    const { duplicates } = mappingOf('vector_embeddings_document');
    const row = (content: string): KeyedRow => ({
      record: record({}),
      value: (column) => ({ content, metadata: Buffer.from('{}'), embedding: new Float32Array([1]) })[column],
    });
    expect(duplicates!(row('a'), row('a'), false)).toMatchObject({
      winner: 'first',
      loser: 'merge',
      rule: 'V16',
    });
    expect(duplicates!(row('a'), row('b'), false)).toMatchObject({ loser: { quarantine: 'DUPLICATE_KEY' } });
  });
});

describe('a row of the early database', () => {
  const row = { $file: 'd.json', id: 'x', content: 'c', embedding: '[1,2]', metadata: { a: 1, b: [2] } };
  const keyOf = (fields: object) =>
    (converted('vector_embeddings_code', fields) as Record<string, unknown>).legacy_key;

  it('is known by what it says, whatever the id and the form', () => {
    expect(keyOf(row)).toMatch(/^[0-9a-f]{64}$/);
    expect(keyOf({ ...row, id: 'y', embedding: [1, 2.00000001], metadata: { b: [2], a: 1.0 } })).toBe(
      keyOf(row),
    );
    const others = [
      { content: 'd' },
      { embedding: [1, 3] },
      { embedding: null },
      { metadata: { a: 1 } },
      { metadata: null },
    ];
    expect(new Set([row, ...others.map((other) => ({ ...row, ...other }))].map(keyOf)).size).toBe(6);
  });

  it('with a second vector must say the same in both', () => {
    const of = (embedding_vector: unknown) =>
      converted('vector_embeddings_embedding', { ...row, embedding: [1, 0.1], embedding_vector });
    expect(of('[1,0.1]')).toMatchObject({ dimensions: 2 });
    expect(of(null)).toMatchObject({ dimensions: 2 });
    expect(of('[1,0.2]')).toBe('VECTORS_DIFFER');
  });

  it('in a table with keys of its own needs one that is a UUID', () => {
    const stat = { id: '2A6BD4D0-606d-42cb-b0b4-12b16bbcfaa7', operation: 'search' };
    expect(converted('usage_stats', stat)).toMatchObject({
      id: Buffer.from('2a6bd4d0606d42cbb0b412b16bbcfaa7', 'hex'),
    });
    expect(converted('usage_stats', { ...stat, id: '17' })).toBe('BAD_UUID');
  });
});

describe('the cache of document embeddings', () => {
  const cached = { $file: 'cache-store.json', $key: 'harca:docs:embedding::a_1:chunk:0:2', data: [1] };
  it.each([
    [1742471223299, 795786423299000n],
    [null, null],
    ['tomorrow', 'BAD_TIMESTAMP'],
    [1.5, 'BAD_TIMESTAMP'],
    [8_640_000_000_000_001, 'BAD_TIMESTAMP'],
  ])('expires at %j', (expiry, expected) => {
    const row = converted('vector_embeddings_document_cache', { ...cached, expiry });
    expect(typeof row === 'string' ? row : row.expires_at).toBe(expected);
  });
});

it('a section is in the file of its name', () => {
  const section = { $file: 'k/postgres-0a.json', id: '0a', title: 't', content: 'c' };
  expect(converted('knowledge_sections', section)).toMatchObject({ family: 'postgres', legacy_id: '0a' });
  expect(converted('knowledge_sections', { ...section, $file: 'k/0a.json' })).toMatchObject({
    family: 'troubleshooting',
  });
  expect(converted('knowledge_sections', { ...section, id: '0b' })).toBe('KEY_MISMATCH');
});

it('SQL and mapping know the same names of models (V12)', () => {
  const sql = readFileSync('sql/harca/002.do.models.sql', 'utf8');
  const values = /insert into model_aliases \(alias, model\) values([^;]*);/.exec(sql)![1]!;
  const pairs = [...values.matchAll(/\('([^']+)', '([^']+)'\)/g)].map(([, alias, model]) => [alias, model]);
  expect(pairs).toEqual([...MODEL_ALIASES]);
});
