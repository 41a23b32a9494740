import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  INSTANCE_1,
  INSTANCE_2,
  PLANTED_CHUNKS,
  PLANTED_CODE,
  PLANTED_ENTRIES,
  STRATEGY,
  TEST_CACHE,
} from './harca-hazards.ts';
import { BEGIN, DAY, iso, keyOf, TOPICS, vectorOf } from './harca-values.ts';
import type { Hazard, Mark, SampleSystem } from './manifest.ts';
import { random } from './random.ts';
import { PLANTED_SECRET } from './secret.ts';

/** Ordinary records a collection, when nothing else is asked for. Not the two index files, which there are always. */
export const HARCA_ROWS = {
  cache: 10,
  documents: 6,
  document_cache: 8,
  code_vectors: 3,
  embeddings: 3,
  sections: 5,
  cache_metadata: 3,
  usage_stats: 4,
  model_configs: 2,
};

type Rows = typeof HARCA_ROWS;

const DOCUMENTS = 'modules/document-rag/.cache';
const KNOWLEDGE = 'harca-mcp/data/troubleshooting-knowledge';
const DUMP = 'temp/data_20250318_130857.json';

const md5 = (text: string) => createHash('md5').update(text).digest('hex');
const times = <T>(count: number, make: (at: number) => T): T[] =>
  Array.from({ length: count }, (_, at) => make(at));

/** Writes the folders and files of the five stores as they lie in the application's folder. */
export function writeHarca(folder: string, seed: number, rows: Rows): SampleSystem {
  const hazards: Hazard[] = [];
  const mark = (entity: string, locator: string, marks: readonly Mark[]) => {
    for (const [id, outcome, what] of marks) {
      hazards.push({ id, system: 'harca', entity, locator, what, outcome });
    }
  };
  const put = (name: string, text: string) => {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  };

  for (let at = 0; at < rows.cache; at++) {
    const { text, modelName, ...others } = ordinaryEntry(at, seed);
    const place = [INSTANCE_1, INSTANCE_2, TEST_CACHE][at % 3]!;
    put(`${place}/${keyOf(modelName, text)}.json`, JSON.stringify({ text, modelName, ...others }, null, 2));
  }
  for (const { folder: place, name, entry, edit, marks } of PLANTED_ENTRIES) {
    const file = `${place}/${name ?? keyOf(entry.modelName, entry.text)}.json`;
    const text = JSON.stringify(entry, null, 2);
    put(file, edit ? edit(text) : text);
    mark('cache', file, marks);
  }

  const chunks = [...times(rows.documents, (at) => ordinaryChunk(at, seed)), ...PLANTED_CHUNKS.map(planted)];
  put(`${DOCUMENTS}/vector-store.json`, JSON.stringify(chunks, null, 2));
  for (const [at, { marks }] of PLANTED_CHUNKS.entries()) {
    mark('documents', `${DOCUMENTS}/vector-store.json[${rows.documents + at}]`, marks);
  }

  // The last one shows the expiry in milliseconds.
  const cached = times(rows.document_cache + 1, (at) => ordinaryCached(at, seed));
  put(`${DOCUMENTS}/cache-store.json`, JSON.stringify(Object.fromEntries(cached)));
  mark('document_cache', `${DOCUMENTS}/cache-store.json[${JSON.stringify(cached.at(-1)![0])}]`, [
    ['V18', 'kept', 'an expiry in milliseconds since 1970'],
  ]);

  const code = [...times(rows.code_vectors, (at) => ordinaryCode(at, seed)), ...PLANTED_CODE.map(planted)];
  const dump = {
    code_vectors: code,
    embeddings: times(rows.embeddings, (at) => ordinaryEmbedding(at, seed)),
    cache_metadata: times(rows.cache_metadata, (at) => ({
      key: `last_indexed_${at}`,
      value: { path: `/srv/harca/docs/${at}`, files: at },
      created_at: iso(BEGIN + at * DAY),
      updated_at: iso(BEGIN + at * DAY),
      expires_at: null,
    })),
    usage_stats: times(rows.usage_stats, (at) => ({
      id: random(seed, 'usage_stats', at).uuid(),
      operation: ['search', 'store'][at % 2],
      duration: 12 + at,
      success: at % 4 !== 3,
      error_message: at % 4 === 3 ? 'connection refused' : null,
      metadata: { k: 5 },
      created_at: iso(BEGIN + at * 60_000),
    })),
    model_configs: times(rows.model_configs, (at) => ({
      id: random(seed, 'model_configs', at).uuid(),
      model_name: at === 0 ? 'text-embedding-ada-002' : `local-model-${at}`,
      config: { dimensions: at === 0 ? 1536 : 384, apiKey: PLANTED_SECRET },
      enabled: true,
      created_at: iso(BEGIN),
      updated_at: iso(BEGIN),
    })),
  };
  put(DUMP, JSON.stringify(dump, null, 2));
  for (const [at, { marks }] of PLANTED_CODE.entries()) {
    mark('code_vectors', `${DUMP}.code_vectors[${rows.code_vectors + at}]`, marks);
  }

  const sections = times(rows.sections, (at) => section(at));
  for (const each of sections) {
    const family = 'source' in each ? '' : 'postgres-';
    put(`${KNOWLEDGE}/${family}${each.id}.json`, JSON.stringify(each, null, 2));
  }
  put(`${KNOWLEDGE}/index.json`, JSON.stringify(index(sections), null, 2));
  put(`${KNOWLEDGE}/postgres-index.json`, JSON.stringify({ entries: [] }, null, 2));

  for (const place of [INSTANCE_1, STRATEGY])
    put(`${place}/stats.json`, JSON.stringify({ hits: 17, misses: 146 }));
  put(`${TEST_CACHE}/.DS_Store`, 'Bud1');
  mark('file', `${INSTANCE_1}/stats.json`, [['V14', 'kept', 'counters between the entries']]);
  put(`${DOCUMENTS}/.last_update`, iso(BEGIN));
  put(
    'temp/schema_20250318_130857.json',
    '{"code_vectors": [{"column_name": "embedding", "data_type": "USER-DEFINED"}]}',
  );
  const sql = 'temp/import_data_20250318_130557.sql';
  put(
    sql,
    'CREATE TABLE "code_vectors" ("embedding" USER-DEFINED);\nINSERT INTO "code_vectors" VALUES (E\'a\\\\nb\');\n',
  );
  mark('file', sql, [['V17', 'kept', 'a dump that no PostgreSQL can read']]);
  put('.env', `POSTGRES_PASSWORD=${PLANTED_SECRET}\n`);
  put('temp/restore_credentials.sh', `PGPASSWORD=${PLANTED_SECRET} psql\n`);

  return {
    rows: {
      ...rows,
      cache: rows.cache + PLANTED_ENTRIES.length,
      documents: chunks.length,
      document_cache: cached.length,
      code_vectors: code.length,
    },
    hazards,
  };
}

