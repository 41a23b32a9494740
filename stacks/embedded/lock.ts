import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { CutoverError } from '../../jobs/errors.ts';
import { isRunning, startTimeOf } from './process.ts';

/** Longest wait for another process: more than the first start on a slow network takes. */
const patienceMs = 300_000;

/**
 * Holds a lock file while `work` runs; a second process waits for its turn. The file names its holder, so the lock of a
 * process that died is taken over.
 * @throws CutoverError held after five minutes
 */
export async function withLock<T>(
  file: string,
  { log, signal }: { log?: (line: string) => void; signal?: AbortSignal | undefined },
  work: () => Promise<T>,
): Promise<T> {
  const deadline = Date.now() + patienceMs;
  for (let told = false; !(await claim(file)); await sleep(100)) {
    signal?.throwIfAborted();
    const pid = (await holder(file))?.pid;
    if (!told && pid) log?.(`waiting for process ${pid}, which holds ${file}`);
    told ||= pid !== undefined;
    if (Date.now() > deadline) {
      throw new CutoverError(
        'held',
        `${file} is held by process ${pid}`,
        'Wait until that process has ended, or end it.',
      );
    }
  }
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

/** link(2) makes the file appear whole and fails when it is there: one winner, no half-written holder. */
async function claim(file: string): Promise<boolean> {
  const mine = `${file}.${randomUUID()}`;
  const taken = `${mine}.stale`;
  const startTime = await startTimeOf(process.pid);
  try {
    await writeFile(mine, JSON.stringify({ pid: process.pid, startTime }));
    if (await linked(mine, file)) return true;
    const other = await holder(file);
    if (other === undefined || (await isRunning(other))) return false;
    // The dead holder's file is moved away under our name; should a rival have been faster, its lock goes back.
    if (!(await renamed(file, taken))) return false;
    const moved = await holder(taken);
    if (moved && (await isRunning(moved))) await linked(taken, file);
    return await linked(mine, file);
  } finally {
    for (const name of [mine, taken]) await rm(name, { force: true });
  }
}

function linked(from: string, to: string): Promise<boolean> {
  return unless('EEXIST', link(from, to));
}

/** false: a rival has moved the file away first. */
function renamed(from: string, to: string): Promise<boolean> {
  return unless('ENOENT', rename(from, to));
}

async function unless(code: string, work: Promise<void>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === code) return false;
    throw error;
  }
}

async function holder(file: string): Promise<{ pid: number; startTime: number } | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch {
    return undefined;
  }
}
