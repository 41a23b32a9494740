import { spawn } from 'node:child_process';
import { $, type ProcessOutput } from 'zx';
import { CutoverError } from '../../jobs/errors.ts';
import type { Account } from './account.ts';

export interface RunOptions {
  /** Run under this login instead of our own (root only). */
  readonly account?: Account | undefined;
  /** A folder that the account can enter: programs of PostgreSQL refuse to start elsewhere. */
  readonly cwd: string;
  /** Added to PATH, LANG and the proxy settings, which is all a program inherits. */
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
  /** false: a non-zero exit is an answer, not an error. */
  readonly check?: boolean;
}

/**
 * Runs one program to its end, without a terminal; an abort ends it with everything it has started.
 * @throws CutoverError prerequisite with the tail of its stderr; what `signal` was aborted with
 */
export async function run(command: readonly string[], options: RunOptions): Promise<ProcessOutput> {
  const { account, cwd, env, signal, check = true } = options;
  signal?.throwIfAborted();
  const running = $({
    quiet: true,
    nothrow: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd,
    env: { ...inherited(), ...env },
    // A process group of its own, which one signal reaches whole.
    detached: true,
    spawn: ((file: string, args: string[], rest: object) =>
      spawn(file, args, { ...rest, ...(account && { uid: account.uid, gid: account.gid }) })) as typeof spawn,
  })`${command}`;
  const end = () => {
    if (running.pid) process.kill(-running.pid, 'SIGTERM');
  };
  signal?.addEventListener('abort', end, { once: true });
  const output = await running;
  signal?.removeEventListener('abort', end);
  signal?.throwIfAborted();
  if (check && output.exitCode !== 0) {
    const reason = tail(output.stderr || output.stdout) || output.message;
    throw new CutoverError(
      'prerequisite',
      `${command[0]} ended with ${output.exitCode ?? output.signal}: ${withoutLogins(reason)}`,
    );
  }
  return output;
}

/** The little of our environment that servers and package tools need; no other variable reaches them. */
export function inherited(): NodeJS.ProcessEnv {
  const names = Object.keys(process.env).filter(
    (name) => name === 'PATH' || /^(https?|ftp|no)_proxy$/i.test(name),
  );
  return { ...Object.fromEntries(names.map((name) => [name, process.env[name]])), LANG: 'C', LC_ALL: 'C' };
}

/** The end of a program's output, where the reason is. */
export function tail(text: string, lines = 8): string {
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}

/** A mirror's or proxy's address may carry a login, which no message shows. */
export function withoutLogins(text: string): string {
  return text.replace(/\/\/[^/@\s]+@/g, '//');
}
