import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { codeDigest } from '../engine/digest.ts';
import { reasonsOf } from '../engine/ledger.ts';
import { CutoverError } from '../errors.ts';
import { tableReport } from '../report.ts';
import { locateStore } from '../sources/locate.ts';
import { changedSince, currentSnapshot, removeOtherSnapshots } from '../sources/snapshot.ts';
import { storeOf } from '../systems/index.ts';
import { asRole, checkBudget, type StepContext } from './context.ts';

/**
 * Removes what the migration needs no more once the current snapshot is proved: older snapshots, dumps from before older
 * loads. The legacy files are never touched; it says whether they are still what the proof covers.
 *
 * @throws CutoverError `target` while the last verification is no proof of the current snapshot, loaded by this code;
 *   `budget` when more is in quarantine than tolerated
 */
export async function cleanup(context: StepContext): Promise<void> {
  const { home, system, report, dryRun } = context;
  const { manifest } = await currentSnapshot(home, system.name, system.source);
  const { digest } = manifest;
  await requireProof(context, digest);
  const store = await locateStore(storeOf(system), system.source, context.sources);
  const changed = await changedSince(manifest, system.source, store);
  if (!dryRun) {
    const removed = [
      ...(await removeOtherSnapshots(home, manifest)),
      ...(await removeOldDumps(join(home, 'dumps'), system.database, digest)),
    ];
    report.remarks.push(removed.length === 0 ? 'nothing to remove' : `removed ${removed.join(', ')}`);
  }
  const ofDatabase = store.database === undefined ? '' : '; its living database was not looked at again';
  report.remarks.push(
    changed.length === 0
      ? `snapshot ${digest} is proved, and ${store.root} still holds exactly that: ${store.files.length} files may go to the archive after the cut-over${ofDatabase}`
      : `${store.root} has changed since the proof (${changed.slice(0, 3).join(', ')}): load and verify again before anything there is removed`,
  );
}

/** @throws CutoverError `target` while the last verification is no proof of a snapshot, loaded by this code; `budget` */
export async function requireProof(context: StepContext, digest: string): Promise<void> {
  const { system, report } = context;
  const code = await codeDigest(storeOf(system));
  const proved = await asRole(context, 'verifier', async (client) => {
    const { rows: runs } = await client.query<{ id: string | null }>(
      'select max(id) as id from migration.run where system = $1',
      [system.name],
    );
    const reasons = runs[0]!.id === null ? [] : await reasonsOf(client, runs[0]!.id);
    for (const [table, byCode] of reasons) {
      const quarantined = Object.values(byCode).reduce((sum, n) => sum + n, 0);
      Object.assign(tableReport(report, table), { quarantined, reasons: byCode });
    }
    const { rows } = await client.query<{ proved: boolean }>(
      `select snapshot = $2 and code = $3 and differences = 0
         and not exists (select from jsonb_array_elements(checks) as c where not (c ->> 'ok')::boolean) as proved
       from migration.verification where system = $1 order by id desc limit 1`,
      [system.name, digest, code],
    );
    return rows[0]?.proved === true;
  });
  if (!proved) {
    throw new CutoverError(
      'target',
      `${system.name}: the last verification is not a proof of the current snapshot ${digest} by this code`,
      `Nothing was removed. Run: cutover verify --system ${system.name}`,
    );
  }
  checkBudget(context);
}

/** Dumps that were taken before loads of other snapshots. */
async function removeOldDumps(folder: string, database: string, digest: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const old = names.filter(
    (name) =>
      name.startsWith(`${database}-2`) &&
      name.endsWith('.dump') &&
      !name.endsWith(`-before-${digest.slice(0, 12)}.dump`),
  );
  for (const name of old) await rm(join(folder, name));
  return old.map((name) => join(folder, name));
}
