import { realpath, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Account } from './account.ts';
import { run } from './run.ts';

/** Server programs that can be started, wherever they came from. */
export interface Binaries {
  /** For people: where these came from. */
  readonly origin: string;
  /** Folder of `postgres`, `initdb` and `pg_basebackup`, all of PostgreSQL 17. */
  readonly postgres: string;
  readonly redisServer: string;
  readonly redisCli: string;
  /** What the programs need in their environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** The PostgreSQL that we start: the newest for which Debian has TimescaleDB and pgvector. */
export const postgresVersion = 17;

/** Redis Cluster over TLS with `cluster-port` and multi-part append-only files begins here. */
const minimumRedis = 7;

/** What the systems' schemas create, as files `NAME.control` in PostgreSQL's `extension` folder. */
export const extensions = ['timescaledb', 'vector', 'pg_trgm', 'unaccent', 'uuid-ossp'] as const;

/** Servers that the machine already has, if they have all we need and `account` may run them. */
export async function installed(account: Account | undefined): Promise<Binaries | undefined> {
  const path = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  // Debian keeps PostgreSQL's own programs off PATH.
  const postgres = await first([...path, `/usr/lib/postgresql/${postgresVersion}/bin`], (folder) =>
    usablePostgres(folder, account),
  );
  const redis = postgres && (await first(path, (folder) => usableRedis(folder, account)));
  if (!postgres || !redis) return undefined;
  return {
    origin: `${postgres} and ${redis}`,
    postgres,
    redisServer: join(redis, 'redis-server'),
    redisCli: join(redis, 'redis-cli'),
    env: {},
  };
}

async function first(
  folders: readonly string[],
  usable: (folder: string) => Promise<boolean>,
): Promise<string | undefined> {
  for (const folder of folders) if (await usable(folder)) return folder;
  return undefined;
}

async function usablePostgres(folder: string, account: Account | undefined): Promise<boolean> {
  if (!(await exists(join(folder, 'postgres')))) return false;
  const real = join(await realpath(join(folder, 'postgres')), '..');
  for (const program of ['postgres', 'initdb', 'pg_basebackup']) {
    const version = await answer([join(real, program), '--version'], account);
    if (!version.includes(`(PostgreSQL) ${postgresVersion}.`)) return false;
  }
  const share = [`../../../../share/postgresql/${postgresVersion}`, '../share/postgresql', '../share'];
  for (const candidate of share) {
    const files = extensions.map((name) => join(real, candidate, 'extension', `${name}.control`));
    if ((await Promise.all(files.map(exists))).every(Boolean)) return true;
  }
  return false;
}

async function usableRedis(folder: string, account: Account | undefined): Promise<boolean> {
  if (!(await exists(join(folder, 'redis-server')))) return false;
  const version = /v=(\d+)\./.exec(await answer([join(folder, 'redis-server'), '--version'], account))?.[1];
  // redis-cli knows --tls only where both were built with it.
  const help = await answer([join(folder, 'redis-cli'), '--help'], account);
  return Number(version ?? 0) >= minimumRedis && help.includes('--tls');
}

async function answer(command: string[], account: Account | undefined): Promise<string> {
  return (await run(command, { account, cwd: '/', check: false })).stdall;
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
