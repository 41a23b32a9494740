import { mebibytes } from './quantity.ts';

/** Libraries that the server loads when it starts, and its parameters, in PostgreSQL's own words. */
export interface PostgresSettings {
  readonly preload: readonly string[];
  readonly parameters: Readonly<Record<string, string>>;
}

/**
 * Settings of both clusters. The plan of instant-search, 1.2, names pg_trgm, the text search configuration and the two
 * for the building of indexes; memory by https://www.postgresql.org/docs/17/runtime-config-resource.html (a quarter for
 * shared_buffers) and runtime-config-query.html (what the kernel caches besides, for effective_cache_size).
 * @param memory limit of an instance, a quantity of Kubernetes
 */
export function postgresSettings(memory: string): PostgresSettings {
  return {
    preload: ['pg_trgm'],
    parameters: {
      shared_buffers: `${mebibytes(memory, 1 / 4)}MB`,
      effective_cache_size: `${mebibytes(memory, 3 / 4)}MB`,
      maintenance_work_mem: '256MB',
      max_parallel_maintenance_workers: '4',
      default_text_search_config: 'pg_catalog.english',
      // A pool of 20 for each application (plan of lightning-talk, DB_POOL_SIZE), the Jobs, and room below the alarm at 80 %.
      max_connections: '200',
    },
  };
}

/** The same with TimescaleDB, whose hypertables lock a chunk each. */
export function timescaleSettings(memory: string): PostgresSettings {
  const { preload, parameters } = postgresSettings(memory);
  return {
    preload: ['timescaledb', ...preload],
    parameters: {
      ...parameters,
      // https://docs.tigerdata.com/self-hosted/latest/configuration/about-configuration/
      max_locks_per_transaction: '256',
      'timescaledb.max_background_workers': '16',
      'timescaledb.telemetry_level': 'off',
    },
  };
}
