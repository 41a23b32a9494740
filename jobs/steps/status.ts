import { tableReport } from '../report.ts';
import { asRole, type StepContext } from './context.ts';

/** What the ledger of the target says: how far each table is, what is in quarantine, what was proved last. */
export async function status(context: StepContext): Promise<void> {
  const { report, system } = context;
  await asRole(context, 'verifier', async (client) => {
    const { rows: known } = await client.query<{ ledger: string | null }>(
      `select to_regclass('migration.run') as ledger`,
    );
    if (!known[0]!.ledger) {
      report.remarks.push('nothing was loaded yet');
      return;
    }
    const { rows } = await client.query<Record<string, string> & { complete: boolean; started_at: Date }>(
      `select * from migration.progress where run_id = (select max(id) from migration.run where system = $1) order by table_name`,
      [system.name],
    );
    for (const row of rows) {
      const table = tableReport(report, row.table_name!);
      for (const name of ['read', 'inserted', 'updated', 'unchanged', 'merged', 'quarantined'] as const) {
        table[name] = Number(row[name]);
      }
      table.source = table.read;
      if (!row.complete) report.remarks.push(`${row.table_name} is not complete: ${row.read} records so far`);
    }
    const { rows: target } = await client.query<{
      holder: string | null;
      held_since: Date | null;
      fence: string;
    }>('select holder, held_since, fence from migration.target');
    if (target[0]?.holder) {
      report.remarks.push(
        `last writer: ${target[0].holder} since ${target[0].held_since?.toISOString()}, fence ${target[0].fence}`,
      );
    }
    const { rows: proofs } = await client.query<{
      finished_at: Date;
      differences: string;
      failed: string;
      snapshot: string;
    }>(
      `select finished_at, differences, snapshot,
         (select count(*) from jsonb_array_elements(checks) as c where not (c ->> 'ok')::boolean) as failed
       from migration.verification order by id desc limit 1`,
    );
    report.remarks.push(
      proofs[0]
        ? `verified ${proofs[0].finished_at.toISOString()}: ${proofs[0].differences} differences, ${proofs[0].failed} failed checks, snapshot ${proofs[0].snapshot}`
        : 'never verified',
    );
  });
}
