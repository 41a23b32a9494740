import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { roleName, urlFor, withConnection } from '../../jobs/database.ts';
import type { Hazard, SampleManifest } from '../../jobs/sample/index.ts';
import { Secrets } from '../../jobs/secrets.ts';
import {
  asAdmin,
  cutover,
  dropSystems,
  dump,
  emptyTarget,
  LEGACY,
  run,
  scratch,
  systemNamed,
} from './harness.ts';

const platform = inject('platform');
const query = <R extends pg.QueryResultRow>(sql: string, values: unknown[] = []) =>
  asAdmin(platform, 'harca', async (client) => (await client.query<R>(sql, values)).rows);

const { hazards, quarantined } = JSON.parse(
  readFileSync(join(LEGACY, 'sample.json'), 'utf8'),
) as SampleManifest;
const planted = hazards.filter((hazard) => hazard.system === 'harca');

const TABLES: Readonly<Record<string, string>> = {
  cache: 'vector_embeddings_cache',
  documents: 'vector_embeddings_document',
  document_cache: 'vector_embeddings_document_cache',
  code_vectors: 'vector_embeddings_code',
};

/** What must have become of a record; written by hand from docs/hazards.md and the sample's own words. */
interface Expected {
  /** Columns of its row, as JSON. */
  readonly row?: Readonly<Record<string, unknown>>;
  /** Of a merged record: what the one that stayed is. */
  readonly winner?: string;
  readonly identical?: boolean;
  /** Of a quarantined one: the field of the reason. */
  readonly field?: string | RegExp;
}

const FOUND = { flag: null, searchable: true };
const near = (value: number) => expect.closeTo(value, 0);

