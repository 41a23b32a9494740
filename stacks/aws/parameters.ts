/** As RDS counts them; the alarm on connections is a share of it. */
export const MAX_CONNECTIONS = 200;

/** Milliseconds after which a query is slow: lightning-talk's alerting threshold. */
export const SLOW_QUERY_MS = 100;

/** What PostgreSQL reads only when it starts. */
const STATIC: Readonly<Record<string, string>> = {
  // Not static, but the default of 17, for which RDS answers pending-reboot whatever it was told: a change for ever.
  'rds.force_ssl': '1',
  // instant-search's plan preloads pg_trgm, which needs no preloading and which RDS refuses there.
  shared_preload_libraries: 'pg_stat_statements',
  // lightning-talk's pool of 20 for each of five systems, and as many again while Jobs run beside them.
  max_connections: String(MAX_CONNECTIONS),
};

/** What PostgreSQL takes over while it runs: instant-search's plan, where nothing else is said. */
const DYNAMIC: Readonly<Record<string, string>> = {
  default_text_search_config: 'pg_catalog.english',
  // 256 MB, in kB
  maintenance_work_mem: String(256 * 1024),
  max_parallel_maintenance_workers: '4',
  track_io_timing: '1',
  log_min_duration_statement: String(SLOW_QUERY_MS),
};

const withMethod = (parameters: Readonly<Record<string, string>>, applyMethod: string) =>
  Object.entries(parameters).map(([name, value]) => ({ name, value, applyMethod }));

/** The parameter group of PostgreSQL: the plans' settings. RDS refuses a static one without `pending-reboot`. */
export const POSTGRES_PARAMETERS = [
  ...withMethod(STATIC, 'pending-reboot'),
  ...withMethod(DYNAMIC, 'immediate'),
];

/** The parameter group of Redis. */
export const REDIS_PARAMETERS = [
  { name: 'cluster-enabled', value: 'yes' },
  // Sessions have a time to live, so every volatile-* policy would drop them too: a full node refuses writes instead.
  { name: 'maxmemory-policy', value: 'noeviction' },
];
