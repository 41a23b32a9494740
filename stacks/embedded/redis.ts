import { mkdir, readFile, rm } from 'node:fs/promises';
import { createClient } from 'redis';
import { type Context, configFile, give, writeConfig } from './context.ts';
import { waitFor } from './process.ts';
import { run } from './run.ts';
import { start } from './servers.ts';
import type { Server, State } from './state.ts';

/** Three masters, each with one replica: the least that survives the loss of any node. */
export const nodeCount = 6;

export const slotCount = 16_384;

/** Until all nodes know each other and every master has its replica. */
const healthTimeoutMs = 60_000;

/** Makes the cluster from nothing, whatever is left of an earlier attempt. */
export async function makeRedis(context: Context): Promise<void> {
  const nodes = redisNodes(context);
  context.log(`making a Redis cluster of ${nodes.length} nodes`);
  for (const node of nodes) await rm(node.dataDir, { recursive: true, force: true });
  await Promise.all(nodes.map((node) => startNode(context, node)));
  await Promise.all(nodes.map((node) => answers(context, node)));
  await createCluster(context, nodes);
  await healthy(context);
}

/**
 * Starts the nodes that do not run and waits until the cluster is whole.
 * @param moved servers that have another port than the nodes remember
 */
export async function upRedis(context: Context, moved: readonly Server[]): Promise<void> {
  const nodes = redisNodes(context);
  await Promise.all(nodes.map((node) => startNode(context, node)));
  const strangers = nodes.filter((node) => moved.includes(node));
  if (strangers.length > 0) await Promise.all(nodes.map((node) => answers(context, node)));
  for (const node of strangers) await introduce(context, node, nodes);
  await healthy(context);
}

export function redisNodes(context: Context): Server[] {
  return context.state.servers.filter(({ kind }) => kind === 'redis');
}

export async function startNode(context: Context, node: Server): Promise<void> {
  await mkdir(node.dataDir, { recursive: true, mode: 0o700 });
  await give(context.account, node.dataDir);
  const file = await writeConfig(context, `${node.name}.conf`, settings(context.state, node));
  await start(context, node, ({ redisServer }) => [redisServer, file]);
}

function settings(state: State, node: Server): string {
  return [
    'bind 127.0.0.1',
    'port 0',
    `tls-port ${node.port}`,
    `tls-cert-file ${JSON.stringify(configFile(state, 'server.pem'))}`,
    `tls-key-file ${JSON.stringify(configFile(state, 'server.key'))}`,
    `tls-ca-cert-file ${JSON.stringify(configFile(state, 'ca.pem'))}`,
    // Clients show a password instead; on the cluster bus certificates are always asked for.
    'tls-auth-clients no',
    'tls-replication yes',
    'tls-cluster yes',
    `requirepass ${state.passwords.redis}`,
    `masterauth ${state.passwords.redis}`,
    'cluster-enabled yes',
    'cluster-config-file nodes.conf',
    'cluster-announce-ip 127.0.0.1',
    `cluster-port ${node.busPort}`,
    'cluster-node-timeout 2000',
    'repl-diskless-sync-delay 0',
    `dir ${JSON.stringify(node.dataDir)}`,
    'appendonly yes',
    'save ""',
    'daemonize no',
    '',
  ].join('\n');
}

async function answers(context: Context, node: Server): Promise<void> {
  await waitFor(
    `Redis node ${node.name} does not answer`,
    () => ask(context, node, ['PING']).then(([answer]) => answer === 'PONG' || undefined, notYet),
    { servers: [node], timeoutMs: healthTimeoutMs, signal: context.signal },
  );
}

async function createCluster(context: Context, nodes: readonly Server[]): Promise<void> {
  const { redisCli, env } = await context.binaries();
  await run(
    [
      ...[redisCli, '--tls', '--cacert', configFile(context.state, 'ca.pem'), '--cluster', 'create'],
      ...nodes.map((node) => `127.0.0.1:${node.port}@${node.busPort}`),
      ...['--cluster-replicas', '1', '--cluster-yes'],
    ],
    {
      account: context.account,
      signal: context.signal,
      cwd: context.state.dirs.data,
      env: { ...env, REDISCLI_AUTH: context.state.passwords.redis },
    },
  );
}

/** Nodes find each other at the addresses they remember; one that moved is shown to all others. */
async function introduce(context: Context, node: Server, nodes: readonly Server[]): Promise<void> {
  for (const other of nodes) {
    if (other === node) continue;
    await ask(context, other, ['CLUSTER', 'MEET', '127.0.0.1', String(node.port), String(node.busPort)]);
  }
}

/** Waits until every node says that all slots are served and that each master has a replica in step. */
export async function healthy(context: Context): Promise<void> {
  const nodes = redisNodes(context);
  await waitFor(
    'the Redis cluster does not become whole',
    async () => {
      const views = await Promise.all(nodes.map((node) => view(context, node).catch(notYet)));
      const masters = views.filter((one) => one?.master).length;
      return (views.every((one) => one?.whole) && masters === nodeCount / 2) || undefined;
    },
    { servers: nodes, timeoutMs: healthTimeoutMs, signal: context.signal },
  );
}

/** A master is whole with one connected replica, a replica with its master's link up; both know who is what. */
async function view(context: Context, node: Server): Promise<{ whole: boolean; master: boolean }> {
  const [info, replication, nodes] = await ask(
    context,
    node,
    ['CLUSTER', 'INFO'],
    ['INFO', 'replication'],
    ['CLUSTER', 'NODES'],
  );
  const lines = `${info}\n${replication}`.split(/\r?\n/);
  const master = lines.includes('role:master');
  const signs = [
    'cluster_state:ok',
    `cluster_slots_ok:${slotCount}`,
    `cluster_known_nodes:${nodeCount}`,
    master ? 'connected_slaves:1' : 'master_link_status:up',
  ];
  const whole = signs.every((sign) => lines.includes(sign)) && liveReplicas(String(nodes)) === nodeCount / 2;
  return { whole, master };
}

/** Counts replicas in the answer of CLUSTER NODES that are not suspected to have failed. */
export function liveReplicas(nodes: string): number {
  return nodes.split('\n').filter((line) => {
    const flags = line.split(' ')[2]?.split(',') ?? [];
    return flags.includes('slave') && !flags.some((flag) => flag.startsWith('fail'));
  }).length;
}

/** Asks one node, in a connection of its own. */
async function ask(context: Context, node: Server, ...commands: string[][]): Promise<unknown[]> {
  const { platform, passwords } = context.state;
  const client = createClient({
    url: `rediss://default:${passwords.redis}@127.0.0.1:${node.port}`,
    socket: {
      tls: true,
      ca: await readFile(platform.redisCa),
      reconnectStrategy: false,
      connectTimeout: 5_000,
      socketTimeout: 5_000,
    },
  });
  // What goes wrong is also what connect() and sendCommand() reject with.
  client.on('error', () => {});
  try {
    await client.connect();
    return await Promise.all(commands.map((command) => client.sendCommand(command)));
  } finally {
    client.destroy();
  }
}

function notYet(): undefined {
  return undefined;
}
