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
  const mine = `${file}.${randomUUID()}`;
  await writeFile(mine, JSON.stringify({ pid: process.pid, startTime: await startTimeOf(process.pid) }));
  try {
    const deadline = Date.now() + patienceMs;
    for (let told = false; !(await claim(file, mine)); await sleep(100)) {
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
  } finally {
    await rm(mine, { force: true });
  }
}

/** link(2) makes the file appear whole and fails when it is there: one winner, no half-written holder. */
async function claim(file: string, mine: string): Promise<boolean> {
  if (await linked(mine, file)) return true;
  const other = await holder(file);
  if (other === undefined || (await isRunning(other))) return false;
  // The dead holder's file is moved away under our name; should a rival have been faster, its lock goes back.
  const taken = `${mine}.stale`;
  try {
    await rename(file, taken);
  } catch {
    return false;
  }
  const moved = await holder(taken);
  if (moved && (await isRunning(moved))) await linked(taken, file);
  await rm(taken, { force: true });
  return linked(mine, file);
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
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
