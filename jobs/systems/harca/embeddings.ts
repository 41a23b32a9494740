import { createHash, hash } from 'node:crypto';
import {
  bigint,
  derived,
  describe,
  json,
  storableJson,
  stringOf,
  text,
  vector,
} from '../../engine/contracts.ts';
import { CopyBuffer } from '../../engine/copy-buffer.ts';
import type { DuplicateVerdict, Field, KeyedRow, RowScope, TableMapping } from '../../engine/mapping.ts';
import * as pg from '../../engine/pg-types.ts';
import { Reject } from '../../engine/reject.ts';
import { keyOf } from '../../engine/uuid.ts';
import { type Vector, vectorOf } from '../../engine/vector.ts';
import { JsonNumber, JsonObject } from '../../sources/json-value.ts';
import type { Raw } from '../../sources/source.ts';
import { ANYWHERE, absent, epochMillis, instant, nameOf } from './fields.ts';
import { canonicalModel, UNKNOWN_MODEL } from './models.ts';

/** What is particular to one store of embeddings. */
interface Store {
  /** Name of its partition, behind `vector_embeddings_`. */
  readonly partition: string;
  /** As the column `store` has it. */
  readonly store: string;
  readonly entity: string;
  /** What the store knows an embedding by. */
  readonly key: (scope: RowScope) => string;
  /** Source field of the vector; V7: null and missing are kept as null. */
  readonly embedding: string;
  /** Source field that repeats the vector. */
  readonly twin?: string;
  /** Source field of the model; absent: the store does not say. */
  readonly model?: string;
  readonly fields: readonly Field[];
  readonly duplicates: TableMapping['duplicates'];
  readonly fileOrder?: TableMapping['fileOrder'];
}

/** The rows of one store. All of them are in the one table `vector_embeddings`, of which each has a partition. */
function embeddings(of: Store): TableMapping {
  const { partition, store, entity, key, embedding, twin, model, fields, duplicates, fileOrder } = of;
  const dimensionsOf = (scope: RowScope) => stored(scope, embedding)?.length ?? 0;
  const modelOf = (scope: RowScope) => (model === undefined ? UNKNOWN_MODEL : given(scope, model));
  return {
    table: `vector_embeddings_${partition}`,
    entity,
    key: ['store', 'legacy_key', 'dimensions'],
    extra: 'extra',
    duplicates,
    ...(fileOrder && {
      fileOrder,
      fileKey: (name: string) => [store, name],
    }),
    fields: [
      derived('legacy_key', pg.text, key),
      // V1: one text with vectors of several dimensions are several rows.
      {
        ...derived('dimensions', pg.int4, dimensionsOf, { hazards: ['V1'] }),
        from: twin,
        convert(raw, scope) {
          if (raw !== undefined && raw !== null)
            checkTwin(stored(scope, embedding), vectorOf(raw, twin!), twin!);
          return dimensionsOf(scope);
        },
      },
      derived('store', pg.text, () => store),
      derived('id', pg.uuid, (scope) =>
        keyOf('harca', 'vector_embeddings', JSON.stringify([store, key(scope), dimensionsOf(scope)])),
      ),
      vector('embedding', { from: embedding, nullable: true, hazards: ['V3', 'V5', 'V6', 'V7', 'V8', 'V9'] }),
      derived('model', pg.text, (scope) => canonicalModel(modelOf(scope)), { hazards: ['V12'] }),
      model === undefined
        ? derived('source_model', pg.text, () => UNKNOWN_MODEL)
        : text('source_model', { from: model, hazards: ['V12'] }),
      ...fields,
      text('legacy_path', { from: '$file' }),
    ],
  };
}

/** The vector of a record, if it has one. */
function stored(scope: RowScope, field: string): Vector | undefined {
  const raw = scope.raw(field);
  return raw === undefined || raw === null ? undefined : vectorOf(raw, field);
}

/** A trigger made the twin from the vector: where they differ, nobody knows which is right. */
function checkTwin(own: Vector | undefined, twin: Vector, field: string): void {
  if (!bytesOf(own).equals(bytesOf(twin)))
    throw new Reject('VECTORS_DIFFER', field, 'embedding says something else');
}

/** A text that a key needs. */
function given(scope: RowScope, field: string): string {
  const raw = scope.raw(field);
  if (raw === undefined || raw === null) throw new Reject('NULL_VALUE', field, describe(raw));
  return stringOf(raw, field);
}

const sha256 = (...parts: (string | Uint8Array)[]) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};

/** The file's name is made from what is in it; a file that says something else belongs to another text. */
function cacheKey(scope: RowScope): string {
  const key = sha256(`${given(scope, 'modelName')}:${given(scope, 'text')}`);
  const named = nameOf(scope.raw('$file'));
  if (named !== key) throw new Reject('KEY_MISMATCH', 'text', `model and text make ${key}, not ${named}`);
  return key;
}

/** Ids are new at each indexing; the place in the document is what lasts. */
function chunkKey(scope: RowScope): string {
  const metadata = scope.raw('metadata');
  const member = (name: string): Raw => (metadata instanceof JsonObject ? metadata.get(name) : undefined);
  const document = member('documentPath') ?? member('documentId');
  const index = member('chunkIndex');
  if (typeof document !== 'string')
    throw new Reject('MISSING_KEY', 'metadata.documentPath', describe(document));
  if (!(index instanceof JsonNumber)) throw new Reject('MISSING_KEY', 'metadata.chunkIndex', describe(index));
  return `${stringOf(document, 'metadata.documentPath')}#${index.text}`;
}

