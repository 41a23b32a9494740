import { join } from 'node:path';
import type pg from 'pg';
import { connect } from '../../jobs/database.ts';
import type { MakeCase, Peer, Run } from '../case.ts';
import { clusteredVector, MODEL, writeFileCache } from '../vectors/data.ts';
import { nearest, readCache } from '../vectors/scan.ts';
import { VectorStore, vectorSample } from '../vectors/store.ts';

const ROWS = 100_000;
const QUERIES = 100;
const K = 10;

/** Another model in another partition, with every tenth of the vectors. */
const TENTH = 'a-tenth';

/** Vectors that no store has, of the same clusters. */
const queries = Array.from({ length: QUERIES }, (_, i) => clusteredVector(10_000_000 + i));

const timed = async (work: () => Promise<void> | void): Promise<Run> => {
  const begun = performance.now();
  await work();
  return { seconds: (performance.now() - begun) / 1000 };
};

export const make: MakeCase = async (bench) => {
  const rows = bench.rows ?? ROWS;
  const cacheIn = (folder: string) => join(folder, 'cache/embeddings');
  const sample = await vectorSample(bench, 'fileCache', rows, (folder) =>
    writeFileCache(cacheIn(folder), rows),
  );
  const store = await VectorStore.make(bench, sample);
  await store.load(sample);
  await store.sql(async (client) => {
    await client.query(
      `insert into vector_embeddings_document (store, legacy_key, dimensions, content, model, source_model, embedding)
       select 'document', legacy_key, dimensions, content, $1, $1, embedding
       from vector_embeddings_cache order by legacy_key limit $2`,
      [TENTH, Math.ceil(rows / 10)],
    );
    await client.query('analyze');
  });
  const built = await store.index(sample);
  await store.sql(async (client) => {
    const { rows: made } = await client.query(
      `select kind, rows, lists, probes, round(recall::numeric, 3)::float8 as recall,
         pg_size_pretty(pg_relation_size(to_regclass(index_name))) as size from vector_indexes order by rows`,
    );
    for (const index of made) bench.log(`index ${JSON.stringify(index)}`);
  });
  bench.log(`the index step took ${built.seconds.toFixed(1)} s`);

  const folder = cacheIn(join(sample.source, 'harca'));
  const cache = readCache(folder);
  const client = await connect(store.url, 'cutover bench');
  let found = 0;
  for (const query of queries) {
    const expected = new Set(nearest(cache, query, K));
    found += (await search(client, query, MODEL)).filter((key) => expected.has(key)).length;
  }
  bench.log(`recall@${K} of ${QUERIES} queries: ${(found / QUERIES / K).toFixed(3)}`);

  const searchAll = async (model: string) => {
    for (const query of queries) await search(client, query, model);
  };
  const searching = (model: string, of: number): Peer => ({
    name: `match_embeddings, ${of} vectors`,
    // The file store is read whole between two rounds, and memory is not for the index alone.
    prepare: () => searchAll(model),
    run: () => timed(() => searchAll(model)),
  });
  const warm: Peer = {
    name: `file store, all ${rows} vectors in memory`,
    rows: 10,
    run: () =>
      timed(() => {
        for (const query of queries.slice(0, 10)) nearest(cache, query, K);
      }),
  };
  const cold: Peer = {
    name: `file store, all ${rows} files read for the search`,
    rows: 1,
    run: () => timed(() => void nearest(readCache(folder), queries[0]!, K)),
  };
  return {
    name: 'vector-search',
    what: `nearest ${K} of clustered vectors, one search after the other`,
    rows: QUERIES,
    against: warm.name,
    peers: [searching(MODEL, rows), searching(TENTH, Math.ceil(rows / 10)), warm, cold],
    close: async () => {
      await client.end();
      await store.close();
    },
  };
};

async function search(client: pg.Client, query: Float64Array, model: string): Promise<string[]> {
  const { rows } = await client.query<{ key: string }>({
    name: 'search',
    text: 'select legacy_key as key from match_embeddings($1::vector, $2, $3)',
    values: [`[${Array.from(query, Math.fround).join()}]`, model, K],
  });
  return rows.map(({ key }) => key);
}
