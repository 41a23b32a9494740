import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { MakeCase, Peer } from '../case.ts';
import { nodes } from '../cutover.ts';
import { copyIn, psqlMissing } from '../psql.ts';
import { DIMENSIONS, writeDatabaseTable, writeDocumentStore, writeFileCache } from '../vectors/data.ts';
import { PARTITIONS, VectorStore, vectorSample } from '../vectors/store.ts';

const ROWS = 100_000;

/** Store B takes more time a row, and needs no more to be timed. */
const SHARE = 5;

export const make: MakeCase = async (bench) => {
  const rows = bench.rows ?? ROWS;
  const fewer = Math.ceil(rows / SHARE);
  const cache = await vectorSample(bench, 'fileCache', rows, (folder) =>
    writeFileCache(join(folder, 'cache/embeddings'), rows),
  );
  const documents = await vectorSample(bench, 'documents', fewer, (folder) =>
    writeDocumentStore(join(folder, 'modules/document-rag/.cache/vector-store.json'), fewer),
  );
  const table = await vectorSample(bench, 'codeVectors', rows, (folder) =>
    writeDatabaseTable(join(folder, 'harca-db/code_vectors.copy'), rows),
  );
  const store = await VectorStore.make(bench, cache);
  const prepare = () => store.empty();
  const missing = await psqlMissing(bench.platform);
  const file = join(bench.folder, 'vectors.copy');
  let bytes: number | undefined;
  let columns = '';
  if (missing === undefined) {
    await store.load(cache);
    columns = await store.columns(PARTITIONS.fileCache);
    bytes = await store.readyFile(PARTITIONS.fileCache, file);
  }
  const psql: Peer = {
    name: 'psql, COPY binary of a ready file',
    missing: async () => missing,
    prepare,
    run: () => copyIn(bench.platform, store.url, `${PARTITIONS.fileCache} (${columns})`, file, 'binary'),
  };
  const ours = (await nodes()).flatMap(({ path, name }): Peer[] => [
    { name: `cutover from store A, a file an entry, ${name}`, prepare, run: () => store.load(cache, path) },
    {
      name: `cutover from store B, one array, ${name}`,
      rows: fewer,
      prepare,
      run: () => store.load(documents, path),
    },
    {
      name: `cutover from store D, a copied table, ${name}`,
      prepare,
      run: () => store.load(table, path),
    },
  ]);
  return {
    name: 'vectors',
    what: `clustered vectors of ${DIMENSIONS} dimensions into unlogged tables with their keys`,
    rows,
    bytes,
    against: psql.name,
    peers: [psql, ...ours],
    close: async () => {
      await rm(file, { force: true });
      await store.close();
    },
  };
};
