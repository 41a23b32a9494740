import { administered, placeOf, urlFor, withConnection } from '../database.ts';
import type { SystemMapping } from '../engine/mapping.ts';
import { CutoverError } from '../errors.ts';
import type { StepContext } from './context.ts';

const OLDEST_SERVER = 15;

/** Looks whether the target can take the system: version, extensions, privileges. Changes nothing. */
export async function preflight(context: StepContext): Promise<void> {
  const { system, platform, report } = context;
  const server = administered(platform, system);
  const place = placeOf(server);
  await withConnection(server, async (client) => {
    const { rows } = await client.query<{ version: number; may: boolean; super: boolean; name: string }>(
      `select current_setting('server_version_num')::int / 10000 as version, rolname as name,
         rolsuper or (rolcreatedb and rolcreaterole) as may, rolsuper as super
       from pg_roles where rolname = current_user`,
    );
    const { version, may, name } = rows[0]!;
    if (version < OLDEST_SERVER) {
      throw new CutoverError(
        'prerequisite',
        `${place}: PostgreSQL ${version} is too old`,
        `Use ${OLDEST_SERVER} or later.`,
      );
    }
    if (!may) {
      throw new CutoverError(
        'prerequisite',
        `${place}: role ${name} may not create databases and roles`,
        `Give it both: ALTER ROLE ${name} CREATEDB CREATEROLE.`,
      );
    }
    const { rows: available } = await client.query<{ name: string }>(
      'select name from pg_available_extensions where name = any($1)',
      [system.extensions],
    );
    for (const extension of system.extensions) {
      if (!available.some((each) => each.name === extension)) {
        throw new CutoverError(
          'prerequisite',
          `${place}: the server has no extension ${extension}, which ${system.name} needs`,
          `Install it on the server, or name another server with --${system.server} URL.`,
        );
      }
    }
    if (system.extensions.includes('timescaledb')) {
      const { rows: preload } = await client.query<{ loaded: string }>(
        `select setting as loaded from pg_settings where name = 'shared_preload_libraries'`,
      );
      // Null: this role may not read it; the extension's own error then says the same.
      if (preload[0]?.loaded?.includes('timescaledb') === false) {
        throw new CutoverError(
          'prerequisite',
          `${place}: timescaledb is installed but not preloaded`,
          'Add timescaledb to the shared_preload_libraries that are there, and restart the server.',
        );
      }
    }
    report.remarks.push(`PostgreSQL ${version} at ${place}`);
    const { rowCount } = await client.query('select from pg_database where datname = $1', [system.database]);
    if (rowCount) await refuseForeign(urlFor(server, system.database), system);
  });
}

/** Refuses a database in which somebody else's tables have our names; nothing of it has been changed yet. */
async function refuseForeign(url: string, system: SystemMapping): Promise<void> {
  const { rows } = await withConnection(url, (client) =>
    client.query<{ names: string | null }>(
      `select string_agg(relname, ', ' order by relname) as names from pg_class
       where relnamespace = to_regnamespace('public') and relname = any($1) and to_regclass('migration.target') is null`,
      [system.tables.map((mapping) => mapping.table)],
    ),
  );
  const names = rows[0]?.names;
  if (!names) return;
  throw new CutoverError(
    'target',
    `${placeOf(url)}: database ${system.database} has tables that were not made here: ${names}`,
    'Name another server, or rename that database: it belongs to another application.',
  );
}
