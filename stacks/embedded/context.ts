import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Account } from './account.ts';
import type { Binaries } from './binaries.ts';
import type { State } from './state.ts';

/** What one call of `up` carries from step to step. */
export interface Context {
  readonly state: State;
  /** Writes the state; calls are queued. */
  readonly save: () => Promise<void>;
  /** Looked for, and fetched, when the first server has to be started. */
  readonly binaries: () => Promise<Binaries>;
  /** Runs the servers when we are root; undefined: we do. */
  readonly account: Account | undefined;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal | undefined;
}

/** Path of a settings file, certificate or key. The folder is ours, so that the servers' account can plant nothing in it. */
export function configFile({ dirs }: State, name: string): string {
  return join(dirs.data, 'conf', name);
}

/** Writes a file there that the servers' account alone may read. @returns its path */
export async function writeConfig(
  { state, account }: Pick<Context, 'state' | 'account'>,
  name: string,
  content: string,
): Promise<string> {
  const file = configFile(state, name);
  await writeFile(file, content, { mode: 0o600 });
  await give(account, file);
  return file;
}

/** Makes a file or folder the property of the servers' account. */
export async function give(account: Account | undefined, path: string): Promise<void> {
  if (account) await chown(path, account.uid, account.gid);
}
