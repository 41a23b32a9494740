import { targetError } from '../database.ts';
import { recordedDigest } from '../engine/digest.ts';
import { holdTarget } from '../engine/hold.ts';
import { load as loadTables } from '../engine/load.ts';
import { tableReport } from '../report.ts';
import { earlierSnapshot } from '../sources/snapshot.ts';
import {
  asRole,
  checkBudget,
  connectAs,
  crewOf,
  databaseUrl,
  identityOf,
  openStoreOf,
  paceOf,
  prepareLoading,
  type StepContext,
  withCurrentStore,
} from './context.ts';
import { isCutOver } from './final.ts';
import { loadAlong } from './load-along.ts';

/** Loads the current snapshot; what is there already is not written again. @throws CutoverError `budget` */
export async function load(context: StepContext): Promise<void> {
  const { system, report, batchRows, dryRun, processes, signal, log } = context;
  if (processes && processes.own > 0) return loadAlong(context);
  const guard = await connectAs(context, 'migrator');
  try {
    await asRole(context, 'migrator', (client) =>
      withCurrentStore(context, 'load', async (store, snapshot) => {
        const fence = await holdTarget(guard, 'load', dryRun);
        if (await isCutOver(context, client)) return;
        await prepareLoading(client, system);
        const identity = await identityOf(context, snapshot, await recordedDigest(client));
        const crew = crewOf(context, 'load', snapshot);
        const { tables, reasons, notes } = await loadTables(client, store, system.tables, {
          crew,
          processes: processes?.all,
          pace: paceOf(context),
          identity,
          fence,
          batchRows,
          dryRun,
          again: context.reload,
          signal,
          onBatch: (table, done, of) => log(`${system.name}: ${table} ${done}/${of}`),
          openSnapshot: async (digest) => {
            const earlier = await earlierSnapshot(context.home, system.name, system.source, digest);
            return earlier && openStoreOf(context, earlier, 'load');
          },
          onChanges: (table, read, of) => log(`${system.name}: ${table} ${read} of ${of} looked at again`),
        }).finally(() => crew.end());
        for (const [table, counts] of tables) {
          Object.assign(tableReport(report, table), {
            ...counts,
            reasons: reasons.get(table) ?? {},
            notes: notes.get(table) ?? {},
          });
        }
      }),
    );
  } catch (error) {
    throw targetError(error, databaseUrl(context, 'migrator'));
  } finally {
    await guard.end().catch(() => {});
  }
  checkBudget(context);
}
