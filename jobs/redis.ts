import { readFile } from 'node:fs/promises';
import { createClient } from 'redis';
import { CutoverError } from './errors.ts';
import type { Platform } from './platform.ts';

const SLOTS = 16_384;

/**
 * Looks whether the platform's Redis is a whole cluster: all slots served, a replica for each master.
 * @throws CutoverError `target` when it does not answer or is not whole
 */
export async function checkRedis(platform: Platform): Promise<void> {
  const url = new URL(platform.redis[0]!);
  const place = `Redis at ${url.host}`;
  const ca = platform.redisCa === undefined ? undefined : await readFile(platform.redisCa);
  const client = createClient({
    url: url.href,
    socket: {
      reconnectStrategy: false,
      connectTimeout: 10_000,
      ...(url.protocol === 'rediss:' ? { tls: true, ca } : {}),
    },
  });
  client.on('error', () => {});
  try {
    await client.connect();
    const info = String(await client.sendCommand(['CLUSTER', 'INFO']));
    const nodes = String(await client.sendCommand(['CLUSTER', 'NODES']))
      .split('\n')
      .map((line) => line.split(' '))
      .filter(([, , flags]) => flags !== undefined && !/fail|noaddr|handshake/.test(flags));
    const slots = Number(/cluster_slots_ok:(\d+)/.exec(info)?.[1]);
    const followed = new Set(nodes.filter(([, , flags]) => flags!.includes('slave')).map((node) => node[3]));
    // A master without slots serves nothing and needs no replica.
    const alone = nodes.filter(
      (node) => node[2]!.includes('master') && node.length > 8 && !followed.has(node[0]!),
    );
    if (!info.includes('cluster_state:ok') || slots !== SLOTS || alone.length > 0) {
      throw new CutoverError(
        'target',
        `${place} is no whole cluster: ${slots} of ${SLOTS} slots served, ${alone.length} masters without a replica`,
        'Repair the cluster (redis-cli --cluster check), then run the same command again.',
      );
    }
  } catch (error) {
    if (error instanceof CutoverError) throw error;
    throw new CutoverError(
      'target',
      `${place}: ${(error as Error).message}`,
      'Correct --redis URL and --redis-ca FILE, or start the cluster.',
      {
        cause: error,
      },
    );
  } finally {
    client.destroy();
  }
}
