import { availableParallelism } from 'node:os';
import type pg from 'pg';

/** What a server lets its sessions use. Memory in bytes. */
export interface ServerLimits {
  /** Processes that may work at once: `max_parallel_workers`, and no more than the CPUs where they are known. */
  readonly processes: number;
  readonly sharedBuffers: number;
  /** The server's own `maintenance_work_mem`. */
  readonly maintenance: number;
  /** Connections that are still free to ordinary roles. */
  readonly connections: number;
}

/** What each session of a stage gets. */
export interface BuildShare {
  readonly connections: number;
  readonly settings: Readonly<Record<string, string>>;
}

/** Builds of several indexes read one table again and again: beyond these the disk is what they wait for. */
const MOST_CONNECTIONS = 4;
/** PostgreSQL's own default; no session gets less. */
const LEAST_MEMORY = 64 << 20;
/** A build that sorts or gathers this much at a time has little left to merge. */
const MOST_MEMORY = 1 << 30;

/**
 * Divides a server among builds that run side by side. Together they take as many processes as it allows, and as much memory
 * as it has been given for its buffers: by PostgreSQL's advice (runtime-config-resource.html) a quarter of the machine's.
 *
 * @param builds that may run at once
 * @param asked how many connections the user wants at most, even if they are more than the processes
 */
export function shareOf(
  limits: ServerLimits,
  builds: number,
  asked = Math.min(MOST_CONNECTIONS, limits.processes),
): BuildShare {
  const connections = Math.max(1, Math.min(asked, builds, limits.connections));
  const memory = Math.max(limits.maintenance, limits.sharedBuffers) / connections;
  const bytes = Math.min(MOST_MEMORY, Math.max(LEAST_MEMORY, memory));
  return {
    connections,
    settings: {
      maintenance_work_mem: `${Math.floor(bytes / 1024)}kB`,
      // The session itself is one of the processes.
      max_parallel_maintenance_workers: String(Math.max(0, Math.floor(limits.processes / connections) - 1)),
    },
  };
}

/** @param url of the server: one on this machine has this machine's CPUs, of another's nothing is known */
export async function limitsOf(client: pg.Client, url: string): Promise<ServerLimits> {
  const { rows } = await client.query<Record<'workers' | 'buffers' | 'maintenance' | 'free', number>>(
    `select current_setting('max_parallel_workers')::float8 as workers,
       pg_size_bytes(current_setting('shared_buffers'))::float8 as buffers,
       pg_size_bytes(current_setting('maintenance_work_mem'))::float8 as maintenance,
       current_setting('max_connections')::float8 - current_setting('superuser_reserved_connections')::float8
         - (select sum(numbackends) from pg_stat_database) as free`,
  );
  const { workers, buffers, maintenance, free } = rows[0]!;
  const here = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(url).hostname);
  return {
    processes: here ? Math.min(workers, availableParallelism()) : workers,
    sharedBuffers: buffers,
    maintenance,
    connections: free,
  };
}
