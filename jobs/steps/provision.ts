import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { administered, ident, literal, ROLE_KINDS, roleName, urlFor, withConnection } from '../database.ts';
import { scramVerifier } from '../scram.ts';
import { sqlFile } from '../sql.ts';
import type { StepContext } from './context.ts';

/** Makes the system's roles and database with least privilege. May be repeated at any time. */
export async function provision(context: StepContext): Promise<void> {
  const { system, platform, secrets, dryRun } = context;
  const server = administered(platform, system);
  const names = { prefix: system.rolePrefix, database: system.database };
  await withConnection(server, async (client) => {
    await client.query('begin');
    await client.query(await sqlFile('roles/1-roles.sql', names));
    for (const kind of ROLE_KINDS) {
      const role = roleName(system, kind);
      await client.query(
        `alter role ${ident(role)} password ${literal(scramVerifier(secrets.password(role)))}`,
      );
    }
    await client.query(dryRun ? 'rollback' : 'commit');
    if (dryRun) return;
    const { rowCount } = await client.query('select from pg_database where datname = $1', [system.database]);
    if (!rowCount) await createDatabase(client, system.database, roleName(system, 'owner'));
  });
  if (dryRun) return;
  await withConnection(urlFor(server, system.database), async (client) => {
    await client.query(await sqlFile('roles/2-database.sql', names));
    for (const extension of system.extensions)
      await client.query(`create extension if not exists ${ident(extension)}`);
    for (const [name, value] of Object.entries(system.databaseSettings ?? {})) {
      await setOfDatabase(client, context, name, value);
    }
  });
}

/** SQLSTATE insufficient_privilege. */
const NOT_ALLOWED = '42501';

/** What only a superuser may set is for whoever runs the server: it makes nothing wrong where it is missing. */
async function setOfDatabase(
  client: pg.Client,
  { system, report }: StepContext,
  name: string,
  value: string,
): Promise<void> {
  // The name of an extension's setting has two parts.
  const setting = name.split('.').map(ident).join('.');
  try {
    await client.query(`alter database ${ident(system.database)} set ${setting} = ${literal(value)}`);
  } catch (error) {
    if ((error as pg.DatabaseError).code !== NOT_ALLOWED) throw error;
    report.remarks.push(`${name} = ${value} was not set: only a superuser of the server may`);
  }
}

/** SQLSTATE object_in_use: a background worker looks into the template for a moment. */
const OBJECT_IN_USE = '55006';

async function createDatabase(client: pg.Client, database: string, owner: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await client.query(
        `create database ${ident(database)} owner ${ident(owner)} template template0 encoding 'UTF8'`,
      );
      return;
    } catch (error) {
      if ((error as pg.DatabaseError).code !== OBJECT_IN_USE || attempt === 20) throw error;
      await sleep(250);
    }
  }
}
