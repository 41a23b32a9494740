import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { PLANTED_SECRET } from '../../jobs/sample/secret.ts';
import { SYSTEMS } from '../../jobs/systems/index.ts';
import { asAdmin, cutover, dropSystems, LEGACY, run, scratch } from './harness.ts';

/** Files below a folder that hold the secret, in whatever form, by their names in it. */
function holders(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).includes(PLANTED_SECRET))
    .map((path) => path.slice(folder.length + 1).replace(/[0-9a-f]{64}/, 'DIGEST'))
    .sort();
}

/** Where the sample has secrets: within records, and in files of their own. */
const PLANTED = [
  'harca/.env',
  'harca/temp/data_20250318_130857.json',
  'harca/temp/restore_credentials.sh',
  'lightning-talk/server/data/talks.json',
  'lightning-talk/server/data/users.json',
  // Never opened, so not even a copy of them is anywhere.
  'voice-roleplay/config/email_config.json',
  'voice-roleplay/config/notification_config.json',
  'voice-roleplay/data/ab_tests/planted_0.json',
  'voice-roleplay/data/usage_limits.json',
];

describe('secrets of the legacy systems', () => {
  const platform = inject('platform');
  const { quarantined } = JSON.parse(readFileSync(join(LEGACY, 'sample.json'), 'utf8')) as {
    quarantined: Record<string, number>;
  };
  const budgets = Object.entries(quarantined).flatMap(([name, n]) => ['--quarantine-budget', `${name}=${n}`]);
  let home: string;

  beforeAll(async () => {
    home = await scratch();
    await dropSystems(platform);
    for (const { name } of SYSTEMS) {
      const { error } = await run(platform, home, { system: name, budget: quarantined[name] });
      expect([name, error]).toEqual([name, undefined]);
    }
  });

  it('are in the sample at all', () => {
    expect(holders(LEGACY)).toEqual(PLANTED);
  });

  it.each(SYSTEMS.map((system) => [system.name, system] as const))(
    'are in no table of %s, the ledger included',
    async (_, system) => {
      await asAdmin(platform, system.database, async (client) => {
        const { rows } = await client.query<{ name: string }>(
          `select oid::regclass::text as name from pg_class
           where relnamespace in ('public'::regnamespace, 'migration'::regnamespace) and relkind in ('r', 'p', 'm')`,
        );
        expect(rows.length).toBeGreaterThan(10);
        for (const { name } of rows) {
          const { rowCount } = await client.query(`select from ${name} as t where t.*::text like $1`, [
            `%${PLANTED_SECRET}%`,
          ]);
          expect([name, rowCount]).toEqual([name, 0]);
        }
      });
    },
  );

  it('are in no report and no output, and in no file of the home but the copies of whole sources', async () => {
    const file = join(home, 'reports/secrets.json');
    for (const step of ['inspect', 'verify', 'quarantine', 'status']) {
      const source = step === 'inspect' ? ['--source', LEGACY] : [];
      const { stdout, stderr } = await cutover(platform, home, step, ...source, ...budgets, '--report', file);
      expect(stdout).toContain('ok,');
      expect(stdout + stderr).not.toContain(PLANTED_SECRET);
      expect(holders(join(home, 'reports'))).toEqual([]);
    }
    expect(holders(home)).toEqual([
      'snapshots/harca/DIGEST/files/temp/data_20250318_130857.json',
      'snapshots/lightning-talk/DIGEST/files/talks.json',
      'snapshots/lightning-talk/DIGEST/files/users.json',
      ...['voice-roleplay-analytics', 'voice-roleplay'].flatMap((name) => [
        `snapshots/${name}/DIGEST/files/data/ab_tests/planted_0.json`,
        `snapshots/${name}/DIGEST/files/data/usage_limits.json`,
      ]),
    ]);
  });
});
