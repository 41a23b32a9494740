import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { deflate } from 'node:zlib';
import { COPY_TRAILER, CopyBuffer } from '../../jobs/engine/copy-buffer.ts';
import { vector } from '../../jobs/engine/pg-types.ts';
import { copiedHeader } from '../../jobs/sources/copied-table.ts';

export const DIMENSIONS = 1536;
const CLUSTERS = 300;
const SEED = 20250318;

/** Euclidean length of the noise about a centre of length 1: cosine similarity to the centre is about 0.89. */
const NOISE = 0.5;

/** mulberry32 (Tommy Ettinger, public domain), without an object a stream. */
function stream(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Nearly normal: the sum of three uniform values, variance 1/4. */
const bell = (next: () => number) => next() + next() + next() - 1.5;

function unit(vector: Float64Array): Float64Array {
  let sum = 0;
  for (const each of vector) sum += each * each;
  const length = Math.sqrt(sum);
  return vector.map((each) => each / length);
}

const centres = new Map<number, Float64Array[]>();

/** Vector number `at`: a centre and noise, of length 1. The same on every machine. */
export function clusteredVector(at: number, dimensions = DIMENSIONS): Float64Array {
  let known = centres.get(dimensions);
  if (known === undefined) {
    known = Array.from({ length: CLUSTERS }, (_, i) => {
      const next = stream(SEED + i);
      return unit(Float64Array.from({ length: dimensions }, () => bell(next)));
    });
    centres.set(dimensions, known);
  }
  const next = stream(Math.imul(SEED + at, 0x9e3779b1));
  const centre = known[Math.floor(next() * CLUSTERS)]!;
  // The variance of `bell` is 1/4.
  const noise = (2 * NOISE) / Math.sqrt(dimensions);
  return unit(centre.map((each) => each + noise * bell(next)));
}

export const MODEL = 'text-embedding-ada-002';
const BEGIN = Date.UTC(2025, 2, 15, 12);
const iso = (ms: number) => new Date(ms).toISOString();
const textOf = (at: number) =>
  `ベクトル検索についてのテキスト ${at}: what the text with number ${at} is about`;
const deflated = promisify(deflate);
/** So many are made at once, on the threads of zlib. */
const AT_ONCE = 64;

/** Writes a file an entry, with its vector compressed, as the newest program does (docs/sources.md). */
export async function writeFileCache(folder: string, rows: number): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (let from = 0; from < rows; from += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, rows - from) }, (_, i) => from + i);
    await Promise.all(
      some.map(async (at) => {
        const vector = JSON.stringify(Array.from(clusteredVector(at)));
        const data = (await deflated(vector)).toString('base64');
        const text = textOf(at);
        const entry = {
          text,
          modelName: MODEL,
          embedding: { _compressed: true, data },
          createdAt: iso(BEGIN + at * 1000),
          lastAccessed: iso(BEGIN + at * 1000 + 60_000),
          expiresAt: iso(BEGIN + at * 1000 + 86_400_000),
          accessCount: at % 9,
          version: BEGIN + at * 1000,
        };
        const name = createHash('sha256').update(`${MODEL}:${text}`).digest('hex');
        writeFileSync(join(folder, `${name}.json`), JSON.stringify(entry, null, 2));
      }),
    );
  }
}

/** Writes the chunks of documents as one array, indented by two: a number a line, as the program does. */
export function writeDocumentStore(file: string, rows: number): Promise<void> {
  return writeArray(file, rows, (at) => {
    const document = Math.floor(at / 50);
    const path = `/srv/harca/docs/document-${document}.md`;
    const chunk = {
      id: `doc_${BEGIN + at}_${at.toString(36)}`,
      embedding: Array.from(clusteredVector(at)),
      content: textOf(at),
      metadata: {
        source: path,
        documentPath: path,
        filename: `document-${document}.md`,
        extension: 'md',
        created: iso(BEGIN),
        modified: iso(BEGIN + document * 1000),
        chunkIndex: at % 50,
        documentId: `document-${document}_${BEGIN}`,
        documentTitle: `Document ${document}`,
      },
    };
    return JSON.stringify(chunk, null, 2);
  });
}

/** Writes a table of the early database as a snapshot of it is, with its vectors in binary form. */
export async function writeDatabaseTable(file: string, rows: number): Promise<void> {
  mkdirSync(dirname(file), { recursive: true });
  const out = createWriteStream(file);
  out.write(copiedHeader(['embedding']));
  for (let at = 0; at < rows; at++) {
    const row = new CopyBuffer(8 * DIMENSIONS);
    row.int16(2);
    row.textField(
      JSON.stringify({
        id: `00000000-0000-4000-8000-${at.toString(16).padStart(12, '0')}`,
        content: textOf(at),
        embedding: 0,
        metadata: { category: 'bench', language: 'ja' },
        created_at: iso(BEGIN + at * 1000),
      }),
    );
    vector.write(row, Float32Array.from(clusteredVector(at)));
    if (!out.write(row.from(0))) await once(out, 'drain');
  }
  out.end(COPY_TRAILER);
  await once(out, 'close');
}

async function writeArray(file: string, rows: number, element: (at: number) => string): Promise<void> {
  mkdirSync(dirname(file), { recursive: true });
  const out = createWriteStream(file);
  for (let at = 0; at < rows; at++) {
    if (!out.write(`${at === 0 ? '[' : ','}\n${element(at)}`)) await once(out, 'drain');
  }
  out.end('\n]');
  await once(out, 'close');
}
