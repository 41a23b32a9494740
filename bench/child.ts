import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { CutoverError } from '../jobs/errors.ts';

/** How a child process went. */
export interface Ended {
  /** From its start to its end. */
  readonly seconds: number;
  /** Peak resident set in bytes; undefined for one that ended before anybody could look. */
  readonly rss?: number | undefined;
  readonly stdout: string;
}

export interface ChildOptions {
  /** Added to our own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Given on stdin. */
  readonly input?: string;
}

/** The kernel forgets a process's peak with the process, so it is asked for all the while; a peak only grows. */
const LOOK_MS = 20;

/**
 * Runs a program to its end. SIGINT and SIGTERM to this process end it too.
 * @throws CutoverError `internal` with the end of its stderr when it fails
 */
export async function runChild(
  program: string,
  args: readonly string[],
  { env, input = '' }: ChildOptions = {},
): Promise<Ended> {
  const begun = performance.now();
  const child = spawn(program, args, { env: { ...process.env, ...env } });
  const end = () => child.kill('SIGTERM');
  for (const name of SIGNALS) process.on(name, end);
  let rss: number | undefined;
  const looking = setInterval(() => {
    rss = peakOf(child.pid) ?? rss;
  }, LOOK_MS);
  try {
    const closed = new Promise<number | null>((settle, fail) => {
      child.once('error', fail);
      child.once('close', settle);
    });
    // One that ends early does not read it all.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    const [code, stdout, stderr] = await Promise.all([closed, text(child.stdout), text(child.stderr)]);
    const seconds = (performance.now() - begun) / 1000;
    if (code === 0) return { seconds, rss, stdout };
    const reason = (stderr.trim() || stdout.trim()).split('\n').slice(-8).join('\n');
    throw new CutoverError('internal', `${program} ended with ${code ?? child.signalCode}: ${reason}`);
  } finally {
    clearInterval(looking);
    for (const name of SIGNALS) process.off(name, end);
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** VmHWM of proc_pid_status(5): the greatest resident set so far, in bytes. */
function peakOf(pid: number | undefined): number | undefined {
  try {
    const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    return peak === undefined ? undefined : Number(peak) * 1024;
  } catch {
    return undefined;
  }
}
