import { BEGIN, compressed, compressedBefore, DAY, iso, keyOf, vectorOf } from './harca-values.ts';
import type { Document } from './json-array-file.ts';
import type { Mark } from './manifest.ts';
import { random } from './random.ts';

/** An entry of the file cache, or what is left of one. */
export interface PlantedEntry {
  /** Below the root. */
  readonly folder: string;
  readonly marks: readonly Mark[];
  /** Default: the hash of model and text. */
  readonly name?: string;
  readonly entry: Document & { text: string; modelName: string };
  /** Changes the text of the file. */
  readonly edit?: (text: string) => string;
}

export interface PlantedRow {
  readonly document: Document;
  readonly marks: readonly Mark[];
}

const STORE = 'harca-mcp/features/vector-store';
export const INSTANCE_1 = `${STORE}/.cache/instance1`;
export const INSTANCE_2 = `${STORE}/.cache/instance2`;
export const TEST_CACHE = `${STORE}/test-cache`;
export const BENCHMARK = `${STORE}/.cache/benchmark/file`;
export const EMBEDDINGS = `${STORE}/.cache/embeddings`;
/** Full-width brackets (V14). */
export const STRATEGY = 'harca-mcp/.cache/strategy-test/頻度ベース（高しきい値）';

const numbers = (name: string, dimensions: number, norm?: number, digits?: number) =>
  vectorOf(random(1, `harca ${name}`), dimensions, norm, digits);

const entry = (text: string, modelName: string, embedding: unknown, more: Document = {}) => ({
  text,
  modelName,
  embedding,
  createdAt: iso(BEGIN + 2 * DAY),
  lastAccessed: iso(BEGIN + 2 * DAY),
  expiresAt: iso(BEGIN + 3 * DAY),
  accessCount: 1,
  ...more,
});

/** Takes the end away, as a program that was stopped while it wrote. */
const cut = (text: string) => text.slice(0, Math.floor(text.length / 2));

