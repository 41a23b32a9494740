import { recordedDigest } from '../engine/digest.ts';
import { holdTarget } from '../engine/hold.ts';
import { findRun, notesOf, progressOf, reasonsOf } from '../engine/ledger.ts';
import { replayTables } from '../engine/replay.ts';
import { CutoverError } from '../errors.ts';
import { tableReport } from '../report.ts';
import {
  asRole,
  checkBudget,
  connectAs,
  identityOf,
  prepareLoading,
  type StepContext,
  withCurrentStore,
} from './context.ts';

/**
 * Tries the quarantined records of the current snapshot again, after the cause was removed in the target. A changed
 * contract needs no replay: it is other code, so the next load goes through all records.
 */
export async function replay(context: StepContext): Promise<void> {
  const { system, report, dryRun } = context;
  const guard = await connectAs(context, 'migrator');
  try {
    await asRole(context, 'migrator', (client) =>
      withCurrentStore(context, 'load', async (store, snapshot) => {
        const fence = await holdTarget(guard, 'replay', dryRun);
        await prepareLoading(client, system);
        const run = await findRun(client, await identityOf(context, snapshot, await recordedDigest(client)));
        if (!run) {
          throw new CutoverError(
            'target',
            `${system.name}: the current snapshot was not loaded by this code into this schema`,
            `Run: cutover load --system ${system.name}`,
          );
        }
        if (dryRun) await client.query('begin');
        const replayed = await replayTables(client, store, system.tables, { run, fence, dryRun });
        const stored = [...replayed.values()].reduce(
          (sum, of) => sum + of.inserted + of.updated + of.unchanged,
          0,
        );
        report.remarks.push(`${stored} records left quarantine`);
        const progress = await progressOf(client, run.id);
        const reasons = await reasonsOf(client, run.id);
        const notes = await notesOf(client, run.id);
        if (dryRun) await client.query('rollback');
        for (const { table } of system.tables) {
          const done = progress.get(table);
          if (!done) continue;
          const { read, inserted, updated, unchanged, merged, quarantined } = done;
          Object.assign(tableReport(report, table), {
            source: read,
            read,
            inserted,
            updated,
            unchanged,
            merged,
            quarantined,
            reasons: reasons.get(table) ?? {},
            notes: notes.get(table) ?? {},
          });
        }
      }),
    );
  } finally {
    await guard.end().catch(() => {});
  }
  checkBudget(context);
}
