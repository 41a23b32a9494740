import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { ident, placeOf, withConnection } from '../database.ts';
import { COPY_HEADER } from '../engine/copy-buffer.ts';
import type { LegacyDatabase } from '../engine/mapping.ts';
import { CutoverError } from '../errors.ts';
import { copiedFile, copiedHeader } from './copied-table.ts';
import type { HashedFile } from './file-list.ts';

const BLOCK = 200;

/** What was copied, and the tables that nobody asked for. */
export interface DatabaseCopy {
  readonly files: readonly HashedFile[];
  readonly unread: readonly string[];
}

/**
 * Writes the tables of a living database as files `<name>/<table>.json` into a snapshot: an array of what PostgreSQL makes
 * of each row by `to_json`, in a lasting order, so that the same rows are the same bytes. A table with vectors becomes a
 * file `<name>/<table>.copy`, in which they are binary (copied-table.ts). All of it is one moment (REPEATABLE READ), and
 * nothing is written in the database. Tables that are not there are left out; one of which row security hides rows from
 * this user is an error.
 *
 * @throws CutoverError `source`
 */
export async function copyDatabase(
  { name, tables, vectors = {} }: LegacyDatabase,
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
        const columns = await columnsOf(client, table, vectors[table] ?? []);
        const isPacked = columns.some(({ packed }) => packed);
        const path = `${name}/${isPacked ? copiedFile(table) : `${table}.json`}`;
        const file = join(folder, path);
        const copied = isPacked
          ? await copyPacked(client, table, columns, order, file)
          : await copyTable(client, table, order, file);
        files.push({ path, ...copied });
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

interface Column {
  readonly name: string;
  /** Whether its vectors are copied as they are sent. */
  readonly packed: boolean;
}

/** @param vectors columns that are packed if they are of pgvector's type */
async function columnsOf(client: pg.Client, table: string, vectors: readonly string[]): Promise<Column[]> {
  const { rows } = await client.query<Column>(
    `select attname as name, attname = any ($2) and exists (
       select from pg_type as t join pg_depend as d on d.classid = 'pg_type'::regclass and d.objid = t.oid
         join pg_extension as e on d.refclassid = 'pg_extension'::regclass and e.oid = d.refobjid
       where t.oid = atttypid and t.typname = 'vector' and e.extname = 'vector' and d.deptype = 'e') as packed
     from pg_attribute where attrelid = to_regclass($1) and attnum > 0 and not attisdropped order by attnum`,
    [`public.${ident(table)}`, vectors],
  );
  return rows;
}

async function copyPacked(
  client: pg.Client,
  table: string,
  columns: readonly Column[],
  order: readonly string[],
  file: string,
): Promise<Omit<HashedFile, 'path'>> {
  const packed = columns.filter((each) => each.packed).map(({ name }) => name);
  const row = columns.map(({ name, packed }) =>
    packed
      ? `case when t.${ident(name)} is not null then 0 end as ${ident(name)}`
      : `t.${ident(name)} as ${ident(name)}`,
  );
  const stream = client.query(
    copyTo(
      `copy (select to_json(r.*)::text, ${packed.map((name) => `t.${ident(name)}`).join(', ')}
         from public.${ident(table)} as t cross join lateral (select ${row.join(', ')}) as r
         order by ${byColumns(order)}) to stdout (format binary)`,
    ),
  );
  const hash = createHash('sha256');
  let size = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      // The server's header comes with the first rows, or alone.
      const bytes =
        size > 0 ? chunk : Buffer.concat([copiedHeader(packed), chunk.subarray(COPY_HEADER.length)]);
      hash.update(bytes);
      size += bytes.length;
      done(null, bytes);
    },
  });
  await pipeline(stream, meter, createWriteStream(file, { mode: 0o400 }));
  return { size, sha256: hash.digest('hex') };
}

const byColumns = (order: readonly string[]) => order.map((column) => `t.${ident(column)}`).join(', ');

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
       order by ${byColumns(order)}`,
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