export const PLANTED_ENTRIES: readonly PlantedEntry[] = [
  {
    folder: EMBEDDINGS,
    marks: [['V0', 'kept', '3072 dimensions, more than a vector index takes']],
    entry: entry('大きいモデルの埋め込み', 'openai-3-large', compressed(numbers('3072', 3072, 1, 3)), {
      version: 1742384821875,
    }),
  },
  {
    folder: TEST_CACHE,
    marks: [['V1', 'kept', '768 dimensions of a text that has 384 elsewhere']],
    entry: entry('次元の違うテキスト', 'test-model', numbers('768', 768, 12, 2)),
  },
  {
    folder: BENCHMARK,
    marks: [
      ['V1', 'kept', '384 dimensions of a text that has 768 elsewhere'],
      ['V6', 'kept', 'a norm of about 12'],
    ],
    entry: entry('次元の違うテキスト', 'test-model', numbers('384', 384, 12, 2)),
  },
  {
    folder: INSTANCE_1,
    marks: [['V2', 'merged', 'the older version of two']],
    entry: entry('二つのインスタンス', 'test-model', numbers('two a', 8), { version: 1742384821875 }),
  },
  {
    folder: INSTANCE_2,
    marks: [['V2', 'kept', 'the newest version']],
    entry: entry('二つのインスタンス', 'test-model', numbers('two b', 8), { version: 1742385120249 }),
  },
  {
    folder: TEST_CACHE,
    marks: [['V2', 'merged', 'without a version, though created last']],
    entry: entry('二つのインスタンス', 'test-model', numbers('two c', 8), {
      createdAt: iso(BEGIN + 9 * DAY),
    }),
  },
  {
    folder: INSTANCE_1,
    marks: [['V2', 'merged', 'without versions: created first']],
    entry: entry('版のない項目', 'test-model', numbers('none a', 8)),
  },
  {
    folder: INSTANCE_2,
    marks: [['V2', 'kept', 'without versions: created last']],
    entry: entry('版のない項目', 'test-model', numbers('none b', 8), { createdAt: iso(BEGIN + 4 * DAY) }),
  },
  {
    folder: INSTANCE_1,
    marks: [['V2', 'kept', 'equal in version and time: the first folder']],
    entry: entry('同じ時刻の項目', 'test-model', numbers('same a', 8)),
  },
  {
    folder: INSTANCE_2,
    marks: [['V2', 'merged', 'equal in version and time: the second folder']],
    entry: entry('同じ時刻の項目', 'test-model', numbers('same b', 8)),
  },
  {
    folder: EMBEDDINGS,
    marks: [['V3', 'kept', 'all elements zero']],
    entry: entry('plain words in ASCII', 'simple-hash', compressed(new Array(1536).fill(0)), {
      version: 1742384821876,
    }),
  },
  {
    folder: EMBEDDINGS,
    marks: [['V3', 'kept', 'the zero vector of an empty text']],
    entry: entry('', 'openai-3-small', [0, 0, 0]),
  },
  {
    folder: EMBEDDINGS,
    marks: [['V4', 'kept', 'a random vector of the fallback']],
    entry: entry('日本語だけのテキスト', 'simple-hash', numbers('random', 8)),
  },
  {
    folder: EMBEDDINGS,
    marks: [['V7', 'NON_FINITE', 'an element is null']],
    entry: entry('計算できなかった要素', 'local-minilm', [0.5, null, 0.25]),
  },
  {
    folder: EMBEDDINGS,
    marks: [['V7', 'kept', 'embedding null']],
    entry: entry('埋め込みのない項目', 'text-embedding-ada-002', null),
  },
  {
    folder: EMBEDDINGS,
    marks: [['V8', 'kept', 'elements of 17 digits, and -0']],
    entry: entry('倍精度の要素', 'test-model', [0.18081611872322986, 0, 0.98350987654321098]),
    // JavaScript writes 0 for it.
    edit: (text) => text.replace(/ 0,/, ' -0,'),
  },
  {
    folder: EMBEDDINGS,
    marks: [['V9', 'kept', 'compressed, by the newest program']],
    entry: entry('圧縮された項目', 'text-embedding-ada-002', compressed(numbers('1536', 1536, 1, 3)), {
      version: 1742384821877,
    }),
  },
  {
    folder: EMBEDDINGS,
    marks: [['V9', 'kept', 'compressed, by an older one']],
    entry: entry('以前の形式で圧縮', 'test-model', compressedBefore(numbers('1000', 1000, 11, 2))),
  },
  {
    folder: EMBEDDINGS,
    marks: [['V9', 'BAD_VECTOR', 'compressed data with a byte that was changed']],
    entry: entry('壊れた圧縮', 'test-model', compressed(numbers('damaged', 8))),
    // Within the digits, so that only the checksum can tell.
    edit: (text) => text.replace(/("data": ".{40})(.)/, (_, head, at) => `${head}${at === 'x' ? 'y' : 'x'}`),
  },
  {
    folder: EMBEDDINGS,
    marks: [['V10', 'kept', 'expired in 2025']],
    entry: entry('期限切れの項目', 'test-model', numbers('expired', 8), {
      expiresAt: iso(BEGIN + 2 * DAY + 86_400),
    }),
  },
  {
    folder: EMBEDDINGS,
    marks: [['V10', 'kept', 'no expiry at all']],
    entry: entry('期限のない項目', 'test-model', numbers('lasting', 8), { expiresAt: null }),
  },
  {
    folder: EMBEDDINGS,
    marks: [['V11', 'KEY_MISMATCH', 'named by the key of another model']],
    name: keyOf('another-model', '名前の違う項目'),
    entry: entry('名前の違う項目', 'test-model', numbers('misnamed', 8)),
  },
  {
    folder: EMBEDDINGS,
    marks: [['V12', 'kept', 'an alias of the model']],
    entry: entry('別名のモデル', 'openai-ada-002', numbers('alias', 8)),
  },
  {
    folder: EMBEDDINGS,
    marks: [['V12', 'kept', 'the model default, which says nothing']],
    entry: entry('既定のモデル', 'default', numbers('default', 8)),
  },
  {
    folder: STRATEGY,
    marks: [['V14', 'kept', 'a folder with full-width brackets']],
    entry: entry('しきい値の項目', 'test-model', numbers('folder', 8)),
  },
  {
    folder: INSTANCE_1,
    marks: [['V14', 'BAD_JSON', 'cut in the middle']],
    entry: entry('書きかけの項目', 'test-model', numbers('cut', 8)),
    edit: cut,
  },
  {
    folder: INSTANCE_1,
    marks: [['V14', 'BAD_JSON', 'an empty file']],
    entry: entry('空のファイル', 'test-model', numbers('empty', 8)),
    edit: () => '',
  },
  {
    folder: EMBEDDINGS,
    marks: [['V15', 'NUL_CHARACTER', 'U+0000 in the text']],
    entry: entry('前\0後', 'test-model', numbers('nul', 8)),
  },
  {
    folder: EMBEDDINGS,
    marks: [['V15', 'kept', 'a text of 20,000 characters']],
    entry: entry('0123456789'.repeat(2000), 'test-model', numbers('long', 8)),
  },
  {
    folder: EMBEDDINGS,
    marks: [['V15', 'kept', 'a text with emoji, under one model']],
    entry: entry('二つのモデル🚀𠮟', 'test-model', numbers('model a', 3)),
  },
  {
    folder: EMBEDDINGS,
    marks: [['V15', 'kept', 'the same text under another']],
    entry: entry('二つのモデル🚀𠮟', 'test-model-2', numbers('model b', 3)),
  },
  {
    folder: EMBEDDINGS,
    marks: [['V18', 'kept', 'a version of more than 32 bits']],
    entry: entry('版の番号', 'test-model', numbers('version', 8), { version: 1742385120250 }),
  },
];

export const PLANTED_CHUNKS: readonly PlantedRow[] = [
  {
    marks: [['V13', 'kept', 'arbitrary front matter, lists among it']],
    document: {
      id: 'doc_1742385127261_0a',
      embedding: numbers('front matter', 8),
      content: '# 索引の設計\n\n“引用” 🚀',
      metadata: {
        source: '/srv/harca/docs/設計/index-design.md',
        documentPath: '/srv/harca/docs/設計/index-design.md',
        filename: 'index-design.md',
        extension: 'md',
        title: '索引の設計',
        date: '2023-11-20T00:00:00.000Z',
        tags: ['Design', '索引'],
        score: 1.5,
        nested: { draft: false, reviewers: null },
        chunkIndex: 0,
        documentId: 'index-design_1742385120249',
      },
    },
  },
  {
    marks: [['V3', 'kept', 'the zero vector of an empty chunk']],
    document: {
      id: 'doc_1742385127261_1b',
      embedding: [0, 0, 0, 0, 0, 0, 0, 0],
      content: '',
      metadata: {
        documentPath: '/srv/harca/docs/設計/index-design.md',
        chunkIndex: 1,
        documentId: 'index-design_1742385120249',
      },
    },
  },
];

const SAME = {
  content: 'function factorial(n) {\n  return n <= 1 ? 1 : n * factorial(n - 1);\n}\n',
  embedding: JSON.stringify(numbers('factorial', 8).map((each) => Number(each.toPrecision(7)))),
  metadata: { language: 'javascript', description: 'factorial calculation function' },
};

export const PLANTED_CODE: readonly PlantedRow[] = [
  {
    marks: [['V5', 'kept', 'a placeholder with a norm of 0.11']],
    document: {
      id: 'daf1247b-f9ee-429f-b6e3-000000000001',
      content: 'const result = calculateSum(5, 10);',
      embedding: JSON.stringify(numbers('placeholder', 8, 0.11, 6)),
      metadata: { category: 'basic', language: 'javascript', description: '基本的な足し算関数' },
      created_at: '2025-03-15T12:33:04.329Z',
    },
  },
  {
    marks: [['V16', 'merged', 'the later of two that differ in id and time only']],
    document: {
      id: '2a6bd4d0-606d-42cb-b0b4-000000000002',
      ...SAME,
      created_at: '2025-03-15T13:55:22.832Z',
    },
  },
  {
    marks: [['V16', 'kept', 'the earlier of the two']],
    document: {
      id: '39f55cc8-3b67-4f7f-8751-000000000003',
      ...SAME,
      created_at: '2025-03-15T13:54:58.132Z',
    },
  },
];
