import { existsSync, readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { CutoverError } from './errors.ts';
import type { Platform } from './platform.ts';
import { fetchLogin, type Login } from './secrets-manager.ts';

/**
 * A platform from a mounted folder in the layout of Service Binding, one folder a server:
 *
 * - `postgres/`, `timescale/`: `host`, `port`, `sslmode` (`verify-full`, which is the default, or `disable`), `ca.crt` or
 *   `ca-path` (a file with the absolute path of a PEM bundle); for Jobs that administer also `username` and `password`, or
 *   `secret-arn` (JSON with both in AWS Secrets Manager)
 * - `replica/`: the same without a login; may be absent
 * - `redis/`: `host`, `port`, `tls` (`true` or `false`), `ca.crt` or `ca-path`, `password`; may be absent
 * - `roles/`: a file for each database role with its password; `Secrets` reads them
 *
 * Every access reads the files anew. A login of Secrets Manager is the one that the last `refresh` fetched.
 * @throws CutoverError `usage`, at an access, that names the file which is missing or wrong
 */
export function readPlatformFolder(folder: string): Platform {
  if (!existsSync(folder)) throw wrong(folder, 'does not exist', 'Mount the folder of the servers there.');
  const logins = new Map<string, Login>();
  const postgresUrl = (server: string, login?: Login) => {
    const at = join(folder, server);
    const url = new URL(`postgresql://${addressIn(at)}/postgres`);
    const mode = read(join(at, 'sslmode')) ?? 'verify-full';
    if (mode !== 'verify-full' && mode !== 'disable')
      throw wrong(join(at, 'sslmode'), `is ${mode}`, 'It is verify-full or disable.');
    url.searchParams.set('sslmode', mode);
    if (mode === 'verify-full') url.searchParams.set('sslrootcert', authorityIn(at) ?? missing(at, 'ca.crt'));
    if (login) {
      url.username = encodeURIComponent(login.username);
      url.password = encodeURIComponent(login.password);
    }
    return url.href;
  };
  const loginOf = (server: string): Login | undefined => {
    const at = join(folder, server);
    const arn = read(join(at, 'secret-arn'));
    if (arn !== undefined) return logins.get(arn);
    const username = read(join(at, 'username'));
    return username === undefined ? undefined : { username, password: required(at, 'password') };
  };
  return {
    folder,
    get postgres() {
      return postgresUrl('postgres', loginOf('postgres'));
    },
    get replica() {
      return existsSync(join(folder, 'replica')) ? postgresUrl('replica') : undefined;
    },
    get timescale() {
      return postgresUrl('timescale', loginOf('timescale'));
    },
    get redis() {
      const at = join(folder, 'redis');
      if (!existsSync(at)) return [];
      const tls = required(at, 'tls');
      if (tls !== 'true' && tls !== 'false')
        throw wrong(join(at, 'tls'), `is ${tls}`, 'It is true or false.');
      const password = encodeURIComponent(required(at, 'password'));
      return [`${tls === 'true' ? 'rediss' : 'redis'}://default:${password}@${addressIn(at)}`];
    },
    get redisCa() {
      return authorityIn(join(folder, 'redis'));
    },
    async refresh() {
      for (const server of ['postgres', 'timescale']) {
        const arn = read(join(folder, server, 'secret-arn'));
        if (arn !== undefined) logins.set(arn, await fetchLogin(arn));
      }
    },
  };
}

function addressIn(server: string): string {
  const host = required(server, 'host');
  const port = required(server, 'port');
  if (!/^[0-9]{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535)
    throw wrong(join(server, 'port'), `is ${port}`, 'It is a number from 1 to 65535.');
  // An address of IPv6 stands in brackets.
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  if (!/^[\w.:[\]-]+$/.test(address) || !URL.canParse(`http://${address}`))
    throw wrong(join(server, 'host'), `is ${host}`, 'It is a name of a host or an address, without a port.');
  return address;
}

/** Path of the PEM bundle that proves a server; undefined when none is given. */
function authorityIn(server: string): string | undefined {
  const path = read(join(server, 'ca-path'));
  if (path === undefined) {
    const own = join(server, 'ca.crt');
    return existsSync(own) ? own : undefined;
  }
  if (!isAbsolute(path) || !existsSync(path))
    throw wrong(
      join(server, 'ca-path'),
      `names ${path}, which is not there`,
      'It is an absolute path of a PEM file.',
    );
  return path;
}

function required(server: string, name: string): string {
  return read(join(server, name)) ?? missing(server, name);
}

function missing(server: string, name: string): never {
  throw wrong(join(server, name), 'is missing or empty', 'Mount it as a file of --platform.');
}

/** What a file says, without the line's end that an editor leaves; undefined for one that is missing or empty. */
export function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '') || undefined;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw wrong(
      file,
      (error as NodeJS.ErrnoException).code ?? 'cannot be read',
      'Let this user read the file.',
    );
  }
}

function wrong(file: string, what: string, fix: string): CutoverError {
  return new CutoverError('usage', `${file} ${what}`, fix);
}
