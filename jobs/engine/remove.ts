import type pg from 'pg';
import { ident } from '../database.ts';
import type { OrderedReader } from '../sources/source.ts';
import { compareTable } from './compare.ts';
import { CopyBuffer, fieldsOf } from './copy-buffer.ts';
import { copyIn } from './copy-in.ts';
import { atomically, type Writing } from './hold.ts';
import type { Run } from './ledger.ts';
import type { TableMapping } from './mapping.ts';
import type { Parents } from './parents.ts';

/**
 * The keys of the rows that this snapshot no longer has, in binary COPY form. As long as applications write to the legacy
 * store alone, the target is its copy, so a record that was deleted there goes here too.
 */
export async function keysGone(
  client: pg.Client,
  mapping: TableMapping,
  reader: OrderedReader,
  parents: Parents,
): Promise<CopyBuffer> {
  const keys = new CopyBuffer();
  await compareTable(client, mapping, reader, parents, new Set(), (divergence, row) => {
    if (divergence.kind !== 'extra') return;
    addKey(keys, mapping, row!, 0);
  });
  return keys;
}

/** Removes the rows with these keys in a transaction of its own. @returns how many rows were removed */
export function removeRows(
  client: pg.Client,
  mapping: TableMapping,
  keys: CopyBuffer,
  run: Run,
  options: Writing,
): Promise<number> {
  return atomically(client, options, () => removeKeys(client, mapping, keys, run));
}

/**
 * Removes the rows with these keys in the caller's transaction; they are kept in `migration.removed`.
 *
 * @returns how many rows were removed
 */
export async function removeKeys(
  client: pg.Client,
  mapping: TableMapping,
  keys: CopyBuffer,
  run: Run,
): Promise<number> {
  const table = `public.${ident(mapping.table)}`;
  const columns = mapping.key.map(ident);
  let removed = 0;
  if (keys.length > 0) {
    await client.query(
      `create temporary table gone as select ${columns.join(', ')} from ${table} with no data`,
    );
    await copyIn(client, `pg_temp.gone (${columns.join(', ')})`, keys);
    const { rowCount } = await client.query(
      `with removed as (
         delete from ${table} as t using pg_temp.gone as g
         where ${columns.map((column) => `t.${column} = g.${column}`).join(' and ')} returning to_jsonb(t) as row)
       insert into migration.removed (run_id, table_name, row) select $1, $2, row from removed`,
      [run.id, mapping.table],
    );
    removed = rowCount ?? 0;
    await client.query('drop table pg_temp.gone');
  }
  await client.query('insert into migration.removal (run_id, table_name, removed) values ($1, $2, $3)', [
    run.id,
    mapping.table,
    removed,
  ]);
  return removed;
}

/** Appends the key of a row in binary COPY form, as a row of its own. */
export function addKey(keys: CopyBuffer, mapping: TableMapping, row: Buffer, start: number): void {
  const fields = fieldsOf(row, start).slice(0, mapping.key.length);
  keys.int16(fields.length);
  for (const field of fields) keys.field(field!);
}
