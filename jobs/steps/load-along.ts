import { recordedDigest } from '../engine/digest.ts';
import { follow, Patience } from '../engine/follow.ts';
import { addCounts, hasLedger } from '../engine/ledger.ts';
import { tableReport } from '../report.ts';
import { currentSnapshot } from '../sources/snapshot.ts';
import {
  asRole,
  crewOf,
  identityOf,
  openStoreOf,
  paceOf,
  prepareLoading,
  type StepContext,
} from './context.ts';
import { isCutOver } from './final.ts';

/**
 * What every process but the first does of a load: takes parts of large tables as long as that one leads. It writes
 * nothing into the home, and its report has what it did itself.
 */
export async function loadAlong(context: StepContext): Promise<void> {
  const { system, home, report, batchRows, reload, signal, log } = context;
  const { own, all, patienceMs } = context.processes!;
  const snapshot = await currentSnapshot(home, system.name, system.source, 'seal', 'read');
  // Nothing else is cut for several processes; and the scratch folder of a store of files is the leader's.
  const store = system.source.kind === 'sqlite' ? await openStoreOf(context, snapshot, 'load') : undefined;
  const crew = crewOf(context, 'load', snapshot);
  try {
    await asRole(context, 'migrator', async (client) => {
      await prepareLoading(client, system);
      const patience = new Patience(client, patienceMs);
      while (!(await hasLedger(client))) {
        await patience.look();
        await patience.wait(signal);
      }
      if (await isCutOver(context, client)) return;
      await follow(client, store, system.tables, {
        // Until the load has begun, there may be another schema to come.
        identity: async () => identityOf(context, snapshot, await recordedDigest(client)),
        batchRows,
        again: reload,
        crew,
        pace: paceOf(context),
        patience,
        signal,
        onBatch(table, source, written) {
          const counts = Object.assign(tableReport(report, table), { source });
          addCounts(counts, written);
          log(`${system.name}: ${table} ${counts.read}/${source}`);
        },
      });
      report.remarks.push(
        `process ${own} of ${all}: only what it did itself is counted; process 0 counts all`,
      );
    });
  } finally {
    await crew.end();
    await store?.close();
  }
}
