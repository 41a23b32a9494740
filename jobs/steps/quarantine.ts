import type { QuarantineEntry } from '../report.ts';
import { asRole, type StepContext } from './context.ts';

/** So many entries are listed; the ledger has all. */
const LISTED = 1000;

/** Lists what the last load set aside, and why; the records themselves stay in the ledger, which the applications can't read. */
export async function quarantine(context: StepContext): Promise<void> {
  const { report, system } = context;
  await asRole(context, 'verifier', async (client) => {
    const { rows } = await client.query<QuarantineEntry & { total: string }>(
      `select 'public.' || table_name as table, locator, code, field, detail, count(*) over () as total
       from migration.quarantine
       where run_id = (select max(id) from migration.run where system = $1) and replayed_at is null
       order by table_name, locator collate "C" limit $2`,
      [system.name, LISTED],
    );
    report.quarantine = rows.map(({ total: _, ...entry }) => entry);
    const total = Number(rows[0]?.total ?? 0);
    if (total > LISTED) {
      report.remarks.push(`${total - LISTED} more in migration.quarantine of database ${system.database}`);
    }
  });
}
