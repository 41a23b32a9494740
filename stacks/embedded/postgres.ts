import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { CutoverError } from '../../jobs/errors.ts';
import { type Context, configFile, give, writeConfig } from './context.ts';
import { isRunning, waitFor } from './process.ts';
import { run } from './run.ts';
import { start } from './servers.ts';
import type { Server } from './state.ts';

const slot = 'replica';

/** Crash recovery replays at most `max_wal_size`, a few minutes on a slow disk. */
const startTimeoutMs = 600_000;

/** Until a replica that answers has found its primary. */
const replicationTimeoutMs = 60_000;

/** Makes the primary if it is not there yet, starts it if it does not run, waits until it answers. */
export async function upPrimary(context: Context): Promise<void> {
  const { primary } = serversOf(context);
  if (!primary.made) {
    await makePrimary(context, primary);
    primary.made = true;
    await context.save();
  }
  await writeSettings(context, primary, []);
  await startPostgres(context, primary);
  await ready(context, primary, context.state.platform.postgres);
}

/** The same for the primary, then the replica. */
export async function upPostgres(context: Context): Promise<void> {
  await upPrimary(context);
  const { primary, replica } = serversOf(context);
  if (!replica.made) {
    await makeReplica(context, primary, replica);
    replica.made = true;
    await context.save();
  }
  const conninfo = {
    host: '127.0.0.1',
    port: primary.port,
    user: 'replicator',
    password: context.state.passwords.replicator,
    application_name: slot,
    sslmode: 'verify-full',
    sslrootcert: configFile(context.state, 'ca.pem'),
  };
  const pairs = Object.entries(conninfo).map(
    ([key, value]) => `${key}='${`${value}`.replace(/[\\']/g, '\\$&')}'`,
  );
  await writeSettings(context, replica, [
    `primary_conninfo = ${quote(pairs.join(' '))}`,
    `primary_slot_name = ${quote(slot)}`,
  ]);
  await startPostgres(context, replica);
  await ready(context, replica, context.state.platform.replica);
  await waitFor(
    'the replica does not stream',
    () => asSuperuser(context.state.platform.postgres, streaming),
    { servers: [primary, replica], timeoutMs: replicationTimeoutMs, signal: context.signal },
  );
}

function serversOf({ state }: Context): { primary: Server; replica: Server } {
  const [primary, replica] = state.servers.filter(({ kind }) => kind === 'postgres') as [Server, Server];
  return { primary, replica };
}