const planted = ({ document }: { document: Record<string, unknown> }) => document;

function ordinaryEntry(at: number, seed: number) {
  const from = random(seed, 'cache', at);
  const created = BEGIN + from.int(0, DAY);
  return {
    // Not from the seed, so that the names of the files are always the same.
    text: `${TOPICS[at % TOPICS.length]}についてのテキスト${at}`,
    modelName: at % 4 === 3 ? 'text-embedding-ada-002' : 'test-model',
    embedding: vectorOf(from, 8),
    createdAt: iso(created),
    lastAccessed: iso(created + from.int(0, 3_600_000)),
    expiresAt: iso(created + DAY),
    accessCount: from.int(1, 9),
    ...(at % 2 === 1 && { version: created }),
  };
}

const CHUNKS_A_DOCUMENT = 3;
const INDEXED_AT = Date.UTC(2025, 2, 19, 11, 52);

function ordinaryChunk(at: number, seed: number) {
  const from = random(seed, 'documents', at);
  const document = Math.floor(at / CHUNKS_A_DOCUMENT);
  const topic = TOPICS[document % TOPICS.length]!;
  const path = `/srv/harca/docs/document-${document}.md`;
  return {
    id: `doc_${INDEXED_AT + at}_${from.base36(7)}`,
    embedding: vectorOf(from, 8),
    content: `\n# ${topic}\n\n${'説明です。'.repeat(from.int(3, 12))}`,
    metadata: {
      source: path,
      documentPath: path,
      filename: `document-${document}.md`,
      extension: 'md',
      created: iso(INDEXED_AT - DAY),
      modified: iso(INDEXED_AT - 3_600_000),
      title: topic,
      author: 'HARCA開発チーム',
      tags: [topic, `tag-${document % 3}`],
      chunkIndex: at % CHUNKS_A_DOCUMENT,
      documentId: `document-${document}_${INDEXED_AT}`,
      documentTitle: topic,
    },
  };
}

function ordinaryCached(at: number, seed: number): [string, unknown] {
  const document = Math.floor(at / CHUNKS_A_DOCUMENT);
  const key = `harca:docs:embedding::document-${document}_${INDEXED_AT}:chunk:${at % CHUNKS_A_DOCUMENT}:${INDEXED_AT - DAY}`;
  return [key, { data: vectorOf(random(seed, 'document_cache', at), 8), expiry: INDEXED_AT + DAY + at }];
}

function ordinaryCode(at: number, seed: number) {
  const from = random(seed, 'code_vectors', at);
  return {
    id: from.uuid(),
    content: `export const value${at} = ${at};\n`,
    embedding: JSON.stringify(vectorOf(from, 8).map((each) => Number(each.toPrecision(7)))),
    metadata: { language: from.pick(['typescript', 'javascript', 'python']), description: `例 ${at}` },
    created_at: iso(BEGIN + at * 60_000),
  };
}

function ordinaryEmbedding(at: number, seed: number) {
  const from = random(seed, 'embeddings', at);
  return {
    id: from.uuid(),
    content: `保存されたテキスト ${at}`,
    embedding: vectorOf(from, 8),
    metadata: null,
    created_at: iso(BEGIN + at * 60_000),
    updated_at: iso(BEGIN + at * 120_000),
  };
}

function section(at: number) {
  const title = `${TOPICS[at % TOPICS.length]}の問題 ${at}`;
  const content = `## ${title}\n\n原因と解決策。`;
  // The other family has nothing but these three.
  if (at % 3 === 2) return { title, content, id: md5(`postgres ${at}`) };
  return {
    id: md5(`section ${at}`),
    title,
    source: 'troubleshooting-redis-pubsub',
    category: 'distributed-cache',
    technology: ['redis', 'pubsub'],
    date: iso(BEGIN + 9 * DAY + at),
    sectionIndex: at,
    wordCount: 2,
    charCount: content.length,
    content,
  };
}

const index = (sections: readonly ReturnType<typeof section>[]) => ({
  title: 'Redis PubSubトラブルシューティング知識ベース',
  description: '分散キャッシュのトラブルシューティング情報',
  created: iso(BEGIN + 9 * DAY),
  updated: iso(BEGIN + 9 * DAY + 1),
  sections: sections.flatMap((each) => {
    if (!('source' in each)) return [];
    const { content, ...others } = each;
    return [{ ...others, contentPreview: content.slice(0, 20) }];
  }),
});
