import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * What the file system said of a snapshot's files when their hashes were checked. A file of which it says the same again
 * has not been written since: no program can set the time of a file's last change of status (ctime), which every write
 * and every change of the other times sets.
 */
const SEAL = 'seal.json';

/** A file that changed so recently could change again within the same tick of the file system's clock. */
const SETTLED_MS = 1000;

type Seal = Readonly<Record<string, string>>;

/** Those of the files that are as they were when they were sealed. @param paths within the snapshot's folder */
export async function unchangedSince(folder: string, paths: readonly string[]): Promise<ReadonlySet<string>> {
  const seal = await readSeal(folder);
  const unchanged = new Set<string>();
  for (const path of paths) {
    if (seal[path] !== undefined && seal[path] === (await statusOf(join(folder, path)))) unchanged.add(path);
  }
  return unchanged;
}

/** Seals files whose content has just been found right. */
export async function seal(folder: string, paths: readonly string[]): Promise<void> {
  const found: Record<string, string> = {};
  for (const path of paths) {
    const status = await statusOf(join(folder, path), SETTLED_MS);
    if (status !== undefined) found[path] = status;
  }
  // Without one, every file is hashed again: a folder that can't be written to is no error.
  await writeFile(join(folder, SEAL), JSON.stringify(found), { mode: 0o600 }).catch(() => {});
}

async function readSeal(folder: string): Promise<Seal> {
  try {
    return (JSON.parse(await readFile(join(folder, SEAL), 'utf8')) as Seal | null) ?? {};
  } catch {
    return {};
  }
}

/** @param age undefined is answered for a file that changed less than so many milliseconds ago */
async function statusOf(path: string, age = 0): Promise<string | undefined> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    if (Date.now() - Number(ctimeNs / 1_000_000n) < age) return undefined;
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
  } catch {
    return undefined;
  }
}
