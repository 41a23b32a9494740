import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withConnection } from '../jobs/database.ts';
import type { Platform } from '../jobs/platform.ts';
import { down, up } from '../stacks/embedded/index.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Home of the servers and data that belong to the bench alone. */
export const HOME = resolve(ROOT, '.cutover-bench');

/** Packages are the same as those of `npm start`. */
const CACHE = resolve(ROOT, '.cutover/cache');

/**
 * What a server of its own is given for such loads. Without autovacuum, which would begin in the middle of one peer's run and
 * not of another's; jobs and cases ask for the statistics that they need.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  shared_buffers: '1GB',
  max_wal_size: '8GB',
  checkpoint_timeout: '30min',
  autovacuum: 'off',
};

/** Starts PostgreSQL alone: replica and Redis would work beside every load. */
export async function startServer(log: (line: string) => void, signal: AbortSignal): Promise<Platform> {
  const start = () => up({ home: HOME, cache: CACHE, primaryOnly: true, log, signal });
  let platform = await start();
  if (await configure(platform.postgres)) {
    await stopServer();
    platform = await start();
  }
  const { postgres, timescale, clientTools } = platform;
  return { postgres, timescale, clientTools, redis: [] };
}

export async function stopServer(): Promise<void> {
  await down({ home: HOME });
}

/** @returns whether the server has to start again for a setting to count */
function configure(url: string): Promise<boolean> {
  return withConnection(url, async (client) => {
    for (const [name, value] of Object.entries(SETTINGS)) {
      await client.query(`alter system set ${name} = '${value}'`);
    }
    await client.query('select pg_reload_conf()');
    const { rows } = await client.query<{ buffers: string }>(
      `select current_setting('shared_buffers') as buffers`,
    );
    return rows[0]!.buffers !== SETTINGS.shared_buffers;
  });
}

/** What a figure has to be read with. */
export async function headOf(platform: Platform, cpus: number): Promise<string> {
  return withConnection(platform.postgres, async (client) => {
    const { rows } = await client.query<{ postgres: string; timescale: string | null }>(
      `select current_setting('server_version') as postgres,
         (select default_version from pg_available_extensions where name = 'timescaledb') as timescale`,
    );
    const settings = Object.entries(SETTINGS).map(([name, value]) => `${name} ${value}`);
    return [
      `Node ${process.versions.node}, ${cpus} CPUs`,
      `PostgreSQL ${rows[0]!.postgres}, TimescaleDB ${rows[0]!.timescale ?? 'not there'}, over TLS`,
      settings.join(', '),
    ].join('; ');
  });
}