async function makePrimary(context: Context, server: Server): Promise<void> {
  context.log('making the PostgreSQL primary');
  await emptyDataDir(context, server);
  const pwfile = await writeConfig(context, 'initdb.password', context.state.passwords.postgres);
  const { postgres, env } = await context.binaries();
  try {
    await run(
      [
        join(postgres, 'initdb'),
        ...['-D', server.dataDir, '-U', 'postgres', '--pwfile', pwfile, '--auth', 'scram-sha-256'],
        // pg_trgm asks the C library what a letter is, so the ctype must know Unicode too.
        ...['-E', 'UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
        ...['--locale=C', '--lc-ctype=C.UTF-8', '--data-checksums'],
      ],
      programOptions(context, env),
    );
  } finally {
    await rm(pwfile, { force: true });
  }
}

async function makeReplica(context: Context, primary: Server, replica: Server): Promise<void> {
  context.log('copying the primary to its replica');
  await emptyDataDir(context, replica);
  const { platform, passwords } = context.state;
  // An earlier attempt that was cut short may have left role and slot.
  await asSuperuser(platform.postgres, async (client) => {
    const { rowCount } = await client.query("SELECT FROM pg_roles WHERE rolname = 'replicator'");
    const secret = client.escapeLiteral(passwords.replicator);
    if (!rowCount) await client.query(`CREATE ROLE replicator LOGIN REPLICATION PASSWORD ${secret}`);
    const leftover =
      'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1';
    await client.query(leftover, [slot]);
  });
  const { postgres, env } = await context.binaries();
  await run(
    [
      join(postgres, 'pg_basebackup'),
      ...['-D', replica.dataDir, '-C', '-S', slot, '-X', 'stream', '--checkpoint=fast', '--no-password'],
    ],
    programOptions(context, {
      ...env,
      PGHOST: '127.0.0.1',
      PGPORT: String(primary.port),
      PGUSER: 'replicator',
      PGPASSWORD: passwords.replicator,
      PGSSLMODE: 'verify-full',
      PGSSLROOTCERT: configFile(context.state, 'ca.pem'),
    }),
  );
  await run(['touch', join(replica.dataDir, 'standby.signal')], programOptions(context, {}));
}

async function emptyDataDir(context: Context, { dataDir }: Server): Promise<void> {
  await rm(dataDir, { recursive: true, force: true });
  await mkdir(dataDir, { mode: 0o700 });
  await give(context.account, dataDir);
}

/** Both servers get the same settings, because a replica must not have fewer workers or connections. */
async function writeSettings(context: Context, server: Server, more: readonly string[]): Promise<void> {
  const settings = [
    "listen_addresses = '127.0.0.1'",
    `port = ${server.port}`,
    "unix_socket_directories = ''",
    'ssl = on',
    `ssl_cert_file = ${quote(configFile(context.state, 'server.pem'))}`,
    `ssl_key_file = ${quote(configFile(context.state, 'server.key'))}`,
    "password_encryption = 'scram-sha-256'",
    "shared_preload_libraries = 'timescaledb'",
    'timescaledb.telemetry_level = off',
    'timescaledb.max_background_workers = 8',
    'max_worker_processes = 24',
    'max_connections = 200',
    'wal_level = replica',
    'max_wal_senders = 10',
    'max_replication_slots = 10',
    'hot_standby = on',
    'max_wal_size = 4GB',
    'checkpoint_timeout = 15min',
    'wal_compression = lz4',
    'shared_buffers = 256MB',
    'effective_cache_size = 1GB',
    'maintenance_work_mem = 128MB',
    'random_page_cost = 1.1',
    // Files instead of /dev/shm, which containers limit to 64 MB and a logout may empty.
    'dynamic_shared_memory_type = mmap',
    'min_dynamic_shared_memory = 64MB',
    // Without LLVM there is none.
    'jit = off',
    "timezone = 'UTC'",
    "log_timezone = 'UTC'",
    "log_line_prefix = '%m [%p] %q%u@%d '",
    "default_text_search_config = 'pg_catalog.english'",
    ...more,
  ];
  // There is no way in but TLS with a password, also for replication.
  const access = [
    'hostssl all all 127.0.0.1/32 scram-sha-256',
    'hostssl replication all 127.0.0.1/32 scram-sha-256',
  ];
  await writeConfig(context, `${server.name}.hba`, lines(access));
  await writeConfig(context, `${server.name}.conf`, lines(settings));
}

/** A string in postgresql.conf. */
function quote(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

function lines(items: readonly string[]): string {
  return items.map((item) => `${item}\n`).join('');
}

/** Starts a server, or has a running one read its settings again: the replica's name the primary's port. */
async function startPostgres(context: Context, server: Server): Promise<void> {
  if (await isRunning(server)) {
    process.kill(server.pid, 'SIGHUP');
    return;
  }
  await start(context, server, ({ postgres }) => [
    ...([join(postgres, 'postgres'), '-D', server.dataDir] as const),
    ...['-c', `config_file=${configFile(context.state, `${server.name}.conf`)}`],
    ...['-c', `hba_file=${configFile(context.state, `${server.name}.hba`)}`],
  ]);
}

async function ready(context: Context, server: Server, url: string): Promise<void> {
  const probe = async (): Promise<true | undefined> => {
    try {
      return await asSuperuser(url, async () => true as const);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      // 57P03: starting up, or recovering. A busy machine may also be slow to answer.
      if (['ECONNREFUSED', 'ECONNRESET', '57P03'].includes(code ?? '') || /timeout/.test(message))
        return undefined;
      throw new CutoverError(
        'target',
        `PostgreSQL ${server.name} on port ${server.port} refuses us: ${message}`,
        'If the password of role postgres was changed, set it to the one in state.json again.',
        { cause: error },
      );
    }
  };
  await waitFor(`PostgreSQL ${server.name} does not answer`, probe, {
    servers: [server],
    timeoutMs: startTimeoutMs,
    signal: context.signal,
  });
}

/** Whether the replica receives the primary's log; it may still be behind. */
async function streaming(client: pg.Client): Promise<true | undefined> {
  const { rowCount } = await client.query(
    "SELECT FROM pg_stat_replication WHERE application_name = $1 AND state IN ('catchup', 'streaming')",
    [slot],
  );
  return rowCount === 1 || undefined;
}

/** How far the replica is behind: bytes of log that the primary has written and the replica has not replayed. */
export async function replicaLag(url: string): Promise<number | undefined> {
  return asSuperuser(url, async (client) => {
    const { rows } = await client.query(
      `SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::float8 AS lag FROM pg_stat_replication
       WHERE application_name = $1 AND state = 'streaming'`,
      [slot],
    );
    return rows[0]?.lag;
  });
}

async function asSuperuser<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function programOptions({ account, signal, state }: Context, env: Readonly<Record<string, string>>) {
  return { account, signal, cwd: state.dirs.data, env };
}
