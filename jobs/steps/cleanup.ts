import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CutoverError } from '../errors.ts';
import { locateStore } from '../sources/locate.ts';
import { changedSince, currentSnapshot, removeOtherSnapshots } from '../sources/snapshot.ts';
import { storeOf } from '../systems/index.ts';
import { asRole, type StepContext } from './context.ts';

/**
 * Removes what the migration needs no more once the current snapshot is proved: older snapshots, dumps from before older
 * loads, scratch files. The legacy files are never touched; it says which of them the proof covers.
 *
 * @throws CutoverError `target` while the last verification of the current snapshot is not without differences
 */
export async function cleanup(context: StepContext): Promise<void> {
  const { home, system, report, dryRun } = context;
  const snapshot = await currentSnapshot(home, system.name, system.source);
  const { digest } = snapshot.manifest;
  await requireProof(context, digest);
  const removed: string[] = [];
  if (!dryRun) {
    removed.push(...(await removeOtherSnapshots(home, snapshot.manifest)));
    removed.push(...(await removeOldDumps(join(home, 'dumps'), system.database, digest)));
  }
  report.remarks.push(removed.length === 0 ? 'nothing to remove' : `removed ${removed.join(', ')}`);
  const store = await locateStore(storeOf(system), system.source, context.sources);
  const changed = await changedSince(snapshot.manifest, store);
  report.remarks.push(
    changed.length === 0
      ? `snapshot ${digest} is proved and ${store.root} still holds exactly that: ${store.files.length} files may go to the archive after the cut-over`
      : `${store.root} has changed since the proof (${changed.slice(0, 3).join(', ')}): load and verify again before anything there is removed`,
  );
}

async function requireProof(context: StepContext, digest: string): Promise<void> {
  const { system } = context;
  const proved = await asRole(context, 'verifier', async (client) => {
    const { rows } = await client.query<{ proved: boolean }>(
      `select snapshot = $2 and differences = 0
         and not exists (select from jsonb_array_elements(checks) as c where not (c ->> 'ok')::boolean) as proved
       from migration.verification where system = $1 order by id desc limit 1`,
      [system.name, digest],
    );
    return rows[0]?.proved === true;
  });
  if (proved) return;
  throw new CutoverError(
    'target',
    `${system.name}: the last verification is not a proof of the current snapshot ${digest}`,
    `Nothing was removed. Run: cutover verify --system ${system.name}`,
  );
}

/** Dumps that were taken before loads of other snapshots. */
async function removeOldDumps(folder: string, database: string, digest: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const old = names.filter(
    (name) => name.startsWith(`${database}-2`) && !name.endsWith(`-before-${digest.slice(0, 12)}.dump`),
  );
  for (const name of old) await rm(join(folder, name));
  return old.map((name) => join(folder, name));
}
