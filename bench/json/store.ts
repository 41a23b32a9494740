import { existsSync } from 'node:fs';
import { mkdir, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { ident, ROLE_KINDS, urlFor, withConnection } from '../../jobs/database.ts';
import { catalogDigest } from '../../jobs/engine/digest.ts';
import type { Bench, Run } from '../case.ts';
import { runJob } from '../cutover.ts';
import { EVENT_IDS, writeEvents } from './events.ts';
import { byId } from './systems.ts';

const SYSTEMS = new URL('systems.ts', import.meta.url).href;
const STORE = join('lightning-talk', 'server', 'data');

/** The table that all peers load. */
export const TABLE = 'public.analytics';

/** A JSON file of analytics events in a legacy store, and a snapshot of it. */
export interface JsonSample {
  readonly rows: number;
  readonly bytes: number;
  readonly folder: string;
  readonly source: string;
  /** Folder of the snapshot: a job's --home. */
  readonly home: string;
  readonly file: string;
}

/** The sample of so many events, made unless it is there. */
export async function jsonSample(bench: Bench, rows: number): Promise<JsonSample> {
  const folder = join(bench.folder, `json-${rows}`);
  const [source, home] = [join(folder, 'sample'), join(folder, 'home')];
  const file = join(source, STORE, 'analytics.json');
  if (!existsSync(file)) {
    bench.log(`making ${rows} events in ${source}`);
    await mkdir(join(source, STORE), { recursive: true });
    const at = '2025-01-10T03:00:00.000Z';
    const events = EVENT_IDS.map((id) => ({ id, title: id, date: at, createdAt: at, updatedAt: at }));
    await writeFile(join(source, STORE, 'events.json'), JSON.stringify(events, null, 2));
    writeEvents(`${file}.draft`, 1, rows);
    await rename(`${file}.draft`, file);
  }
  if (!existsSync(join(home, 'snapshots', 'lightning-talk', 'current'))) {
    await mkdir(home, { recursive: true });
    await runSteps(bench, { home, source }, 'byId', ['backup']);
  }
  return { rows, bytes: (await stat(file)).size, folder, source, home, file };
}

function runSteps(
  { platform, folder: secrets }: Bench,
  { home, source }: Pick<JsonSample, 'home' | 'source'>,
  name: 'byId' | 'byTime',
  steps: readonly string[],
  node?: string,
): Promise<Run> {
  return runJob({ system: { module: SYSTEMS, name }, steps, platform, home, secrets, source }, node);
}

/** A database whose analytics are an ordinary unlogged table without a key: nothing but the rows costs anything. */
export class JsonStore {
  private constructor(
    private readonly bench: Bench,
    /** URL of the database, as a superuser. */
    readonly url: string,
  ) {}

  static async make(bench: Bench, sample: JsonSample): Promise<JsonStore> {
    const store = new JsonStore(bench, urlFor(bench.platform.postgres, byId.database));
    await store.close();
    await runSteps(bench, sample, 'byId', ['provision', 'schema']);
    await store.#sql(async (client) => {
      // The schema step's default privileges are for what the owner makes.
      await client.query(`set role ${ident(`${byId.rolePrefix}_owner`)}`);
      await client.query(`create unlogged table public.ordinary (like ${TABLE} including defaults)`);
      await client.query(`drop table ${TABLE} cascade`);
      await client.query('alter table public.ordinary rename to analytics');
      const digest = await catalogDigest(client);
      await client.query('insert into migration.fingerprint (digest) values ($1)', [digest]);
    });
    return store;
  }

  load(sample: JsonSample, system: 'byId' | 'byTime', node?: string): Promise<Run> {
    return runSteps(this.bench, sample, system, ['load'], node);
  }

  /** As before the first load. */
  async empty(): Promise<void> {
    await this.#sql(async (client) => {
      await client.query(`truncate ${TABLE}, public.events cascade`);
      await client.query('truncate migration.run, migration.verification cascade');
      await client.query('checkpoint');
    });
  }

  async count(): Promise<number> {
    const { rows } = await this.#sql((client) =>
      client.query<{ n: string }>(`select count(*) as n from ${TABLE}`),
    );
    return Number(rows[0]!.n);
  }

  #sql<T>(use: (client: pg.Client) => Promise<T>): Promise<T> {
    return withConnection(this.url, use, 'cutover bench');
  }

  /** Removes the database and its roles. Samples stay, for the next time. */
  async close(): Promise<void> {
    await withConnection(this.bench.platform.postgres, async (client) => {
      await client.query(`drop database if exists ${ident(byId.database)} with (force)`);
      for (const kind of ROLE_KINDS) {
        await client.query(`drop role if exists ${ident(`${byId.rolePrefix}_${kind}`)}`);
      }
    });
  }
}
