import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCluster } from 'redis';
import { CutoverError } from '../../jobs/errors.ts';
import type { Platform } from '../../jobs/platform.ts';
import type { Context } from './context.ts';
import { terminate } from './process.ts';
import { healthy, liveReplicas, nodeCount, redisNodes, slotCount, startNode } from './redis.ts';

export interface RedisProof {
  readonly slots: number;
  readonly masters: number;
  readonly replicas: number;
  /** For people: which node failed, which took over, how long that took. */
  readonly failover: string;
}

/** The cluster votes within a few times `cluster-node-timeout`. */
const failoverTimeoutMs = 60_000;

/**
 * Shows that the cluster serves all slots and survives the loss of a master: writes a key, stops the master that holds
 * it, reads the key from the replica that takes over, starts the stopped node again.
 */
export async function prove(context: Context, platform: Platform): Promise<RedisProof> {
  const key = `cutover:proof:${randomUUID()}`;
  const value = randomUUID();
  const before = await connect(platform);
  let port: number;
  let layout: Omit<RedisProof, 'failover'>;
  try {
    // CLUSTER SLOTS, which the client reads, keeps silent about a replica until something was written.
    const nodes = await before.sendCommand(undefined, true, ['CLUSTER', 'NODES']);
    layout = {
      slots: before.slots.filter(Boolean).length,
      masters: before.masters.length,
      replicas: liveReplicas(String(nodes)),
    };
    if (layout.slots !== slotCount || layout.masters !== nodeCount / 2 || layout.replicas !== nodeCount / 2) {
      throw new CutoverError(
        'target',
        `the Redis cluster is not 3 masters with a replica each: ${JSON.stringify(layout)}`,
        'Stop and start the platform: npm run down, then npm start.',
      );
    }
    await before.set(key, value);
    const slot = Number(await before.sendCommand(key, false, ['CLUSTER', 'KEYSLOT', key]));
    port = before.slots[slot]!.master.port;
    // The replica has the key before its master goes.
    await before.sendCommand(key, false, ['WAIT', '1', '10000']);
  } finally {
    before.destroy();
  }
  const node = redisNodes(context).find((one) => one.port === port)!;
  const since = Date.now();
  await terminate(node, ['SIGTERM'], 30_000);
  let heir: number;
  let tookMs: number;
  try {
    heir = await readBack(platform, key, value, port, context.signal);
    tookMs = Date.now() - since;
  } finally {
    await startNode(context, node);
  }
  await healthy(context);
  const name = redisNodes(context).find((one) => one.port === heir)?.name ?? `port ${heir}`;
  return { ...layout, failover: `${name} took over from ${node.name} in ${(tookMs / 1000).toFixed(1)} s` };
}

/** Reads until another node than `lost` answers; answers its port and removes the key. */
async function readBack(
  platform: Platform,
  key: string,
  value: string,
  lost: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  let reason: unknown;
  for (const deadline = Date.now() + failoverTimeoutMs; Date.now() < deadline; await sleep(100)) {
    signal?.throwIfAborted();
    try {
      const cluster = await connect(platform);
      try {
        const slot = Number(await cluster.sendCommand(undefined, true, ['CLUSTER', 'KEYSLOT', key]));
        const { port } = cluster.slots[slot]!.master;
        if (port === lost) continue;
        if ((await cluster.get(key)) !== value)
          throw new Error('the replica that took over does not have the key');
        await cluster.del(key);
        return port;
      } finally {
        cluster.destroy();
      }
    } catch (error) {
      reason = error;
    }
  }
  throw new CutoverError(
    'target',
    `no replica took over from the Redis master on port ${lost} within ${failoverTimeoutMs / 1000} s`,
    'The logs of the nodes, in logs/ beside their data, say why.',
    { cause: reason },
  );
}

async function connect(platform: Platform) {
  const [url] = platform.redis;
  const socket = {
    tls: true as const,
    ca: await readFile(platform.redisCa!),
    reconnectStrategy: false as const,
  };
  const cluster = createCluster({
    rootNodes: platform.redis.map((node) => ({ url: node })),
    defaults: { username: 'default', password: new URL(url!).password, socket },
  });
  cluster.on('error', () => {});
  try {
    return await cluster.connect();
  } catch (error) {
    cluster.destroy();
    throw error;
  }
}