/** By the hazard's id and the sample's words. */
const EXPECTED: Readonly<Record<string, Expected>> = {
  'V0 3072 dimensions, more than a vector index takes': {
    row: { ...FOUND, dimensions: 3072, model: 'text-embedding-3-large', source_model: 'openai-3-large' },
  },
  'V1 768 dimensions of a text that has 384 elsewhere': {
    row: { ...FOUND, dimensions: 768, content: '次元の違うテキスト' },
  },
  'V1 384 dimensions of a text that has 768 elsewhere': {
    row: { ...FOUND, dimensions: 384, content: '次元の違うテキスト' },
  },
  'V2 the older version of two': { winner: 'the newest version', identical: false },
  'V2 the newest version': { row: { ...FOUND, version: 1742385120249, content: '二つのインスタンス' } },
  'V2 without a version, though created last': { winner: 'the newest version', identical: false },
  'V2 without versions: created first': { winner: 'without versions: created last', identical: false },
  'V2 without versions: created last': { row: { version: null, created_at: '2025-03-19T12:00:00+00:00' } },
  'V2 equal in version and time: the first folder': { row: { created_at: '2025-03-17T12:00:00+00:00' } },
  'V2 equal in version and time: the second folder': {
    winner: 'equal in version and time: the first folder',
    identical: false,
  },
  'V3 all elements zero': { row: { dimensions: 1536, norm: 0, flag: 'zero', searchable: false } },
  'V3 the zero vector of an empty text': {
    row: { content: '', embedding: '[0,0,0]', flag: 'zero', searchable: false },
  },
  'V3 the zero vector of an empty chunk': {
    row: { content: '', dimensions: 8, flag: 'zero', searchable: false },
  },
  'V4 a random vector of the fallback': {
    row: { model: 'simple-hash', dimensions: 8, flag: 're-embed', searchable: false },
  },
  'V5 a placeholder with a norm of 0.11': {
    row: { norm: expect.closeTo(0.11, 4), flag: 'placeholder', searchable: false, model: 'unknown' },
  },
  'V6 a norm of about 12': { row: { ...FOUND, norm: near(12) } },
  'V7 an element is null': { field: 'embedding[1]' },
  'V7 embedding null': {
    row: {
      embedding: null,
      dimensions: 0,
      norm: null,
      flag: 'missing',
      searchable: false,
      extra: { $null: ['embedding'] },
    },
  },
  'V8 elements of 17 digits, and -0': { row: { embedding: '[0.18081611,-0,0.9835099]' } },
  'V9 compressed, by the newest program': { row: { ...FOUND, dimensions: 1536, norm: near(1), extra: null } },
  'V9 compressed, by an older one': { row: { ...FOUND, dimensions: 1000, norm: near(11), version: null } },
  'V9 compressed data with a byte that was changed': { field: 'embedding.data' },
  'V10 expired in 2025': { row: { ...FOUND, expires_at: '2025-03-17T12:01:26.4+00:00' } },
  'V10 no expiry at all': { row: { ...FOUND, expires_at: null, extra: { $null: ['expiresAt'] } } },
  'V11 named by the key of another model': { field: 'text' },
  'V12 an alias of the model': {
    row: { ...FOUND, model: 'text-embedding-ada-002', source_model: 'openai-ada-002' },
  },
  'V12 the model default, which says nothing': {
    row: { ...FOUND, model: 'default', source_model: 'default' },
  },
  'V13 arbitrary front matter, lists among it': {
    row: {
      store: 'document',
      legacy_key: '/srv/harca/docs/設計/index-design.md#0',
      legacy_id: 'doc_1742385127261_0a',
      content: '# 索引の設計\n\n“引用” 🚀',
      model: 'unknown',
      flag: 're-embed',
      searchable: true,
      created_at: null,
      metadata: expect.objectContaining({
        tags: ['Design', '索引'],
        score: 1.5,
        nested: { draft: false, reviewers: null },
      }),
    },
  },
  'V14 a folder with full-width brackets': {
    row: { ...FOUND, legacy_path: expect.stringContaining('/頻度ベース（高しきい値）/') },
  },
  'V14 cut in the middle': { field: '$' },
  'V14 an empty file': { field: '$' },
  'V15 U+0000 in the text': { field: '$.text' },
  'V15 a text of 20,000 characters': { row: { ...FOUND, content: '0123456789'.repeat(2000) } },
  'V15 a text with emoji, under one model': {
    row: { content: '二つのモデル🚀𠮟', model: 'test-model', dimensions: 3 },
  },
  'V15 the same text under another': {
    row: { content: '二つのモデル🚀𠮟', model: 'test-model-2', dimensions: 3 },
  },
  'V16 the later of two that differ in id and time only': {
    winner: 'the earlier of the two',
    identical: true,
  },
  'V16 the earlier of the two': {
    row: {
      legacy_id: '39f55cc8-3b67-4f7f-8751-000000000003',
      created_at: '2025-03-15T13:54:58.132+00:00',
      metadata: { language: 'javascript', description: 'factorial calculation function' },
      norm: near(1),
      flag: 're-embed',
      searchable: true,
    },
  },
  'V18 a version of more than 32 bits': { row: { version: 1742385120250 } },
  'V18 an expiry in milliseconds since 1970': {
    row: {
      content: null,
      flag: 'no-content',
      searchable: false,
      model: 'unknown',
      expires_at: '2025-03-20T11:52:00.008+00:00',
    },
  },
};

/** The row that a record became; the locator says where it was. */
async function rowAt({ entity, locator }: Hazard): Promise<Record<string, unknown> | undefined> {
  const column = { cache: 'legacy_path', document_cache: 'legacy_key' }[entity];
  if (column !== undefined) {
    const value = entity === 'cache' ? locator : JSON.parse(/\[(.*)\]$/.exec(locator)![1]!);
    const rows = await query<{ row: Record<string, unknown> }>(
      `select to_json(t) as row from ${TABLES[entity]} as t where ${column} = $1`,
      [value],
    );
    return rows[0]?.row;
  }
  const [, file, each, index] = /^(.*\.json)(?:\.(\w+))?\[(\d+)\]$/.exec(locator)!;
  const document = JSON.parse(readFileSync(join(LEGACY, 'harca', file!), 'utf8'));
  const { id } = (each === undefined ? document : document[each])[Number(index)];
  const rows = await query<{ row: Record<string, unknown> }>(
    `select to_json(t) as row from ${TABLES[entity]} as t where legacy_id = $1`,
    [id],
  );
  return rows[0]?.row;
}

