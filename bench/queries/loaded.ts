import { existsSync } from 'node:fs';
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'libsql';
import { connect, urlFor } from '../../jobs/database.ts';
import type { SqliteLayout, SystemMapping } from '../../jobs/engine/mapping.ts';
import { PLAN } from '../../jobs/plan.ts';
import { runSteps } from '../../jobs/run.ts';
import { writeSample } from '../../jobs/sample/index.ts';
import { Secrets } from '../../jobs/secrets.ts';
import type { Bench } from '../case.ts';
import { stepDefaults } from '../step-defaults.ts';
import type { Stores } from './peers.ts';

/**
 * A seeded sample of a system, as legacy file and as the plan leaves it in the target.
 * @param rows ordinary rows of the tables that queries go to
 */
export async function loadedStores(
  bench: Bench,
  system: SystemMapping,
  rows: Readonly<Record<string, number>>,
): Promise<Stores> {
  const folder = join(bench.folder, `queries-${system.name}-${Object.values(rows).join('-')}`);
  const out = join(folder, 'sample');
  await mkdir(folder, { recursive: true });
  // Written last.
  if (!existsSync(join(out, 'sample.json'))) {
    bench.log(`making the sample of ${system.name} in ${out}`);
    await writeSample({ out, seed: 1, rows, systems: [system.name] });
  }
  bench.log(`loading ${system.name}`);
  const home = join(folder, 'home');
  await mkdir(home, { recursive: true });
  const secrets = await Secrets.open(home);
  const steps = PLAN.filter(({ name }) => !['inspect', 'verify'].includes(name));
  const report = await runSteps([system], steps, () => ({
    ...stepDefaults,
    system,
    platform: bench.platform,
    home,
    secrets,
    sources: { folders: [out], stores: new Map() },
  }));
  const { error } = report.systems[system.name]!;
  if (error) throw new Error(error.message);
  const { file } = system.source as SqliteLayout;
  const copy = join(folder, file);
  await copyFile(join(out, system.name, file), copy);
  const sqlite = new Database(copy);
  sqlite.exec('pragma foreign_keys = off');
  const postgres = await connect(urlFor(bench.platform[system.server], system.database), 'bench');
  await postgres.query("set timezone = 'UTC'");
  return { sqlite, postgres };
}
