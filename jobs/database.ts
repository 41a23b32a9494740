import { join } from 'node:path';
import pg from 'pg';
import type { SystemMapping } from './engine/mapping.ts';
import { CutoverError } from './errors.ts';
import type { Platform } from './platform.ts';

/** The roles of one system, by what they are for. Each is a login of its own. */
export const ROLE_KINDS = ['owner', 'migrator', 'verifier', 'readonly', 'readwrite', 'admin'] as const;
export type RoleKind = (typeof ROLE_KINDS)[number];

export function roleName(system: SystemMapping, kind: RoleKind): string {
  return `${system.rolePrefix}_${kind}`;
}

/** A URL for another database or login of the same server. */
export function urlFor(server: string, database: string, user?: string, password?: string): string {
  const url = new URL(server);
  url.pathname = `/${database}`;
  if (user !== undefined) {
    url.username = encodeURIComponent(user);
    url.password = encodeURIComponent(password ?? '');
  }
  return url.href;
}

export function serverOf(platform: Platform, system: SystemMapping): string {
  return platform[system.server];
}

/** The same, for what only its administrator may do. @throws CutoverError `usage` for a platform without that login */
export function administered(platform: Platform, system: SystemMapping): string {
  const url = serverOf(platform, system);
  if (platform.folder === undefined || new URL(url).username !== '') return url;
  throw new CutoverError(
    'usage',
    `${join(platform.folder, system.server)} has no login of an administrator`,
    'Mount username and password, or secret-arn, for the Jobs provision and backup.',
  );
}

/** A URL as the variables of libpq's own programs: a password among their arguments could be seen by everybody. */
export function libpqVariables(url: string): Record<string, string> {
  const parts = new URL(url);
  const sslrootcert = parts.searchParams.get('sslrootcert');
  return {
    PGHOST: parts.hostname,
    PGPORT: parts.port || '5432',
    PGDATABASE: parts.pathname.slice(1),
    PGUSER: decodeURIComponent(parts.username),
    PGPASSWORD: decodeURIComponent(parts.password),
    PGSSLMODE: parts.searchParams.get('sslmode') ?? 'prefer',
    ...(sslrootcert !== null && { PGSSLROOTCERT: sslrootcert }),
  };
}

/** Host, port and database of a URL: what may be said in an error. */
export function placeOf(url: string): string {
  const { hostname, port, pathname } = new URL(url);
  return `${hostname}:${port || 5432}${pathname}`;
}

/** Opens a connection. @throws CutoverError `target` that says what to do */
export async function connect(url: string, name = 'cutover'): Promise<pg.Client> {
  let client: pg.Client;
  try {
    client = new pg.Client({
      connectionString: url,
      application_name: name,
      connectionTimeoutMillis: 30_000,
      keepAlive: true,
    });
    // An error between queries (the server goes away) reaches the next query; without a listener it ends the process.
    client.on('error', () => {});
    await client.connect();
  } catch (error) {
    throw targetError(error, url);
  }
  return client;
}

/** Runs `use` with a connection and closes it whatever happens; errors of the server become CutoverErrors. */
export async function withConnection<T>(
  url: string,
  use: (client: pg.Client) => Promise<T>,
  name?: string,
): Promise<T> {
  const client = await connect(url, name);
  try {
    return await use(client);
  } catch (error) {
    throw targetError(error, url);
  } finally {
    await client.end().catch(() => {});
  }
}

/** Settings of a session, by name. */
export async function setForSession(
  client: pg.Client,
  settings: Readonly<Record<string, string>> = {},
): Promise<void> {
  for (const [name, value] of Object.entries(settings)) {
    await client.query('select set_config($1, $2, false)', [name, value]);
  }
}

const TLS_ERRORS = /self.signed|certificate|UNABLE_TO|ERR_TLS|CERT_/i;

/** An error of `pg` as one for the user; a CutoverError or an error from elsewhere is returned unchanged. */
export function targetError(error: unknown, url: string): unknown {
  if (error instanceof CutoverError || !(error instanceof Error)) return error;
  const code = (error as { code?: string }).code ?? '';
  const place = placeOf(url);
  const say = (message: string, fix: string) =>
    new CutoverError('target', `${place}: ${message}`, fix, { cause: error });
  if (['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ETIMEDOUT'].includes(code)) {
    return say(
      `no PostgreSQL server answers (${code})`,
      'Start it, or correct the URL. `npm start` starts the embedded one.',
    );
  }
  if (code === '28000' && error.message.includes('no encryption')) {
    return say(error.message, 'Ask for TLS: sslmode=verify-full&sslrootcert=PATH in the URL.');
  }
  if (code === '28P01' || code === '28000') {
    return say(
      error.message,
      'Correct user and password in the URL; secrets.json in the home folder, or roles/ of --platform, has the roles of the systems, which provision makes.',
    );
  }
  const { path } = error as NodeJS.ErrnoException;
  if (path !== undefined && [...new URL(url).searchParams.values()].includes(path)) {
    return say(error.message, 'Correct sslrootcert in the URL.');
  }
  if (TLS_ERRORS.test(code) || TLS_ERRORS.test(error.message) || /SSL/.test(error.message)) {
    return say(
      `TLS: ${error.message}`,
      'Give the CA that signed the server certificate: sslmode=verify-full&sslrootcert=PATH in the URL.',
    );
  }
  if (
    /timeout expired|Connection terminated|terminating connection|not queryable/i.test(error.message) ||
    code === 'ECONNRESET'
  ) {
    return say(`the connection was lost: ${error.message}`, 'Run the same command again: it resumes.');
  }
  if (error instanceof pg.DatabaseError) {
    const where = error.table
      ? ` (table ${error.table}${error.constraint ? `, constraint ${error.constraint}` : ''})`
      : '';
    return say(`${error.message}${where} [${code}]`, error.hint ?? 'Nothing of this batch was written.');
  }
  return error;
}

/** An identifier as SQL needs it. */
export const ident = pg.escapeIdentifier;
export const literal = pg.escapeLiteral;
