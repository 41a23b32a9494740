import { join } from 'node:path';
import type pg from 'pg';
import Postgrator from 'postgrator';
import { catalogDigest } from '../engine/digest.ts';
import { CutoverError } from '../errors.ts';
import { SQL, sqlFile } from '../sql.ts';
import { asRole, type StepContext } from './context.ts';

/**
 * Applies the numbered SQL of the ledger and of the system, forward only, in one transaction; a file that was applied
 * and then changed is refused. Records the fingerprint of the catalog that it made, which verify compares: what somebody
 * changed by hand does not become right by a step that runs again.
 */
export async function schema(context: StepContext): Promise<void> {
  const { system, dryRun, report } = context;
  await asRole(context, 'owner', async (client) => {
    await client.query('begin');
    const ledger = await migrate(client, 'ledger', 'migration.ledger_version');
    await client.query(await sqlFile('roles/3-ledger.sql', { prefix: system.rolePrefix }));
    const tables = await migrate(client, system.name, 'migration.schema_version');
    if (ledger + tables > 0) {
      await client.query('insert into migration.fingerprint (digest) values ($1)', [
        await catalogDigest(client),
      ]);
    }
    await client.query(dryRun ? 'rollback' : 'commit');
    if (system.extensions.includes('timescaledb')) {
      const edition = await editionOf(client);
      report.remarks.push(
        edition === 'timescale'
          ? 'TimescaleDB, Timescale edition: continuous aggregates and compression'
          : 'TimescaleDB, Apache edition: materialized views stand in for continuous aggregates, nothing is compressed',
      );
    }
  });
}

/** Edition of TimescaleDB on this server; `none` without it. */
export async function editionOf(client: pg.Client): Promise<'timescale' | 'apache' | 'none'> {
  const { rows } = await client.query<{ license: string | null }>(
    `select current_setting('timescaledb.license', true) as license`,
  );
  const { license } = rows[0]!;
  return license === 'timescale' ? 'timescale' : license === null ? 'none' : 'apache';
}

/** @returns how many files were applied */
async function migrate(client: pg.Client, folder: string, schemaTable: string): Promise<number> {
  const postgrator = new Postgrator({
    driver: 'pg',
    migrationPattern: join(SQL, folder, '*.do.*.sql'),
    schemaTable,
    newline: 'LF',
    execQuery: async (text) => ({ rows: (await client.query(text)).rows ?? [] }),
    execSqlScript: async (text) => void (await client.query(text)),
  });
  try {
    return (await postgrator.migrate()).length;
  } catch (error) {
    if (!/checksum/i.test((error as Error).message)) throw error;
    throw new CutoverError(
      'target',
      `sql/${folder}: ${(error as Error).message}`,
      'A file that was applied must not change: restore it, and put the change into a new numbered file.',
      { cause: error },
    );
  }
}
