import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { ident, ROLE_KINDS, urlFor, withConnection } from '../jobs/database.ts';
import { catalogDigest } from '../jobs/engine/digest.ts';
import { makeCurrent } from '../jobs/sources/snapshot.ts';
import type { CandleSample } from './candle-sample.ts';
import { hyper, plain } from './candle-systems.ts';
import type { Bench, Run } from './case.ts';
import { runJob } from './cutover.ts';
import { type CopyFormat, copyOut } from './psql.ts';

const SYSTEMS = new URL('candle-systems.ts', import.meta.url).href;

/** The table that all peers load. */
export const TABLE = 'public.ohlcv_data';

/** What the candles' table is. */
export type Kind =
  /** The hypertable, as the schema step makes it; logged, as TimescaleDB refuses unlogged ones. */
  | 'hypertable'
  /** An ordinary unlogged table of the same columns and key. */
  | 'keyed'
  /** The same without its key: nothing but the rows costs anything. */
  | 'bare';

interface JobOptions {
  readonly node?: string;
  /** Another mapping than the store's own. */
  readonly system?: 'rowsOnly';
}

/** A database that candles are loaded into. */
export class CandleStore {
  /** What the table and the ledger hold, if it was loaded by a job. */
  #held: CandleSample | undefined;

  private constructor(
    private readonly bench: Bench,
    private readonly kind: Kind,
    /** URL of the database, as a superuser. */
    readonly url: string,
  ) {}

  /** Makes the database anew, with an empty table. @param sample any, for the role's passwords and the schema's sake */
  static async make(bench: Bench, kind: Kind, sample: CandleSample): Promise<CandleStore> {
    const { database } = systemOf(kind);
    const store = new CandleStore(bench, kind, urlFor(bench.platform.timescale, database));
    await store.close();
    await store.#job(sample, ['provision', 'schema']);
    if (kind !== 'hypertable') await store.#makeOrdinary();
    return store;
  }

  async #makeOrdinary(): Promise<void> {
    await this.sql(async (client) => {
      // The schema step's default privileges are for what the owner makes.
      await client.query(`set role ${ident(`${plain.rolePrefix}_owner`)}`);
      const like = `like ${TABLE} including defaults ${this.kind === 'keyed' ? 'including indexes' : ''}`;
      await client.query(`create unlogged table public.ordinary (${like})`);
      await client.query(`drop table ${TABLE} cascade`);
      await client.query('alter table public.ordinary rename to ohlcv_data');
      const digest = await catalogDigest(client);
      await client.query('insert into migration.fingerprint (digest) values ($1)', [digest]);
    });
  }

  /** The load step. It begins with what is there: nothing after `empty`, else an earlier load. */
  async load(sample: CandleSample, options?: JobOptions): Promise<Run> {
    this.#held = undefined;
    const run = await this.#job(sample, ['load'], options);
    this.#held = sample;
    return run;
  }

  /** The verify step, of a sample that is loaded. */
  verify(sample: CandleSample, options?: JobOptions): Promise<Run> {
    return this.#job(sample, ['verify'], options);
  }

  /** Loads a sample into an empty table, unless it is what the table holds. */
  async hold(sample: CandleSample): Promise<void> {
    if (this.#held === sample) return;
    await this.empty();
    await this.load(sample);
  }

  /** @returns the time of the last step */
  async #job(
    sample: CandleSample,
    steps: readonly string[],
    { node, system }: JobOptions = {},
  ): Promise<Run> {
    const name = system ?? (this.kind === 'hypertable' ? 'hyper' : 'plain');
    const { platform, folder: secrets } = this.bench;
    const { home, source, snapshot: digest } = sample;
    await makeCurrent(home, { system: plain.name, digest });
    return runJob({ system: { module: SYSTEMS, name }, steps, platform, home, secrets, source }, node);
  }

  /** Asks the database as a superuser. */
  sql<T>(use: (client: pg.Client) => Promise<T>): Promise<T> {
    return withConnection(this.url, use, 'cutover bench');
  }

  /** As before the first load: no row, nothing in the ledger, and nothing of an earlier run left to be written. */
  async empty(): Promise<void> {
    this.#held = undefined;
    await this.sql(async (client) => {
      await client.query(`truncate ${TABLE}`);
      await client.query('truncate migration.run, migration.verification cascade');
      await client.query('checkpoint');
    });
  }

  count(): Promise<number> {
    return this.sql(async (client) => {
      const { rows } = await client.query<{ n: string }>(`select count(*) as n from ${TABLE}`);
      return Number(rows[0]!.n);
    });
  }

  /** Writes the rows of the table in key order into a file that psql can take. @returns the file, and its bytes */
  async readyFile(folder: string, format: CopyFormat): Promise<{ file: string; bytes: number }> {
    const file = join(folder, `ready.${format}`);
    const query = `select * from ${TABLE} order by symbol, timeframe, timestamp`;
    await copyOut(this.bench.platform, this.url, query, file, format);
    return { file, bytes: (await stat(file)).size };
  }

  /** Removes the database and its roles. Samples stay, for the next time. */
  async close(): Promise<void> {
    const { database, rolePrefix } = systemOf(this.kind);
    await withConnection(this.bench.platform.timescale, async (client) => {
      await client.query(`drop database if exists ${ident(database)} with (force)`);
      for (const kind of ROLE_KINDS) {
        await client.query(`drop role if exists ${ident(`${rolePrefix}_${kind}`)}`);
      }
    });
  }
}

const systemOf = (kind: Kind) => (kind === 'hypertable' ? hyper : plain);
