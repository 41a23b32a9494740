import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';

const JOBS = fileURLToPath(new URL('..', import.meta.url));

const digests = new Map<string, Promise<string>>();

/**
 * SHA-256 of the code that decides what a record becomes: engine, sources and the system's mapping. Read once a process,
 * which goes on running what it has loaded whatever becomes of the files.
 */
export function codeDigest(system: string): Promise<string> {
  const known = digests.get(system) ?? digestOf(['engine', 'sources', join('systems', system)]);
  digests.set(system, known);
  return known;
}

async function digestOf(folders: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const folder of folders) {
    const entries = await readdir(join(JOBS, folder), { withFileTypes: true, recursive: true });
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort();
    for (const file of files) hash.update(`${relative(JOBS, file)}\0`).update(await readFile(file));
  }
  return hash.digest('hex');
}

const CATALOG = `
select c.relname, 'column' as kind, a.attname as name,
  format_type(a.atttypid, a.atttypmod) || case when a.attnotnull then ' not null' else '' end
    || coalesce(' ' || pg_get_expr(d.adbin, d.adrelid), '') as definition
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
union all
select c.relname, 'constraint', k.conname, pg_get_constraintdef(k.oid)
from pg_constraint k join pg_class c on c.oid = k.conrelid
where c.relnamespace = 'public'::regnamespace
union all
select c.relname, 'trigger', t.tgname, pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text
from pg_trigger t join pg_class c on c.oid = t.tgrelid
where c.relnamespace = 'public'::regnamespace and not t.tgisinternal
order by 1, 2, 3, 4`;

/** SHA-256 of the tables, columns, constraints and triggers of the target; indexes come after the load and don't count. */
export async function catalogDigest(client: pg.Client): Promise<string> {
  const { rows } = await client.query({ text: CATALOG, rowMode: 'array' });
  return createHash('sha256').update(JSON.stringify(rows)).digest('hex');
}

/**
 * The digest that the schema step recorded. What somebody changed by hand since is for verify to tell; it makes no other
 * schema to load, so that a constraint which was dropped lets a replay go on with the load that it disturbed.
 */
export async function recordedDigest(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ digest: string }>(
    'select digest from migration.fingerprint order by id desc limit 1',
  );
  return rows[0]?.digest ?? 'nothing recorded';
}