describe('harca', () => {
  let home: string;

  beforeAll(async () => {
    home = await scratch();
    await dropSystems(platform);
    const { error } = await run(platform, home, { system: 'harca', budget: quarantined.harca! });
    expect(error).toBeUndefined();
  });

  describe('the hazards of the sample', () => {
    const records = planted.filter(({ entity }) => entity !== 'file');

    it('are all expected, and nothing else is', () => {
      expect(records.map(({ id, what }) => `${id} ${what}`).sort()).toEqual(Object.keys(EXPECTED).sort());
    });

    it.each(records.map((hazard) => [`${hazard.id} ${hazard.what}`, hazard] as const))(
      '%s',
      async (name, hazard) => {
        const { row, winner, identical, field } = EXPECTED[name]!;
        const { outcome, entity, locator } = hazard;
        const found = await rowAt(hazard);
        const aside = async (table: string) =>
          (
            await query(`select * from migration.${table} where table_name = $1 and locator = $2`, [
              TABLES[entity],
              locator,
            ])
          )[0];
        if (outcome === 'kept') {
          expect(found).toMatchObject(row!);
        } else if (outcome === 'merged') {
          expect(found).toBeUndefined();
          const stayed = records.find((each) => each.id === hazard.id && each.what === winner)!;
          expect(await aside('merged')).toMatchObject({ winner: stayed.locator, rule: hazard.id, identical });
        } else {
          expect(found).toBeUndefined();
          expect(await aside('quarantine')).toMatchObject({ code: outcome, field });
        }
      },
    );

    it('V1 are two rows of one key', async () => {
      expect(
        await query(`select count(distinct legacy_key)::int as keys, count(*)::int as rows, count(distinct id)::int as ids
          from vector_embeddings where content = '次元の違うテキスト'`),
      ).toEqual([{ keys: 1, rows: 2, ids: 2 }]);
    });

    it('of whole files leave them where they are', async () => {
      const paths = planted.filter(({ entity }) => entity === 'file').map(({ locator }) => locator);
      expect(paths).toHaveLength(2);
      const rows = await query('select legacy_path from vector_embeddings where legacy_path = any ($1)', [
        paths,
      ]);
      expect(rows).toEqual([]);
    });
  });

  it('every searchable vector, of any dimension, is its own nearest', async () => {
    const rows = await query<{ dimensions: number; self: boolean; score: number }>(`
      select e.dimensions, m.id = e.id as self, m.score from vector_embeddings as e
      cross join lateral match_embeddings(e.embedding, e.source_model, 1) as m where e.searchable`);
    expect([...new Set(rows.map(({ dimensions }) => dimensions))].sort((a, b) => a - b)).toEqual([
      3, 8, 384, 768, 1000, 1536, 3072,
    ]);
    for (const { self, score } of rows) expect([self, score]).toEqual([true, expect.closeTo(1, 6)]);
    const { n } = (
      await query<{ n: number }>('select count(*)::int as n from vector_embeddings where searchable')
    )[0]!;
    expect(rows).toHaveLength(n);
  });

  it('a text is found by model and text, under any name of the model', async () => {
    const of = async (model: string, text: string) =>
      (await query('select source_model, dimensions from find_embedding($1, $2)', [model, text])).map(
        (row) => ({ ...row }),
      );
    const alias = [{ source_model: 'openai-ada-002', dimensions: 8 }];
    expect(await of('openai-ada-002', '別名のモデル')).toEqual(alias);
    expect(await of('text-embedding-ada-002', '別名のモデル')).toEqual(alias);
    expect(await of('default', '別名のモデル')).toEqual([]);
    expect(await of('test-model', '次元の違うテキスト')).toEqual([
      { source_model: 'test-model', dimensions: 384 },
      { source_model: 'test-model', dimensions: 768 },
    ]);
  });

  describe('a filter of the metadata', () => {
    const METADATA = {
      documentPath: '/srv/Docs/Index.MD',
      tags: ['Design', '索引'],
      score: 10,
      draft: false,
      owner: null,
      range: { gt: 1 },
    };
    it.each([
      [{}, true],
      [{ documentPath: 'docs/' }, true],
      [{ documentPath: '%' }, false],
      [{ documentPath: 'index.md', tags: 'DESIGN' }, true],
      [{ documentPath: 'index.md', tags: 'other' }, false],
      [{ tags: ['other', '索'] }, true],
      [{ tags: [] }, false],
      [{ score: 10.0 }, true],
      [{ score: '1' }, true],
      [{ score: { gt: 9 } }, true],
      [{ score: { gt: 10 } }, false],
      [{ score: { gte: 10, lte: 10 } }, true],
      [{ score: { gte: 9, lt: 10 } }, false],
      [{ score: [{ lt: 5 }, { gt: 9.5 }] }, true],
      [{ documentPath: { gt: 1 } }, false],
      [{ draft: false }, true],
      [{ draft: true }, false],
      [{ missing: 'x' }, false],
      [{ missing: null }, true],
      [{ owner: null }, true],
      [{ score: null }, false],
      [{ range: { gt: 1, other: 2 } }, false],
      [{ owner: 'null' }, false],
    ])('%j: %s', async (filter, holds) => {
      expect(await query('select metadata_matches($1, $2) as holds', [METADATA, filter])).toEqual([
        { holds },
      ]);
    });

    it('holds for no row without metadata, unless it asks for nothing', async () => {
      expect(
        await query(
          `select metadata_matches(null, '{"a": "b"}') as a, metadata_matches(null, '{"a": null}') as b`,
        ),
      ).toEqual([{ a: false, b: true }]);
    });
  });

  describe('the living database', () => {
    const DATABASE = 'legacy_harca';
    const url = urlFor(platform.postgres, DATABASE);
    const inLegacy = (sql: string, values: unknown[] = []) =>
      asAdmin(platform, DATABASE, (client) => client.query(sql, values));

    beforeAll(async () => {
      await asAdmin(platform, 'postgres', async (client) => {
        await client.query(`drop database if exists ${DATABASE} with (force)`);
        await client.query(`create database ${DATABASE} template template0`);
      });
      await inLegacy(`create extension vector;
        create table code_vectors (id uuid primary key, content text not null, embedding vector, metadata jsonb, created_at timestamptz);
        create table embeddings (id uuid primary key, content text not null, embedding jsonb, metadata jsonb,
          created_at timestamptz, updated_at timestamptz, embedding_vector vector);
        create table cache_metadata (key text primary key, value jsonb, created_at timestamptz, updated_at timestamptz, expires_at timestamptz);
        create table usage_stats (id uuid primary key, operation text not null, duration integer, success boolean,
          error_message text, metadata jsonb, created_at timestamptz);
        create table model_configs (id uuid primary key, model_name text unique not null, config jsonb, enabled boolean,
          created_at timestamptz, updated_at timestamptz)`);
      const dump = JSON.parse(readFileSync(join(LEGACY, 'harca/temp/data_20250318_130857.json'), 'utf8'));
      for (const [table, rows] of Object.entries(dump)) {
        await inLegacy(`insert into ${table} select * from json_populate_recordset(null::${table}, $1)`, [
          JSON.stringify(rows),
        ]);
      }
      await inLegacy('update embeddings set embedding_vector = (embedding::text)::vector');
    });
    afterAll(() =>
      asAdmin(
        platform,
        'postgres',
        async (client) => void (await client.query(`drop database ${DATABASE} with (force)`)),
      ),
    );

    it('gives the same rows as its dump', async () => {
      const tables = [
        'vector_embeddings_code',
        'vector_embeddings_embedding',
        'cache_metadata',
        'usage_stats',
        'model_configs',
      ];
      // Nulls that a table has no other word for are missing in the dump.
      const rows = async () =>
        Promise.all(
          tables.map((table) =>
            query(
              `select (to_jsonb(t) - 'legacy_path' - 'extra')::text as row from ${table} as t order by row`,
            ),
          ),
        );
      const before = await rows();
      expect(before.map((each) => each.length)).toEqual([5, 3, 3, 4, 2]);
      // 0 is equal to -0, and yet another vector.
      const zero = `vector_embeddings_cache set embedding = '[0.18081611,0,0.9835099]' where content = '倍精度の要素'`;
      await query(`update ${zero}`);
      const { error, tables: report } = await run(platform, home, {
        system: 'harca',
        budget: quarantined.harca!,
        databases: new Map([['harca-db', url]]),
      });
      expect(error).toBeUndefined();
      expect(report['public.vector_embeddings_code']).toMatchObject({
        read: 6,
        updated: 5,
        merged: 1,
        quarantined: 0,
      });
      expect(report['public.vector_embeddings_cache']).toMatchObject({ updated: 1 });
      expect(
        await query(`select embedding from vector_embeddings_cache where content = '倍精度の要素'`),
      ).toEqual([{ embedding: '[0.18081611,-0,0.9835099]' }]);
      expect(await rows()).toEqual(before);
      expect(await query('select distinct legacy_path from vector_embeddings_code')).toEqual([
        { legacy_path: 'harca-db/code_vectors.json' },
      ]);
      const copies = await readdir(join(home, 'snapshots/harca'), { recursive: true });
      expect(copies.filter((path) => path.endsWith('.copy')).map((path) => basename(path))).toEqual([
        'code_vectors.copy',
        'embeddings.copy',
      ]);
    });

    it('is loaded and compared in parts as it is as a whole', async () => {
      const system = systemNamed('harca');
      const whole = await dump(platform, system);
      await emptyTarget(platform, system);
      const { error, tables } = await run(platform, home, {
        system: 'harca',
        steps: ['load', 'verify'],
        budget: quarantined.harca!,
        threads: 2,
        partRows: 1,
      });
      expect(error).toBeUndefined();
      expect(await dump(platform, system)).toEqual(whole);
      for (const table of ['vector_embeddings_code', 'vector_embeddings_cache']) {
        const [parts] = await query<{ n: number }>(
          'select count(*)::int as n from migration.part where table_name = $1',
          [table],
        );
        expect(parts!.n).toBeGreaterThan(1);
      }
      expect(tables['public.vector_embeddings_code']).toMatchObject({ read: 6, inserted: 5, merged: 1 });
    });
  });

  describe('search among many', () => {
    const K = 10;

    /** Rows of this model around as many centres, the same ones on every run. */
    const fill = (model: string, rows: number, dimensions: number, centres: number) =>
      query(`
        with seed as materialized (select setseed(0.25)),
        centres as materialized (
          select c, array_agg(random() - 0.5 order by i) as at
          from seed, generate_series(0, ${centres - 1}) as c, generate_series(1, ${dimensions}) as i group by c)
        insert into vector_embeddings (store, legacy_key, dimensions, content, model, source_model, metadata, embedding)
        select 'cache', '${model} ' || n, ${dimensions}, 'text ' || n, '${model}', '${model}',
          jsonb_build_object('n', n, 'tags', jsonb_build_array('every-' || n % 100)),
          (select array_agg(each + 0.8 * (random() - 0.5 + 0 * n) order by i)::vector
           from unnest(at) with ordinality as e (each, i))
        from generate_series(1, ${rows}) as n join centres on c = n % ${centres}`);

    /** Recall of searches for vectors that are not stored, against a scan of all. */
    const recall = (model: string, queries: number) =>
      asAdmin(platform, 'harca', async (client) => {
        const { rows } = await client.query<{ recall: number }>(
          `with sample as (
             select setseed(0.75), embedding, dimensions from vector_embeddings_cache where model = $1
             order by hashtextextended(legacy_key, 1) limit $2),
           asked as materialized (
             select (select array_agg(each + 0.1 * (random() - 0.5) order by i)::vector
                     from unnest(embedding::real[]) with ordinality as e (each, i)) as q from sample),
           answers as (
             select (select count(*) from match_embeddings(q, $1, $3) as m where m.id in (
               select e.id from vector_embeddings_cache as e where e.model = $1 and e.searchable
               order by e.embedding <=> q limit $3)) as hits from asked)
           select avg(hits)::float8 / $3 as recall from answers`,
          [model, queries, K],
        );
        return rows[0]!.recall;
      });

    const indexes = (model: string) =>
      query(`select kind, lists, probes, rows::int, recall from vector_indexes where model = $1`, [model]);
    const build = async () =>
      (await query<{ built: number }>('select build_vector_indexes() as built'))[0]!.built;
    /** What the planner does for a search of one partition. */
    const plan = (model: string, dimensions: number, kind: string) =>
      asAdmin(platform, 'harca', async (client) => {
        const { rows } = await client.query<{ plan: string }>(
          `with q as (select replace(replace(replace(nearest_sql('vector_embeddings_cache', $1, $2, $3),
             '$1', quote_literal((select embedding from vector_embeddings_cache where model = $1 limit 1)) || '::vector'),
             '$2', '40'), '$3', 'null') as plan) select plan from q`,
          [model, dimensions, kind],
        );
        await client.query('set enable_sort = off');
        const explained = await client.query<{ 'QUERY PLAN': string }>(`explain ${rows[0]!.plan}`);
        return explained.rows.map((row) => row['QUERY PLAN']).join('\n');
      });

    beforeAll(async () => {
      await fill('clustered', 20_000, 64, 100);
      await fill('large', 1_100, 3072, 20);
      await fill('few', 999, 8, 10);
      await query('analyze vector_embeddings');
      expect(await build()).toBe(2);
    });

    it('has an index for each model and dimension that is worth one', async () => {
      expect(await indexes('clustered')).toMatchObject([{ kind: 'hnsw', rows: 20_000 }]);
      expect(await indexes('large')).toMatchObject([{ kind: 'hnsw', rows: 1_100 }]);
      expect(await indexes('few')).toMatchObject([{ kind: 'exact', probes: null }]);
      expect(await plan('clustered', 64, 'hnsw')).toMatch(/Index Scan using vector_[0-9a-f]{16}/);
      expect(await plan('large', 3072, 'hnsw')).toMatch(/Index Scan using vector_[0-9a-f]{16}/);
      expect(await plan('few', 8, 'exact')).not.toMatch(/vector_[0-9a-f]{16}/);
      // As long as it is the right one, it stays.
      expect(await build()).toBe(0);
    });

    it('finds at least 95 of 100 of the true nearest, in half precision too', async () => {
      expect(await recall('clustered', 100)).toBeGreaterThanOrEqual(0.95);
      expect(await recall('large', 10)).toBeGreaterThanOrEqual(0.95);
      expect(await recall('few', 20)).toBe(1);
    });

    it('is told by the verifier, who can write nothing', async () => {
      const secrets = await Secrets.open(home);
      const role = roleName(systemNamed('harca'), 'verifier');
      const url = urlFor(platform.postgres, 'harca', role, secrets.password(role));
      const told = () =>
        withConnection(url, async (client) => {
          await client.query('begin isolation level repeatable read read only');
          return (await client.query<{ told: string }>('select vector_recall() as told')).rows[0]!.told;
        });
      expect(await told()).toBe('at least 0.95 for every model');
      // Far too few lists are looked into.
      await query(`update vector_indexes set wanted = 'ivfflat' where model = 'clustered'`);
      expect(await build()).toBe(1);
      expect(await indexes('clustered')).toMatchObject([{ kind: 'ivfflat', lists: 20 }]);
      expect(await recall('clustered', 100)).toBeGreaterThanOrEqual(0.95);
      expect(await told()).toBe('at least 0.95 for every model');
      const [{ index_name: name } = { index_name: '' }] = await query<{ index_name: string }>(
        `select index_name from vector_indexes where model = 'clustered'`,
      );
      await query(`drop index ${name}`);
      expect(await told()).toBe('vector_embeddings_cache clustered 64: no index');
      // One that finds too little: a search looks into a handful of rows.
      await query(`create index ${name} on vector_embeddings_cache using ivfflat ((embedding::vector(64)) vector_cosine_ops)
        with (lists = 500) where model = 'clustered' and dimensions = 64 and searchable`);
      await query(`update vector_indexes set probes = 1 where model = 'clustered'`);
      expect(await told()).toMatch(/^vector_embeddings_cache clustered 64: 0\.\d+$/);
      await query(`drop index ${name}`);
      expect(await build()).toBe(1);
    });

    it('in half precision may be of either kind', async () => {
      await query(`update vector_indexes set wanted = 'ivfflat' where model = 'large'`);
      expect(await build()).toBe(1);
      expect(await indexes('large')).toMatchObject([{ kind: 'ivfflat', lists: 10 }]);
      expect(await recall('large', 10)).toBeGreaterThanOrEqual(0.95);
    });

    it.each(['ivfflat', 'hnsw'])('finds k rows that a filter holds for, by %s', async (kind) => {
      await query(`update vector_indexes set wanted = $1 where model = 'clustered'`, [kind]);
      await build();
      const found = await query<{ tag: string; score: number }>(
        `select m.metadata -> 'tags' ->> 0 as tag, m.score from vector_embeddings_cache as e,
           match_embeddings(e.embedding, 'clustered', 20, null, '{"tags": "EVERY-17"}') as m
         where e.legacy_key = 'clustered 4242'`,
      );
      expect(found).toHaveLength(20);
      // The substring holds for no other of a hundred tags.
      expect(new Set(found.map(({ tag }) => tag))).toEqual(new Set(['every-17']));
      const scores = found.map(({ score }) => score);
      expect(scores).toEqual([...scores].sort((a, b) => b - a));
    });

    it('answers nothing below the least score, for a zero vector, or for another model or dimension', async () => {
      const count = async (query_: string, ...args: string[]) =>
        (
          await query<{ n: number }>(
            `select count(*)::int as n from match_embeddings((${query_})${args.map((each) => `, ${each}`).join('')})`,
          )
        )[0]!.n;
      const stored = `select embedding from vector_embeddings_cache where legacy_key = 'clustered 1'`;
      expect(await count(stored, `'clustered'`)).toBe(5);
      expect(await count(stored, `'clustered'`, '300')).toBe(300);
      const other = `select embedding from vector_embeddings_cache where legacy_key = 'few 1'`;
      expect(await count(other, `'few'`, '7', '0.999999')).toBe(1);
      expect(await count(other, `'few'`, '7', '1.1')).toBe(0);
      expect(await count(stored, `'clustered'`, '0')).toBe(0);
      expect(await count(stored, `'large'`)).toBe(0);
      expect(await count(`select array_fill(0::real, '{64}')::vector`, `'clustered'`)).toBe(0);
      expect(await count(`select '[1,2]'::vector`, `'clustered'`)).toBe(0);
    });

    it('finds the last rows that a filter holds for, with little memory', async () => {
      await fill('filtered', 20_000, 8, 1);
      await query(`update vector_embeddings set metadata = '{"rare": true}', embedding = (select array_agg(-each)::vector
        from unnest(embedding::real[]) as each) where model = 'filtered' and (metadata ->> 'n')::int <= 5`);
      await query('analyze vector_embeddings');
      expect(await build()).toBe(1);
      const found = await asAdmin(platform, 'harca', async (client) => {
        await client.query(`set work_mem = '64kB'`);
        return client.query(
          `select m.* from vector_embeddings_cache as e, match_embeddings(e.embedding, 'filtered', 5, null, '{"rare": true}') as m
           where e.legacy_key = 'filtered 4242'`,
        );
      });
      expect(found.rowCount).toBe(5);
      await query(`delete from vector_embeddings where model = 'filtered'`);
      await build();
    });

    it('takes null for what is usual, and refuses what is no filter', async () => {
      const found = async (args: string) =>
        (
          await query(`select m.* from vector_embeddings_cache as e, match_embeddings(${args}) as m
          where e.legacy_key = 'few 1'`)
        ).length;
      expect(await found(`e.embedding, 'few', null`)).toBe(5);
      expect(await found(`e.embedding, 'few', 2147483647`)).toBe(999);
      expect(await found(`null, 'few'`)).toBe(0);
      expect(await found(`e.embedding, 'few', 3, null, 'null'`)).toBe(3);
      for (const filter of ['[]', '"x"', '1', 'true']) {
        await expect(found(`e.embedding, 'few', 3, null, '${filter}'`)).rejects.toMatchObject({
          code: '22023',
        });
      }
      // The norm of the second is beyond what the distance can be computed with.
      await query(`insert into vector_embeddings (store, legacy_key, dimensions, content, model, source_model, embedding)
        values ('code', 'nan 1', 2, 'x', 'nan', 'nan', '[1,1]'), ('code', 'nan 2', 2, 'x', 'nan', 'nan', '[3e38,3e38]')`);
      const scores = await query<{ score: number }>(`select score from match_embeddings('[1,1]', 'nan')`);
      expect(scores.map(({ score }) => score)).toEqual([1]);
      await query(`delete from vector_embeddings where model = 'nan'`);
    });

    it('applications may only say which index they want', async () => {
      const secrets = await Secrets.open(home);
      const role = roleName(systemNamed('harca'), 'readwrite');
      const url = urlFor(platform.postgres, 'harca', role, secrets.password(role));
      const change = (sql: string) => withConnection(url, (client) => client.query(sql));
      await change(`update vector_indexes set wanted = 'exact' where model = 'few'`);
      for (const sql of [
        `update vector_indexes set index_name = 'knowledge_indexes_pkey' where model = 'few'`,
        `insert into vector_indexes (partition, model, dimensions) values ('x', 'x', 1)`,
        'delete from vector_indexes',
      ]) {
        await expect(change(sql)).rejects.toThrow('42501');
      }
      // Whatever stands there is not dropped.
      await query(
        `update vector_indexes set wanted = null, kind = 'hnsw', index_name = 'idx_usage_stats_created' where model = 'few'`,
      );
      expect(await build()).toBe(0);
      expect(await query(`select to_regclass('idx_usage_stats_created') as there`)).toEqual([
        { there: 'idx_usage_stats_created' },
      ]);
      expect(await indexes('few')).toMatchObject([{ kind: 'exact', probes: null }]);
    });

    it('puts rows that are equally near into the order of their ids', async () => {
      await query(`insert into vector_embeddings (store, legacy_key, dimensions, content, model, source_model, embedding)
        select 'code', 'same ' || n, 2, 'x', 'same', 'same', '[1,1]' from generate_series(1, 20) as n`);
      const ids = await query<{ id: string }>(`select id from match_embeddings('[2,2]', 'same', 20)`);
      expect(ids).toEqual([...ids].sort((a, b) => (a.id < b.id ? -1 : 1)));
    });

    it('goes on after every index was built anew', async () => {
      // Which takes long for many rows.
      await query(`update vector_indexes set wanted = 'exact' where model = 'clustered'`);
      expect(await build()).toBe(0);
      expect(await cutover(platform, home, 'reindex', '--system', 'harca')).toMatchObject({ code: 0 });
      expect(await recall('large', 10)).toBeGreaterThanOrEqual(0.95);
      expect(await build()).toBe(0);
    });

    it('loses its index with its rows', async () => {
      await query(`update vector_indexes set wanted = null where model = 'large'`);
      await query(`delete from vector_embeddings where model = 'large' and (metadata ->> 'n')::int > 500`);
      expect(await build()).toBe(0);
      expect(await indexes('large')).toMatchObject([{ kind: 'exact', rows: 500 }]);
      await query(`delete from vector_embeddings where model = 'large'`);
      expect(await build()).toBe(0);
      expect(await indexes('large')).toEqual([]);
      expect(await query(`select 1 from pg_class where relname ~ '^vector_[0-9a-f]{16}$'`)).toEqual([]);
    });
  });
});

