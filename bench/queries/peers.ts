import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type Database from 'libsql';
import type pg from 'pg';
import { CutoverError } from '../../jobs/errors.ts';
import type { Bench, Case, Peer } from '../case.ts';
import type { Query } from './query.ts';

/** A query that takes less is repeated. */
const LEAST_SECONDS = 0.1;
const MOST_TIMES = 100;

/** Both stores of a system, with the same rows. */
export interface Stores {
  /** A copy of the legacy file, open for writing, with foreign keys off as in the application. */
  readonly sqlite: Database.Database;
  /** In UTC. */
  readonly postgres: pg.Client;
}

/** Each query as a pair of peers; the plans of the target are kept in `explain/<system>`. */
export async function caseOf(
  bench: Bench,
  system: string,
  what: string,
  queries: readonly Query[],
  stores: Stores,
): Promise<Case> {
  await keepPlans(join(bench.folder, 'explain', system), queries, stores.postgres);
  const peers = peersOf(queries, stores);
  return {
    name: `queries-${system}`,
    what,
    rows: 1,
    against: peers[0]!.name,
    peers,
    close: () => closeStores(stores),
  };
}

async function closeStores({ sqlite, postgres }: Stores): Promise<void> {
  sqlite.close();
  await postgres.end();
}

/** What `make` makes of the stores; they are closed if it can't. */
export async function orClose<T>(stores: Stores, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    await closeStores(stores);
    throw error;
  }
}

/** Two peers a query, each of which reads every row of the answer; text is parsed and planned each time, as from an ORM. */
function peersOf(queries: readonly Query[], { sqlite, postgres }: Stores): Peer[] {
  return queries.flatMap((query) => {
    const against = `${query.name}: SQLite`;
    const times = query.writes ? 1 : MOST_TIMES;
    return [
      {
        name: against,
        against,
        run: async () => {
          if (query.writes) sqlite.exec('begin');
          const seconds = await timed(times, async () => {
            for (const sql of query.sqlite) askSqlite(sqlite, sql);
          });
          if (query.writes) sqlite.exec('rollback');
          return { seconds };
        },
      },
      {
        name: `${query.name}: PostgreSQL`,
        against,
        run: async () => {
          if (query.writes) await postgres.query('begin');
          const seconds = await timed(times, async () => {
            for (const sql of query.postgres) await askPostgres(postgres, sql);
          });
          if (query.writes) {
            await postgres.query('rollback');
            // What a delete has touched counts as visible to all again.
            await postgres.query('vacuum');
          }
          return { seconds };
        },
      },
    ];
  });
}

/** So many of a sample's rows are planted to be refused. */
const PLANTED = 20;

/** @throws Error when a query finds many more rows in one store than in the other, or none */
export async function requireSameRows(queries: readonly Query[], stores: Stores): Promise<void> {
  for (const query of queries) {
    if (query.writes || query.spellings) continue;
    for (const [at, sql] of query.sqlite.entries()) {
      const legacy = askSqlite(stores.sqlite, sql).length;
      const target = (await askPostgres(stores.postgres, query.postgres[at]!)).length;
      if (legacy === 0)
        throw new CutoverError('usage', `${query.name}: no rows to ask for`, 'Ask for more: --rows.');
      if (Math.abs(legacy - target) > PLANTED + legacy / 100) {
        throw new Error(`${query.name}: ${legacy} rows in SQLite, ${target} in PostgreSQL`);
      }
    }
  }
}

/** Keeps the plan of every query in a file of its own; reads are carried out for it. */
export async function keepPlans(folder: string, queries: readonly Query[], client: pg.Client): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const { name, postgres, writes } of queries) {
    const plans = [];
    for (const sql of postgres) {
      if (/^truncate/.test(sql)) continue;
      const options = writes ? 'format json' : 'analyze, buffers, format json';
      const { rows } = await client.query<{ 'QUERY PLAN': unknown[] }>(`explain (${options}) ${sql}`);
      plans.push(rows[0]!['QUERY PLAN'][0]);
    }
    const file = `${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}.json`;
    await writeFile(join(folder, file), JSON.stringify(plans, null, 2));
  }
}

function askSqlite(db: Database.Database, sql: string): unknown[] {
  const statement = db.prepare(sql);
  if (statement.reader) return statement.raw(true).all() as unknown[];
  statement.run();
  return [];
}

async function askPostgres(client: pg.Client, sql: string): Promise<unknown[]> {
  // Values stay as they come, as they do on the other side.
  const types = { getTypeParser: () => (value: unknown) => value } as pg.CustomTypesConfig;
  return (await client.query({ text: sql, rowMode: 'array', types })).rows;
}

/** Seconds of one time. */
async function timed(most: number, work: () => Promise<void>): Promise<number> {
  const begun = performance.now();
  for (let times = 1; ; times++) {
    await work();
    const seconds = (performance.now() - begun) / 1000;
    if (seconds >= LEAST_SECONDS || times === most) return seconds / times;
  }
}
