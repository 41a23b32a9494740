import { libpqVariables } from '../jobs/database.ts';
import { CutoverError } from '../jobs/errors.ts';
import type { Platform } from '../jobs/platform.ts';
import type { Run } from './case.ts';
import { runChild } from './child.ts';
import { findProgram } from './programs.ts';

export const COPY_FORMATS = ['binary', 'text', 'csv'] as const;
export type CopyFormat = (typeof COPY_FORMATS)[number];

/** `psql`: the one of the server's own version where it is known, else that on PATH. */
export function findPsql({ clientTools }: Platform): Promise<string | undefined> {
  return findProgram('psql', clientTools);
}

/** What is missing for `psql`, for a peer. */
export async function psqlMissing(platform: Platform): Promise<string | undefined> {
  return (await findPsql(platform)) ? undefined : 'psql (Debian: postgresql-client)';
}

/** Writes what a query answers into a file, in the form in which `copyIn` takes it. */
export async function copyOut(
  platform: Platform,
  url: string,
  query: string,
  file: string,
  format: CopyFormat,
): Promise<void> {
  await copy(platform, url, `\\copy (${query}) to ${quoted(file)} (format ${format})`);
}

/** Copies a ready file into a table, and takes the time of the COPY alone, as psql itself tells it. */
export function copyIn(
  platform: Platform,
  url: string,
  table: string,
  file: string,
  format: CopyFormat,
): Promise<Run> {
  return copy(platform, url, `\\copy ${table} from ${quoted(file)} (format ${format})`);
}

async function copy(platform: Platform, url: string, command: string): Promise<Run> {
  const psql = await findPsql(platform);
  if (psql === undefined)
    throw new CutoverError('prerequisite', 'psql is missing', 'Debian: postgresql-client');
  const args = ['--no-psqlrc', '--set=ON_ERROR_STOP=1'];
  // A command of psql is one line.
  const input = `\\timing on\n${command.replaceAll('\n', ' ')}\n`;
  const { rss, stdout } = await runChild(psql, args, {
    env: { ...libpqVariables(url), PGAPPNAME: 'cutover bench', LC_ALL: 'C' },
    input,
  });
  return { seconds: timeIn(stdout), rss };
}

/** Seconds of the last `Time: 2610.123 ms (00:02.610)`. */
export function timeIn(stdout: string): number {
  const times = [...stdout.matchAll(/^Time: ([\d.]+) ms/gm)];
  if (times.length === 0) throw new CutoverError('internal', `psql told no time: ${stdout.slice(-200)}`);
  return Number(times.at(-1)![1]) / 1000;
}

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
