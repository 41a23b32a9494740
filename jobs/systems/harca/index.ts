import type { CollectionLayout, SystemMapping, TargetCheck } from '../../engine/mapping.ts';
import { embeddingTables } from './embeddings.ts';
import { databaseTables, knowledgeTables } from './knowledge.ts';

/** A table of the early database: the living one where it is named, else the dump in JSON. */
const table = (name: string): CollectionLayout => ({
  files: [`harca-db/${name}.{copy,json}`, '**/data_*.json'],
  records: 'document',
  each: name,
});

const checks: readonly TargetCheck[] = [
  {
    name: 'recall@10 of vector search',
    table: 'vector_embeddings',
    sql: 'select vector_recall()',
    expect: 'at least 0.95 for every model',
  },
  {
    name: 'no flagged vector is searched',
    table: 'vector_embeddings',
    sql: `select count(*) from vector_embeddings where searchable and flag is distinct from 're-embed' and flag is not null`,
    expect: '0',
  },
];

export const harca: SystemMapping = {
  name: 'harca',
  database: 'harca',
  rolePrefix: 'harca',
  server: 'postgres',
  extensions: ['vector'],
  // Vector indexes insist on their memory, and take no more of it than they need; but workers would share all of it through
  // /dev/shm, which containers keep small. `build_vector_indexes` has settings of its own for each index.
  indexSettings: { maintenance_work_mem: '2GB', max_parallel_maintenance_workers: '0' },
  source: {
    kind: 'json',
    root: 'named',
    folder: '.',
    skip: [],
    refused: {
      '**/*.{sh,js,mjs,cjs,ts,py,ps1}': 'a program; one beside the dump has a password of the database',
    },
    around: {
      '**/stats.json': 'counters of one run of the cache',
      '**/.DS_Store': 'a note of the file manager',
      '**/.last_update': 'when the documents were indexed last',
      '**/schema_*.json': 'columns of the dumped tables',
      '**/*.sql': 'a generated dump that is broken (V17); the dump in JSON beside it is the source',
    },
    collections: {
      // One file an entry, named by the hash of model and text, wherever an instance had its cache.
      cache: { files: ['**/[0-9a-f]{64}.json'], records: 'document' },
      documents: { files: ['**/vector-store.json'] },
      document_cache: { files: ['**/cache-store.json'], records: 'members' },
      sections: {
        files: ['**/troubleshooting-knowledge/{,postgres-}[0-9a-f]{32}.json'],
        records: 'document',
      },
      indexes: {
        files: ['**/troubleshooting-knowledge/{index,postgres-index}.json'],
        records: 'document',
      },
      code_vectors: table('code_vectors'),
      embeddings: table('embeddings'),
      cache_metadata: table('cache_metadata'),
      usage_stats: table('usage_stats'),
      model_configs: table('model_configs'),
    },
    database: {
      name: 'harca-db',
      tables: {
        code_vectors: ['id'],
        embeddings: ['id'],
        cache_metadata: ['key'],
        usage_stats: ['id'],
        model_configs: ['id'],
      },
      vectors: { code_vectors: ['embedding'], embeddings: ['embedding', 'embedding_vector'] },
    },
  },
  tables: [...embeddingTables, ...knowledgeTables, ...databaseTables],
  targetChecks: checks,
  hotQueries: [
    {
      name: 'nearest five of one model',
      sql: `select * from match_embeddings(
      (select embedding from vector_embeddings where searchable order by store, legacy_key limit 1),
      (select model from vector_embeddings where searchable order by store, legacy_key limit 1))`,
    },
    {
      name: 'count by store and model',
      sql: 'select store, model, count(*) from vector_embeddings group by 1, 2',
    },
  ],
};