const REAL = resolve('../shared/legacy-data');

describe.skipIf(!existsSync(join(REAL, 'harca')))(
  'harca as it was (skipped where ../shared/legacy-data is missing)',
  () => {
    it('is loaded whole: nothing is in quarantine, no field is unknown', async () => {
      await dropSystems(platform);
      const { error, tables } = await run(platform, await scratch(), { system: 'harca', source: REAL });
      expect(error).toBeUndefined();
      const counts = Object.entries(tables).map(([table, { read, inserted, merged, differences }]) => [
        table.replace('public.', ''),
        ...[read, inserted, merged, differences],
      ]);
      expect(counts).toEqual([
        ['vector_embeddings_cache', 96, 96, 0, 0],
        ['vector_embeddings_document', 7, 7, 0, 0],
        ['vector_embeddings_document_cache', 9, 9, 0, 0],
        ['vector_embeddings_code', 5, 4, 1, 0],
        ['vector_embeddings_embedding', 0, 0, 0, 0],
        ['knowledge_sections', 18, 18, 0, 0],
        ['knowledge_indexes', 2, 2, 0, 0],
        ['cache_metadata', 0, 0, 0, 0],
        ['usage_stats', 0, 0, 0, 0],
        ['model_configs', 0, 0, 0, 0],
      ]);
      expect(await query('select legacy_path, extra from vector_embeddings where extra is not null')).toEqual(
        [],
      );
      expect(
        (
          await query(
            `select flag, count(*)::int as n from vector_embeddings_code group by flag order by flag`,
          )
        ).map((row) => ({ ...row })),
      ).toEqual([
        { flag: 'placeholder', n: 3 },
        { flag: 're-embed', n: 1 },
      ]);
    });
  },
);
