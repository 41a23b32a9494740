import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

/**
 * What a job must know of the servers: URLs, nothing of who provides them. Passwords are part of the URLs, so a value
 * of this type is a secret. TLS is in the URL too: `sslmode=verify-full&sslrootcert=PATH`, as libpq spells it.
 */
export interface Platform {
  /** PostgreSQL primary, as a role that may create databases and roles. */
  readonly postgres: string;
  /** A streaming replica of `postgres`, same role. */
  readonly replica?: string | undefined;
  /** The server that has TimescaleDB; may be the same as `postgres`. */
  readonly timescale: string;
  /** Nodes of one Redis cluster, `rediss://default:PASSWORD@HOST:PORT`. */
  readonly redis: readonly string[];
  /** PEM file of the authority that signed the Redis certificates. */
  readonly redisCa?: string | undefined;
  /** Folder with a `pg_dump` and `psql` of the servers' version; default: those on PATH. */
  readonly clientTools?: string | undefined;
  /** The folder that all of this is read from, anew at each access: a password that was rotated counts at once. */
  readonly folder?: string | undefined;
  /** Fetches the logins that lie in a secret manager; called before each step. */
  readonly refresh?: (() => Promise<void>) | undefined;
}

/** `state.json` in `--home`: written by whoever runs the embedded servers, mode 0600. Jobs read only `platform`. */
const stateFile = z.object({
  platform: z.object({
    postgres: z.string(),
    replica: z.string().optional(),
    timescale: z.string(),
    redis: z.array(z.string()),
    redisCa: z.string().optional(),
    clientTools: z.string().optional(),
  }),
});

/** The platform that `npm start` left running in this home; undefined when there is none. */
export async function readPlatform(home: string): Promise<Platform | undefined> {
  let text: string;
  try {
    text = await readFile(join(home, 'state.json'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return stateFile.parse(JSON.parse(text)).platform;
}
