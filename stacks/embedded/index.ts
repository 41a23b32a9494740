import { mkdir, realpath, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CutoverError } from '../../jobs/errors.ts';
import type { Platform } from '../../jobs/platform.ts';
import type { Context } from './context.ts';
import { enter, purge, settlePorts } from './home.ts';
import { withLock } from './lock.ts';
import { choices } from './packages.ts';
import { replicaLag, upPostgres, upPrimary } from './postgres.ts';
import { isRunning } from './process.ts';
import { prove, type RedisProof } from './proof.ts';
import { makeRedis, redisNodes, upRedis } from './redis.ts';
import { adopt, stopAll } from './servers.ts';
import { readState, type Server } from './state.ts';

export interface EmbeddedOptions {
  /** Folder of `state.json`, the certificate authority and, where the servers' account can enter it, the data. */
  readonly home: string;
  /** Folder of unpacked packages, which several homes may share; `cache` in the home unless given. */
  readonly cache?: string | undefined;
  readonly log?: ((line: string) => void) | undefined;
  /** Only the PostgreSQL primary: neither its replica nor Redis. */
  readonly primaryOnly?: boolean | undefined;
  /** Stops what this call has started and removes what it has half made. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Brings up PostgreSQL 17 with a streaming replica and a Redis cluster of six, which go on when this process ends.
 * Makes what is not there, starts what does not run, leaves the rest alone; answers when all of it is healthy.
 * @throws CutoverError prerequisite, target, held or interrupted; nothing that this call started is left running then
 */
export async function up(options: EmbeddedOptions): Promise<Platform> {
  const { home, log, cache } = await prepare(options);
  // One half's failure ends the other.
  const failure = new AbortController();
  const signal = AbortSignal.any([failure.signal, ...(options.signal ? [options.signal] : [])]);
  let idle: Server[] = [];
  const work = async () => {
    const context = await enter(home, { cache, log, signal });
    idle = await notRunning(context.state.servers);
    if (idle.length > 0) await context.binaries();
    const moved = await settlePorts(home, context.state);
    const halves = options.primaryOnly
      ? [upPrimary(context)]
      : [upPostgres(context), upCluster(context, moved)];
    for (const half of halves) half.catch((error) => failure.abort(error));
    await Promise.allSettled(halves);
    await Promise.all(halves);
    return context.state.platform;
  };
  try {
    return await withLock(join(home, 'lock'), { log, signal }, () =>
      work().catch(async (error) => {
        await stopAll(idle);
        for (const { made, dataDir } of idle) if (!made) await rm(dataDir, { recursive: true, force: true });
        throw error;
      }),
    );
  } catch (error) {
    if (!options.signal?.aborted) throw error;
    throw new CutoverError(
      'interrupted',
      'interrupted; every server that this start began is stopped again',
      'Start again: npm start. It goes on with what was finished.',
      { cause: error },
    );
  }
}

/** A new cluster counts as made once it is proved. */
async function upCluster(context: Context, moved: readonly Server[]): Promise<void> {
  const nodes = redisNodes(context);
  if (nodes.every((node) => node.made)) return upRedis(context, moved);
  await makeRedis(context);
  const { slots, masters, replicas, failover } = await prove(context, context.state.platform);
  context.log(`Redis cluster proved: ${slots} slots, ${masters} masters, ${replicas} replicas; ${failover}`);
  for (const node of nodes) node.made = true;
  await context.save();
}

/**
 * Stops the servers of this home. `purge` also deletes their data and the state, but not the package cache.
 * @returns names of the servers that ran
 */
export async function down(options: {
  readonly home: string;
  readonly purge?: boolean | undefined;
  readonly log?: ((line: string) => void) | undefined;
}): Promise<{ stopped: string[]; purged: boolean }> {
  if (!(await stat(options.home).catch(() => undefined))) return { stopped: [], purged: false };
  const { home, log } = await prepare(options);
  return withLock(join(home, 'lock'), { log }, async () => {
    const { servers } = (await readState(home)) ?? { servers: [] };
    for (const server of servers) await adopt(server);
    const stopped = await stopAll(servers);
    if (options.purge) await purge(home);
    return { stopped, purged: options.purge ?? false };
  });
}

/**
 * Proves the running Redis cluster of this home (see `prove`): one master is down for some seconds.
 * @throws CutoverError target when the platform is not up, or the cluster does not survive
 */
export async function proveRedis(
  platform: Platform,
  home: string,
  options: Pick<EmbeddedOptions, 'cache' | 'log'> = {},
): Promise<RedisProof> {
  const folder = await prepare({ ...options, home });
  return withLock(join(folder.home, 'lock'), folder, async () => {
    const servers = (await readState(folder.home))?.servers ?? [];
    if (servers.length === 0 || (await notRunning(servers)).length > 0) {
      throw new CutoverError('target', `the platform of ${home} is not up`, 'Start it: npm start');
    }
    return prove(await enter(folder.home, { ...folder, signal: undefined }), platform);
  });
}

/**
 * How far the replica is behind.
 * @returns bytes of write-ahead log that the primary has written and the replica has not replayed
 * @throws CutoverError target when it does not stream at all
 */
export async function proveReplica(platform: Platform): Promise<{ lagBytes: number }> {
  const lagBytes = await replicaLag(platform.postgres);
  if (lagBytes === undefined) {
    throw new CutoverError(
      'target',
      'the replica does not stream from its primary',
      'Start it again: npm start',
    );
  }
  return { lagBytes };
}

async function prepare(options: Pick<EmbeddedOptions, 'home' | 'cache' | 'log'>) {
  if (process.platform !== 'linux') {
    throw new CutoverError(
      'prerequisite',
      `the embedded platform needs Linux, this machine runs ${process.platform}`,
      choices,
    );
  }
  await mkdir(options.home, { recursive: true });
  const home = await realpath(options.home);
  return { home, cache: resolve(options.cache ?? join(home, 'cache')), log: options.log ?? (() => {}) };
}

async function notRunning(servers: readonly Server[]): Promise<Server[]> {
  const running = await Promise.all(servers.map(isRunning));
  return servers.filter((_, index) => !running[index]);
}
