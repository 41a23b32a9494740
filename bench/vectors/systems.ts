import type { SystemMapping } from '../../jobs/engine/mapping.ts';
import { harca } from '../../jobs/systems/harca/index.ts';

/** Name of the database, and prefix of its roles. */
export const DATABASE = 'bench_vectors';

/** One store of embeddings alone. */
const only = (table: string): SystemMapping => ({
  ...harca,
  database: DATABASE,
  rolePrefix: DATABASE,
  tables: harca.tables.filter((each) => each.table === table),
});

/** Store A: a file an entry. */
export const fileCache = only('vector_embeddings_cache');

/** Store B: chunks of documents in one array. */
export const documents = only('vector_embeddings_document');

/** Store D: a table of the early database. */
export const codeVectors = only('vector_embeddings_code');
