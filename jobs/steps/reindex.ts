import type pg from 'pg';
import { ident, setForSession } from '../database.ts';
import { shareTarget } from '../engine/hold.ts';
import { analyzeTables } from './analyze.ts';
import { limitsOf, shareOf } from './build-share.ts';
import { asRole, connectAs, databaseUrl, type StepContext } from './context.ts';

/** What a rebuild that was cut short leaves: an invalid copy beside the index. */
const LEFT_OVER = '_cc(new|old)[0-9]*$';

/**
 * Rebuilds every index of the system's tables, of their partitions and chunks, while the application goes on, then
 * refreshes the statistics. One statement an index, none of them in a transaction: what is done stays done.
 */
export async function reindex(context: StepContext): Promise<void> {
  const { system, report, dryRun, signal, log } = context;
  if (dryRun) return;
  const guard = await connectAs(context, 'verifier');
  try {
    // A load would wait for every index, and each rebuild for every batch.
    await shareTarget(guard);
    await asRole(context, 'owner', async (client) => {
      const { settings } = shareOf(await limitsOf(client, databaseUrl(context, 'owner')), 1);
      await setForSession(client, { ...settings, ...system.indexSettings });
      const tables = system.tables.map(({ table }) => `public.${ident(table)}`);
      for (const index of await indexesOf(client, tables, `i.relname ~ '${LEFT_OVER}' and not indisvalid`)) {
        await client.query(`drop index concurrently ${index}`);
      }
      const indexes = await indexesOf(client, tables, 'true');
      for (const [at, index] of indexes.entries()) {
        signal?.throwIfAborted();
        log(`${system.name}: ${index} ${at + 1}/${indexes.length}`);
        await client.query(`reindex index concurrently ${index}`);
      }
      await analyzeTables(client, system);
      report.remarks.push(`${indexes.length} indexes of ${tables.length} tables were built anew`);
    });
  } finally {
    await guard.end().catch(() => {});
  }
}

/** Indexes with rows of their own: those of leaves, for a partitioned table or a hypertable has them in its parts. */
async function indexesOf(client: pg.Client, tables: readonly string[], which: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `with recursive relation (id) as (
       select unnest($1::regclass[])::oid
       union select inhrelid from pg_inherits join relation on inhparent = id
     )
     select format('%I.%I', n.nspname, i.relname) as name
     from relation join pg_index on indrelid = id
       join pg_class as i on i.oid = indexrelid join pg_namespace as n on n.oid = i.relnamespace
     where i.relkind = 'i' and not exists (select from pg_inherits where inhparent = id)
       and not id = any ($2::regclass[]) and ${which}
     order by name`,
    [tables, await hypertables(client)],
  );
  return rows.map(({ name }) => name);
}

/** One without any chunk looks like an ordinary table. */
async function hypertables(client: pg.Client): Promise<string[]> {
  const { rowCount } = await client.query(`select from pg_extension where extname = 'timescaledb'`);
  if (!rowCount) return [];
  const { rows } = await client.query<{ name: string }>(
    `select format('%I.%I', hypertable_schema, hypertable_name) as name from timescaledb_information.hypertables`,
  );
  return rows.map(({ name }) => name);
}
