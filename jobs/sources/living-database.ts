import { createHash } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { ident, placeOf, withConnection } from '../database.ts';
import type { LegacyDatabase } from '../engine/mapping.ts';
import { CutoverError } from '../errors.ts';
import type { HashedFile } from './snapshot.ts';

const BLOCK = 200;

/** What was copied, and the tables that nobody asked for. */
export interface DatabaseCopy {
  readonly files: readonly HashedFile[];
  readonly unread: readonly string[];
}

/**
 * Writes the tables of a living database as files `<name>/<table>.json` into a snapshot: an array of what PostgreSQL makes
 * of each row by `to_json`, in a lasting order, so that the same rows are the same bytes. All of it is one moment
 * (REPEATABLE READ), and nothing is written in the database. Tables that are not there are left out; one of which row
 * security hides rows from this user is an error.
 *
 * @throws CutoverError `source`
 */
export async function copyDatabase(
  { name, tables }: LegacyDatabase,
  url: string,
  folder: string,
): Promise<DatabaseCopy> {
  await mkdir(join(folder, name), { recursive: true });
  try {
    return await withConnection(url, async (client) => {
      await client.query(`begin isolation level repeatable read read only;
        set local row_security = off; set local timezone = 'UTC'; set local datestyle = 'ISO'; set local extra_float_digits = 1`);
      const files: HashedFile[] = [];
      for (const [table, order] of Object.entries(tables)) {
        const { rows } = await client.query<{ found: string | null }>('select to_regclass($1) as found', [
          `public.${ident(table)}`,
        ]);
        if (rows[0]!.found === null) continue;
        const path = `${name}/${table}.json`;
        files.push({ path, ...(await copyTable(client, table, order, join(folder, path))) });
      }
      const { rows: others } = await client.query<{ name: string }>(
        `select relname as name from pg_class
         where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and relname <> all ($1) order by 1`,
        [Object.keys(tables)],
      );
      await client.query('commit');
      if (files.length > 0) return { files, unread: others.map((each) => each.name) };
      throw new CutoverError(
        'source',
        `${name}: ${placeOf(url)} has none of the tables ${Object.keys(tables).join(', ')}`,
        'Name the database that the application uses.',
      );
    });
  } catch (error) {
    if (!(error instanceof CutoverError) || error.kind === 'source') throw error;
    throw new CutoverError('source', `${name}: ${error.message}`, error.fix, { cause: error });
  }
}

async function copyTable(
  client: pg.Client,
  table: string,
  order: readonly string[],
  file: string,
): Promise<Omit<HashedFile, 'path'>> {
  const hash = createHash('sha256');
  const handle = await open(file, 'w', 0o400);
  let size = 0;
  const write = async (text: string) => {
    const bytes = Buffer.from(text);
    hash.update(bytes);
    size += bytes.length;
    await handle.appendFile(bytes);
  };
  try {
    await client.query(
      // With a star: a name alone could be that of a column.
      `declare legacy no scroll cursor for select to_json(t.*)::text from public.${ident(table)} as t
       order by ${order.map((column) => `t.${ident(column)}`).join(', ')}`,
    );
    let lead = '[\n';
    for (;;) {
      const { rows } = await client.query<[string]>({ text: `fetch ${BLOCK} from legacy`, rowMode: 'array' });
      if (rows.length === 0) break;
      await write(lead + rows.map(([row]) => row).join(',\n'));
      lead = ',\n';
    }
    await write(lead === '[\n' ? '[]\n' : '\n]\n');
    await client.query('close legacy');
  } finally {
    await handle.close();
  }
  return { size, sha256: hash.digest('hex') };
}
