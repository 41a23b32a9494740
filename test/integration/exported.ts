import { join } from 'node:path';
import type { Divergence } from '../../jobs/engine/compare.ts';
import type { Platform } from '../../jobs/platform.ts';
import type { SystemReport } from '../../jobs/report.ts';
import { runSteps } from '../../jobs/run.ts';
import { Secrets } from '../../jobs/secrets.ts';
import { exportLegacy } from '../../jobs/steps/export.ts';
import { DivergenceError } from '../../jobs/steps/verify.ts';
import { asAdmin, scratch, systemNamed } from './harness.ts';

export interface Exported {
  readonly report: SystemReport;
  readonly code: number;
  readonly divergences: readonly Divergence[];
  /** Folder with the system's files. */
  readonly folder: string;
}

/** Exports a system into a new folder. */
export async function exported(platform: Platform, home: string, name: string): Promise<Exported> {
  const out = await scratch();
  const secrets = await Secrets.open(home);
  let divergences: readonly Divergence[] = [];
  const step = {
    name: 'export',
    what: '',
    after: [],
    run: (context: Parameters<typeof exportLegacy>[0]) =>
      exportLegacy(context).catch((error) => {
        if (error instanceof DivergenceError) divergences = error.divergences;
        throw error;
      }),
  };
  const { systems } = await runSteps([systemNamed(name)], [step], (system) => ({
    system,
    platform,
    home,
    secrets,
    sources: { folders: [], stores: new Map() },
    batchRows: 10_000,
    threads: 1,
    partRows: 1,
    budget: 0,
    dryRun: false,
    out,
    log: () => {},
  }));
  const report = systems[name]!;
  return { report, code: report.error?.exitCode ?? 0, divergences, folder: join(out, name) };
}

/** Runs statements as the administrator; the triggers that stamp changes stay quiet. */
export const change = (platform: Platform, system: string, sql: string) =>
  asAdmin(platform, systemNamed(system).database, (client) =>
    client.query(`set cutover.loading = 'on'; ${sql}`),
  );

/** Changes the target, exports, and changes it back. */
export async function tampered(
  platform: Platform,
  home: string,
  system: string,
  sql: string,
  undo: string,
): Promise<Exported> {
  await change(platform, system, sql);
  try {
    return await exported(platform, home, system);
  } finally {
    await change(platform, system, undo);
  }
}
