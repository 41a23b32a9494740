import type { Divergence } from '../../jobs/engine/compare.ts';
import type { Platform } from '../../jobs/platform.ts';
import type { SystemReport } from '../../jobs/report.ts';
import { asAdmin, run, systemNamed } from './harness.ts';

/** What the test data's bad records need of a budget, in either system. */
export const BUDGET = 11;

export interface Proof {
  readonly report: SystemReport;
  /** Exit code of the verification. */
  readonly code: number;
  /** What the ledger says of it. */
  readonly divergences: readonly Divergence[];
  /** Names of the checks that failed, as `check of table`. */
  readonly failed: readonly string[];
}

/** Runs `verify` and reads what it left in the ledger. */
export async function prove(platform: Platform, home: string, system: string): Promise<Proof> {
  const report = await run(platform, home, { system, steps: ['verify'], budget: BUDGET });
  const divergences = await asAdmin(platform, systemNamed(system).database, (client) =>
    client.query<Divergence>(
      `select table_name as table, key, field, source, target, kind from migration.divergence
       where verification_id = (select max(id) from migration.verification) order by n`,
    ),
  );
  return {
    report,
    code: report.error?.exitCode ?? 0,
    divergences: divergences.rows,
    failed: report.checks.filter((check) => !check.ok).map((check) => `${check.name} of ${check.table}`),
  };
}
