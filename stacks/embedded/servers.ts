import type { Binaries } from './binaries.ts';
import type { Context } from './context.ts';
import { isRunning, launch, serverIn, terminate } from './process.ts';
import type { Server } from './state.ts';

/** Starts a server unless it runs, and writes down its process at once: nobody else could tell whose it is. */
export async function start(
  context: Context,
  server: Server,
  command: (binaries: Binaries) => readonly [string, ...string[]],
): Promise<void> {
  if (await isRunning(server)) return;
  const binaries = await context.binaries();
  // A dump needs a pg_dump of the server's own version.
  context.state.platform.clientTools = binaries.postgres;
  const [program, ...args] = command(binaries);
  context.signal?.throwIfAborted();
  const { dataDir: cwd, logFile } = server;
  const { env } = binaries;
  Object.assign(
    server,
    await launch({ command: program, args, cwd, env, logFile, account: context.account }),
  );
  await context.save();
}

/** Takes over a server that stands in the data folder although the state does not know it. */
export async function adopt(server: Server): Promise<void> {
  if (!(await isRunning(server))) Object.assign(server, await serverIn(server.dataDir));
}

/**
 * Stops a server gently if it runs, and says whether it did. SIGINT is PostgreSQL's "fast" shutdown: clients are cut
 * off, everything is flushed; on SIGTERM a Redis node flushes too and lets its replicas catch up.
 */
export function stop(server: Server): Promise<boolean> {
  // The second signal, if it takes that long, costs a recovery at the next start.
  return server.kind === 'postgres'
    ? terminate(server, ['SIGINT', 'SIGQUIT'], 120_000)
    : terminate(server, ['SIGTERM', 'SIGKILL'], 30_000);
}

/** Stops several servers, replicas before the primary so that they get all of its log; answers the names of those that ran. */
export async function stopAll(servers: readonly Server[]): Promise<string[]> {
  const stopped: string[] = [];
  const stopOne = async (server: Server) => {
    if (await stop(server)) stopped.push(server.name);
  };
  const primary = servers.filter(({ name }) => name === 'primary');
  await Promise.all(servers.filter((server) => !primary.includes(server)).map(stopOne));
  await Promise.all(primary.map(stopOne));
  return stopped;
}
