import type pg from 'pg';
import { ident } from '../database.ts';
import type { SystemMapping } from '../engine/mapping.ts';
import { asRole, type StepContext } from './context.ts';

/** Refreshes the planner's statistics of the system's tables. */
export async function analyze(context: StepContext): Promise<void> {
  const { system, report, dryRun } = context;
  if (dryRun) return;
  await asRole(context, 'owner', (client) => analyzeTables(client, system));
  report.remarks.push(`statistics of ${system.tables.length} tables are new`);
}

export async function analyzeTables(client: pg.Client, system: SystemMapping): Promise<void> {
  for (const { table } of system.tables) await client.query(`analyze public.${ident(table)}`);
}

/**
 * The same of tables that were just loaded; their pages are noted as visible to all besides, without which an index alone
 * answers nothing (storage-vm.html). Autovacuum would come to it later.
 */
export async function vacuumTables(client: pg.Client, system: SystemMapping): Promise<void> {
  for (const { table } of system.tables) await client.query(`vacuum (analyze) public.${ident(table)}`);
}
