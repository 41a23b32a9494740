import { recordCutOver } from '../engine/cut-over.ts';
import { CutoverError } from '../errors.ts';
import { locateStore } from '../sources/locate.ts';
import { changedSince, currentSnapshot } from '../sources/snapshot.ts';
import { storeOf } from '../systems/index.ts';
import { requireProof } from './cleanup.ts';
import { asRole, type StepContext } from './context.ts';
import { isCutOver } from './final.ts';

/**
 * The end of a final sync: the snapshot is proved, and the living store still is what the snapshot holds. Then the ledger
 * says that the database was cut over, and no load touches it again unasked.
 *
 * @throws CutoverError `differences` when the store was written to since its snapshot; `target` without a proof of it
 */
export async function recheck(context: StepContext): Promise<void> {
  const { home, system, report, final, dryRun } = context;
  if (final === undefined)
    throw new CutoverError('usage', 'recheck ends a final sync', 'Say which: --final GENERATION.');
  if (await asRole(context, 'verifier', (client) => isCutOver(context, client))) return;
  const { manifest } = await currentSnapshot(home, system.name, system.source);
  await requireProof(context, manifest.digest);
  const store = await locateStore(storeOf(system), system.source, context.sources);
  const changed = await changedSince(manifest, system.source, store);
  if (changed.length > 0) {
    const more = changed.length > 3 ? ` and ${changed.length - 3} more` : '';
    throw new CutoverError(
      'differences',
      `${system.name}: ${store.root} was written to after its last snapshot: ${changed.slice(0, 3).join(', ')}${more}`,
      'Stop what writes there, then sync again: in a stack, with a greater sourceGeneration.',
    );
  }
  if (dryRun) return;
  await asRole(context, 'verifier', (client) =>
    recordCutOver(client, system.name, { generation: final, snapshot: manifest.digest }),
  );
  report.remarks.push(`${store.root} is what was proved; cut over with generation ${final}`);
}
