import { spawn } from 'node:child_process';
import { open, readdir, readFile, readlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { CutoverError } from '../../jobs/errors.ts';
import type { Account } from './account.ts';
import { inherited, tail } from './run.ts';

/** A process, told apart from a later one with the same number by the time it was started. */
export interface Pid {
  readonly pid: number;
  /** Clock ticks since boot, field 22 of /proc/PID/stat. */
  readonly startTime: number;
}

/** Clock ticks since boot; undefined when there is no such process, or only its corpse (proc_pid_stat(5)). */
export async function startTimeOf(pid: number): Promise<number | undefined> {
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The second field is the program's name in brackets and may hold anything, even brackets.
  const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return state === 'Z' || state === 'X' ? undefined : Number(fields[18]);
}

export async function isRunning(process: Pid): Promise<boolean> {
  return (await startTimeOf(process.pid)) === process.startTime;
}

/**
 * The server whose working folder this is: PostgreSQL and Redis both stand in their data. Finds what `state.json` does
 * not know, because whoever started it was killed before it could write.
 */
export async function serverIn(folder: string): Promise<Pid | undefined> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const inside = new Set<string>();
  for (const pid of pids) {
    if ((await readlink(`/proc/${pid}/cwd`).catch(() => '')) === folder) inside.add(pid);
  }
  for (const pid of inside) {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
    const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? '';
    const startTime = await startTimeOf(Number(pid));
    // PostgreSQL's workers stand there too; the server is the one whose parent does not.
    if (startTime !== undefined && !inside.has(parent)) return { pid: Number(pid), startTime };
  }
  return undefined;
}

export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string;
  readonly account: Account | undefined;
}

/** Starts a server that outlives us: own session, no shared terminal, its output appended to a file. */
export async function launch({ command, args, cwd, env, logFile, account }: Launch): Promise<Pid> {
  const log = await open(logFile, 'a', 0o600);
  try {
    const child = spawn(command, args, {
      cwd,
      env: { ...inherited(), ...env },
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      ...(account && { uid: account.uid, gid: account.gid }),
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    const pid = child.pid!;
    // A server that died at once has no start time; whoever waits for it finds it gone.
    return { pid, startTime: (await startTimeOf(pid)) ?? 0 };
  } finally {
    await log.close();
  }
}

/**
 * Signals a process and waits until it is gone; does nothing when it is not running any more.
 * @param signals tried in order, each given `patienceMs`
 */
export async function terminate(
  process_: Pid,
  signals: readonly NodeJS.Signals[],
  patienceMs: number,
): Promise<boolean> {
  if (!(await isRunning(process_))) return false;
  for (const signal of signals) {
    process.kill(process_.pid, signal);
    for (const deadline = Date.now() + patienceMs; Date.now() < deadline; await sleep(20)) {
      if (!(await isRunning(process_))) return true;
    }
  }
  throw new CutoverError(
    'internal',
    `process ${process_.pid} does not end`,
    `Look at it, then end it: kill -9 ${process_.pid}`,
  );
}

/**
 * Asks again and again until the answer is not undefined.
 * @throws CutoverError target, with the tail of the server's log, when the server dies or time is up
 */
export async function waitFor<T>(
  what: string,
  probe: () => Promise<T | undefined>,
  options: {
    servers: readonly (Pid & { logFile: string })[];
    timeoutMs: number;
    signal?: AbortSignal | undefined;
  },
): Promise<T> {
  const { servers, timeoutMs, signal } = options;
  for (const deadline = Date.now() + timeoutMs; ; await sleep(50)) {
    signal?.throwIfAborted();
    const answer = await probe();
    if (answer !== undefined) return answer;
    const late = Date.now() > deadline;
    for (const server of servers) {
      if (!late && (await isRunning(server))) continue;
      const log = tail(await readFile(server.logFile, 'utf8').catch(() => ''));
      throw new CutoverError(
        'target',
        `${what}: ${late ? `not after ${timeoutMs / 1000} s` : 'the server ended'}; end of ${server.logFile}:\n${log}`,
        'The log says why. `npm run down -- --purge` followed by `npm start` begins afresh, without the data.',
      );
    }
  }
}
