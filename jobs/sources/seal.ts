import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';

/**
 * SHA-256 of what the file system said of a snapshot's files when their hashes were checked. Files of which it says the same
 * again have not been written since: no program can set the time of a file's last change of status (ctime), which every
 * write and every change of the other times sets.
 */
const SEAL = 'seal';

/** A file that changed so recently could change again within the same tick of the file system's clock. */
const SETTLED_MS = 1000;

/** Files that are looked at before somebody else gets a turn. */
const AT_ONCE = 256;

/** Whether all files are as they were when they were sealed. @param paths within the snapshot's folder */
export async function isSealed(folder: string, paths: Iterable<string>): Promise<boolean> {
  const known = await readFile(join(folder, SEAL), 'utf8').catch(() => undefined);
  return known !== undefined && known === (await statusOf(folder, paths));
}

/** Seals files whose content has just been found right, unless one of them has changed only just now. */
export async function seal(folder: string, paths: Iterable<string>): Promise<void> {
  const file = join(folder, SEAL);
  const status = await statusOf(folder, paths, SETTLED_MS);
  const done = status === undefined ? rm(file, { force: true }) : writeFile(file, status, { mode: 0o600 });
  // Without one, the files are hashed again: a folder that can't be written to is no error.
  await done.catch(() => {});
}

/**
 * Without promises a file, as there may be a hundred thousand.
 * @param age undefined is answered where a file changed less than so many milliseconds ago
 */
async function statusOf(folder: string, paths: Iterable<string>, age = 0): Promise<string | undefined> {
  const sum = createHash('sha256');
  let n = 0;
  try {
    for (const path of paths) {
      const { dev, ino, size, mtimeNs, ctimeNs } = statSync(join(folder, path), { bigint: true });
      if (Date.now() - Number(ctimeNs / 1_000_000n) < age) return undefined;
      sum.update(`${path}\0${[dev, ino, size, mtimeNs, ctimeNs].join(' ')}\n`);
      if (++n % AT_ONCE === 0) await setImmediate();
    }
  } catch {
    // Whoever hashes the files says which of them can't be read.
    return undefined;
  }
  return sum.digest('hex');
}
