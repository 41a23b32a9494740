import { createHash } from 'node:crypto';
import { chmod, mkdir, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { CutoverError } from '../../jobs/errors.ts';
import { type Account, asOther, reachable, serverAccount } from './account.ts';
import { type Binaries, installed } from './binaries.ts';
import { type Context, writeConfig } from './context.ts';
import { unpacked } from './packages.ts';
import { freePort, isFree } from './ports.ts';
import { isRunning } from './process.ts';
import { nodeCount } from './redis.ts';
import { adopt, stop } from './servers.ts';
import { password, readState, type Server, type State, writeState } from './state.ts';
import { makeTls } from './tls.ts';

interface EnterOptions {
  readonly cache: string;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal | undefined;
}

/**
 * The state of this home, made if there is none; servers whose making was cut short are stopped.
 * @param home real path of an existing folder
 */
export async function enter(home: string, { cache, log, signal }: EnterOptions): Promise<Context> {
  const state = (await readState(home)) ?? (await newState(home, log));
  const account = asOther(state.account);
  for (const server of state.servers) {
    await adopt(server);
    if (!server.made && (await stop(server))) log(`stopped the half-made ${server.name}`);
  }
  let binaries: Promise<Binaries> | undefined;
  let saved = Promise.resolve();
  return {
    state,
    save: () => {
      saved = saved.then(() => writeState(home, state));
      return saved;
    },
    binaries: () => {
      binaries ??= findBinaries(cache, account, log, signal);
      return binaries;
    },
    account,
    log,
    signal,
  };
}

async function findBinaries(
  cache: string,
  account: Account | undefined,
  log: (line: string) => void,
  signal: AbortSignal | undefined,
): Promise<Binaries> {
  const found = await installed(account);
  if (found) {
    log(`using the servers of this machine: ${found.origin}`);
    return found;
  }
  await mkdir(cache, { recursive: true });
  return unpacked((await reachable(cache, account)) ? cache : await elsewhere(cache, account, log), {
    log,
    signal,
  });
}

/** Chooses account, folders, ports and passwords, and issues the certificates. */
async function newState(home: string, log: (line: string) => void): Promise<State> {
  const owner = await serverAccount();
  const account = asOther(owner);
  const data = join((await reachable(home, account)) ? home : await elsewhere(home, account, log), 'data');
  const state: State = {
    version: 1,
    platform: { postgres: '', replica: '', timescale: '', redis: [], redisCa: '' },
    servers: [],
    passwords: { postgres: password(), replicator: password(), redis: password() },
    dirs: { home, data },
    account: owner,
  };
  for (const name of [
    'primary',
    'replica',
    ...Array.from({ length: nodeCount }, (_, index) => `redis-${index}`),
  ]) {
    const kind = name.startsWith('redis') ? 'redis' : 'postgres';
    const [dataDir, logFile] = [join(data, name), join(data, 'logs', `${name}.log`)];
    state.servers.push({ name, kind, pid: 0, startTime: 0, port: 0, dataDir, logFile, made: false });
  }
  await settlePorts(home, state);
  if (await exists(state.servers[0]!.dataDir)) {
    throw new CutoverError(
      'prerequisite',
      `${data} holds a database, but ${join(home, 'state.json')}, which has its passwords, is not there`,
      'Put state.json back, or delete the database: npm run down -- --purge',
    );
  }
  for (const folder of [data, join(data, 'logs'), join(data, 'conf')]) {
    await mkdir(folder, { recursive: true });
    await chmod(folder, 0o755);
  }
  const { ca, cert, key } = await makeTls();
  await writeFile(join(home, 'ca.pem'), ca);
  await writeConfig({ state, account }, 'ca.pem', ca);
  await writeConfig({ state, account }, 'server.pem', cert);
  await writeConfig({ state, account }, 'server.key', key);
  // Last, so that a state always names files that are there.
  await writeState(home, state);
  return state;
}

/**
 * Gives every server that does not run a port that is free, its last one if possible, and brings the URLs up to date.
 * @returns the servers whose port changed
 */
export async function settlePorts(home: string, state: State): Promise<Server[]> {
  const taken = new Set(state.servers.flatMap(({ port, busPort }) => [port, busPort ?? 0]));
  const moved: Server[] = [];
  for (const server of state.servers) {
    if (await isRunning(server)) continue;
    const ports = server.kind === 'redis' ? [server.port, server.busPort ?? 0] : [server.port];
    if ((await Promise.all(ports.map((port) => port > 0 && isFree(port)))).every(Boolean)) continue;
    server.port = await freePort(taken);
    if (server.kind === 'redis') server.busPort = await freePort(taken);
    moved.push(server);
  }
  const { passwords, servers } = state;
  const ca = join(home, 'ca.pem');
  const postgres = (name: string) => {
    const { port } = servers.find((server) => server.name === name)!;
    // libpq takes a plus sign for what it is, so blanks have to be %20.
    const sslrootcert = ca.split('/').map(encodeURIComponent).join('/');
    return `postgresql://postgres:${passwords.postgres}@127.0.0.1:${port}/postgres?sslmode=verify-full&sslrootcert=${sslrootcert}`;
  };
  state.platform = {
    ...state.platform,
    postgres: postgres('primary'),
    replica: postgres('replica'),
    timescale: postgres('primary'),
    redis: servers
      .filter(({ kind }) => kind === 'redis')
      .map(({ port }) => `rediss://default:${passwords.redis}@127.0.0.1:${port}`),
    redisCa: ca,
  };
  return moved;
}

/** Deletes data and state, not the package cache. Also works when the state is lost. */
export async function purge(home: string): Promise<void> {
  const data = (await readState(home))?.dirs.data ?? join(home, 'data');
  await rm(data, { recursive: true, force: true });
  if (basename(dirname(data)) === standIn(home)) await rm(dirname(data), { recursive: true, force: true });
  for (const name of ['state.json', 'ca.pem']) await rm(join(home, name), { force: true });
}

/** A folder of ours that stands in for one which the servers' account cannot enter, such as any beneath /root. */
async function elsewhere(
  folder: string,
  account: Account | undefined,
  log: (line: string) => void,
): Promise<string> {
  for (const parent of ['/var/lib', tmpdir()]) {
    const candidate = join(await realpath(parent), standIn(folder));
    try {
      await mkdir(candidate, { recursive: true });
      // In /tmp anybody may have made it.
      if ((await stat(candidate)).uid !== process.getuid!()) continue;
      await chmod(candidate, 0o755);
    } catch {
      continue;
    }
    if (!(await reachable(candidate, account))) continue;
    log(`using ${candidate}, because ${account?.name ?? 'this user'} cannot enter ${folder}`);
    return candidate;
  }
  throw new CutoverError(
    'prerequisite',
    `${account?.name ?? 'this user'} can enter neither ${folder} nor a folder of ours in /var/lib or ${tmpdir()}`,
    'Choose a --home that this account can enter.',
  );
}

function standIn(folder: string): string {
  return `cutover-${createHash('sha256').update(folder).digest('hex').slice(0, 12)}`;
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
