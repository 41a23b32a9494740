import { existsSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { ident, ROLE_KINDS, urlFor, withConnection } from '../jobs/database.ts';
import { catalogDigest } from '../jobs/engine/digest.ts';
import { hyper, plain } from './candle-systems.ts';
import type { Bench, Run } from './case.ts';
import { runChild } from './child.ts';
import { runJob } from './cutover.ts';
import { type CopyFormat, copyOut } from './psql.ts';

const MAIN = fileURLToPath(new URL('../jobs/main.ts', import.meta.url));
const SYSTEMS = new URL('candle-systems.ts', import.meta.url).href;
const TABLE = 'public.ohlcv_data';

/** What the candles' table is. All are unlogged where the server lets them be. */
export type Kind =
  /** The hypertable, as the schema step makes it. */
  | 'hypertable'
  /** An ordinary table of the same columns and key. */
  | 'keyed'
  /** The same without its key: nothing but the rows costs anything. */
  | 'bare';

const systemOf = (kind: Kind) => (kind === 'hypertable' ? hyper : plain);

/** A sample's candles: the legacy store, its snapshot, and a database that they are loaded into. */
export class CandleStore {
  private constructor(
    private readonly bench: Bench,
    /** Ordinary rows of the sample. */
    readonly sample: number,
    private readonly kind: Kind,
    readonly url: string,
  ) {}

  /** Makes what is not there yet: sample, snapshot, and the database anew, with an empty table. */
  static async make(bench: Bench, sample: number, kind: Kind): Promise<CandleStore> {
    const { database } = systemOf(kind);
    const store = new CandleStore(bench, sample, kind, urlFor(bench.platform.timescale, database));
    await store.#makeSample();
    await store.close();
    await store.#makeDatabase();
    return store;
  }

  /** The legacy file. */
  get file(): string {
    return join(this.folder, 'sample', 'trdinger', 'trdinger.db');
  }

  /** Folder of all that is made of this sample. */
  get folder(): string {
    return join(this.bench.folder, `candles-${this.sample}`);
  }

  async #makeSample(): Promise<void> {
    const out = join(this.folder, 'sample');
    // Written last.
    if (!existsSync(join(out, 'sample.json'))) {
      this.bench.log(`making ${this.sample} candles in ${out}`);
      await mkdir(this.folder, { recursive: true });
      const args = ['sample', '--out', out, '--seed', '1', '--rows', `ohlcv_data=${this.sample}`];
      await runChild(process.execPath, ['--import', 'tsx', MAIN, ...args]);
    }
    if (!existsSync(join(this.folder, 'home', 'snapshots', 'trdinger', 'current'))) {
      await mkdir(join(this.folder, 'home'), { recursive: true });
      await this.job(['backup']);
    }
  }

  async #makeDatabase(): Promise<void> {
    await this.job(['provision', 'schema']);
    if (this.kind === 'hypertable') return;
    const { rolePrefix } = plain;
    await this.sql(async (client) => {
      // The schema step's default privileges are for what the owner makes.
      await client.query(`set role ${ident(`${rolePrefix}_owner`)}`);
      const like = `like ${TABLE} including defaults ${this.kind === 'keyed' ? 'including indexes' : ''}`;
      await client.query(`create unlogged table public.ordinary (${like})`);
      await client.query(`drop table ${TABLE} cascade`);
      await client.query('alter table public.ordinary rename to ohlcv_data');
      await client.query('insert into migration.fingerprint (digest) values ($1)', [
        await catalogDigest(client),
      ]);
    });
  }

  /** Runs steps as a process of its own. @returns the time of the last */
  job(
    steps: readonly string[],
    { node, system }: { node?: string; system?: 'plain' | 'hyper' | 'rowsOnly' } = {},
  ): Promise<Run> {
    const name = system ?? (this.kind === 'hypertable' ? 'hyper' : 'plain');
    return runJob(
      {
        system: { module: SYSTEMS, name },
        steps,
        platform: this.bench.platform,
        home: join(this.folder, 'home'),
        secrets: this.bench.folder,
        source: join(this.folder, 'sample'),
      },
      node,
    );
  }

  /** Asks the database as a superuser. */
  sql<T>(use: (client: pg.Client) => Promise<T>): Promise<T> {
    return withConnection(this.url, use, 'cutover bench');
  }

  /** As before the first load: no row, nothing in the ledger, and nothing of an earlier run left to be written. */
  async empty(): Promise<void> {
    await this.sql(async (client) => {
      await client.query(`truncate ${TABLE}`);
      await client.query('truncate migration.run, migration.verification cascade');
      await client.query('checkpoint');
    });
  }

  async count(): Promise<number> {
    return this.sql(async (client) => {
      const { rows } = await client.query<{ n: string }>(`select count(*) as n from ${TABLE}`);
      return Number(rows[0]!.n);
    });
  }

  /** Writes the loaded rows in key order into files that psql can take. @returns the files, and their sizes in bytes */
  async readyFiles(
    formats: readonly CopyFormat[],
  ): Promise<Map<CopyFormat, { file: string; bytes: number }>> {
    const ready = new Map<CopyFormat, { file: string; bytes: number }>();
    for (const format of formats) {
      const file = join(this.folder, `ready.${format}`);
      const query = `select * from ${TABLE} order by symbol, timeframe, timestamp`;
      await copyOut(this.bench.platform, this.url, query, file, format);
      ready.set(format, { file, bytes: (await stat(file)).size });
    }
    return ready;
  }

  /** Removes the database and its roles. The sample stays, for the next time. */
  async close(): Promise<void> {
    const { database, rolePrefix } = systemOf(this.kind);
    await withConnection(this.bench.platform.timescale, async (client) => {
      await client.query(`drop database if exists ${ident(database)} with (force)`);
      for (const kind of ROLE_KINDS)
        await client.query(`drop role if exists ${ident(`${rolePrefix}_${kind}`)}`);
    });
  }
}