/** V16: rows that say the same have the same key, whatever their ids. */
function contentKey(embedding: string): (scope: RowScope) => string {
  const hashed = new CopyBuffer();
  return (scope) => {
    const known = scope.sorted?.();
    if (known !== undefined) return known;
    hashed.truncate(0);
    hashed.raw(Buffer.from(`${JSON.stringify(given(scope, 'content'))}\n`));
    const metadata = scope.raw('metadata');
    if (metadata !== undefined && metadata !== null) {
      // As the source has it: rows that differ in what is left out are two.
      const silent: RowScope = { ...scope, leftOut: { has: () => false }, note: () => {} };
      hashed.raw(storableJson(metadata as never, silent, 'metadata', ANYWHERE));
    }
    hashed.raw(Buffer.from('\n'));
    const vector = stored(scope, embedding);
    if (vector) pg.vector.write(hashed, vector);
    return hash('sha256', hashed.from(0), 'hex');
  };
}

function bytesOf(value: Vector | undefined): Buffer {
  const buffer = new CopyBuffer(64);
  if (value) pg.vector.write(buffer, value);
  return Buffer.from(buffer.from(0));
}

const sameVector = (a: KeyedRow, b: KeyedRow) =>
  bytesOf(a.value('embedding') as Vector | undefined).equals(
    bytesOf(b.value('embedding') as Vector | undefined),
  );

/**
 * V2: of the entries of one text in several folders the one with the newest `version` counts (only the newest program wrote
 * one), then the one created last, then the first folder.
 */
function newestEntry(first: KeyedRow, second: KeyedRow): DuplicateVerdict {
  const order = (row: KeyedRow, column: string) =>
    BigInt((row.value(column) as number | bigint | null) ?? NEVER);
  const newer = (column: string) => order(second, column) - order(first, column);
  const difference = newer('version') || newer('created_at');
  return {
    winner: difference > 0n ? 'second' : 'first',
    loser: 'merge',
    rule: 'V2',
    identical: sameVector(first, second),
  };
}

const NEVER = -(1n << 63n);

/** V16: the row that was there first stays, the ledger keeps the id of the other. */
function earliestRow(first: KeyedRow, second: KeyedRow): DuplicateVerdict {
  const created = (row: KeyedRow) => Number(row.value('created_at') ?? Number.MAX_SAFE_INTEGER);
  const winner = created(second) < created(first) ? 'second' : 'first';
  return { winner, loser: 'merge', rule: 'V16', identical: true };
}

/** A chunk twice: merged when both say the same under different ids; else nobody knows which of them is the document's. */
function oneChunk(first: KeyedRow, second: KeyedRow): DuplicateVerdict {
  const same =
    sameVector(first, second) &&
    ['content', 'metadata'].every((column) => String(first.value(column)) === String(second.value(column)));
  return {
    winner: 'first',
    loser: same ? 'merge' : { quarantine: 'DUPLICATE_KEY' },
    rule: 'V16',
    identical: same,
  };
}

const metadata = json('metadata', { nullable: true, nonFinite: ANYWHERE, hazards: ['V13'] });
const legacyId = text('legacy_id', { from: 'id' });
const untimed = [absent('created_at', pg.timestamptz), absent('updated_at', pg.timestamptz)];

/** Rows of the tables in PostgreSQL, in whichever of the two they lie. */
const rowsOf = (partition: string, entity: string, fields: readonly Field[], twin?: string): TableMapping =>
  embeddings({
    ...(twin !== undefined && { twin }),
    partition,
    store: partition,
    entity,
    key: contentKey('embedding'),
    embedding: 'embedding',
    fields: [legacyId, text('content'), metadata, instant('created_at', { nullable: true }), ...fields],
    duplicates: earliestRow,
  });

export const embeddingTables: readonly TableMapping[] = [
  embeddings({
    partition: 'cache',
    store: 'cache',
    entity: 'cache',
    key: cacheKey,
    embedding: 'embedding',
    model: 'modelName',
    fields: [
      text('content', { from: 'text', hazards: ['V15'] }),
      instant('created_at', { from: 'createdAt', nullable: true }),
      absent('updated_at', pg.timestamptz),
      instant('last_accessed', { from: 'lastAccessed', nullable: true }),
      // V10: past in nearly every entry, and no reason to drop one.
      instant('expires_at', { from: 'expiresAt', nullable: true, hazards: ['V10'] }),
      bigint('access_count', { from: 'accessCount', nullable: true }),
      bigint('version', { nullable: true, hazards: ['V2', 'V18'] }),
    ],
    duplicates: newestEntry,
    fileOrder: nameOf,
  }),
  embeddings({
    partition: 'document',
    store: 'document',
    entity: 'documents',
    key: chunkKey,
    embedding: 'embedding',
    fields: [legacyId, text('content'), metadata, ...untimed],
    duplicates: oneChunk,
  }),
  embeddings({
    partition: 'document_cache',
    store: 'document-cache',
    entity: 'document_cache',
    // With the time of the run in it, so that no key was ever asked for again: each run's vectors are kept as they are.
    key: (scope) => given(scope, '$key'),
    embedding: 'data',
    fields: [epochMillis('expires_at', 'expiry'), ...untimed],
    duplicates: undefined,
  }),
  rowsOf('code', 'code_vectors', [absent('updated_at', pg.timestamptz)]),
  rowsOf('embedding', 'embeddings', [instant('updated_at', { nullable: true })], 'embedding_vector'),
];
