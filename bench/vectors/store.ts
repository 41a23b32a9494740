import { existsSync } from 'node:fs';
import { mkdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { ident, ROLE_KINDS, urlFor, withConnection } from '../../jobs/database.ts';
import { catalogDigest } from '../../jobs/engine/digest.ts';
import type { Bench, Run } from '../case.ts';
import { runJob } from '../cutover.ts';
import { copyOut } from '../psql.ts';
import { DATABASE } from './systems.ts';

/** The stores that vectors are loaded from, by the names that `systems.ts` exports, with the partition of each. */
export const PARTITIONS = {
  fileCache: 'vector_embeddings_cache',
  documents: 'vector_embeddings_document',
  codeVectors: 'vector_embeddings_code',
} as const;
export type StoreName = keyof typeof PARTITIONS;

/** Vectors in a legacy store, and a snapshot of it. */
export interface VectorSample {
  readonly name: StoreName;
  /** What a job's --source would be. */
  readonly source: string;
  /** Folder of the snapshot: a job's --home. */
  readonly home: string;
}

/** A sample and its snapshot, made unless they are there. @param write writes the store below a folder */
export async function vectorSample(
  bench: Bench,
  name: StoreName,
  rows: number,
  write: (folder: string) => Promise<void>,
): Promise<VectorSample> {
  const folder = join(bench.folder, `vectors-${name}-${rows}`);
  const sample = { name, source: join(folder, 'source'), home: join(folder, 'home') };
  if (!existsSync(sample.source)) {
    bench.log(`making ${rows} vectors in ${sample.source}`);
    await mkdir(folder, { recursive: true });
    await write(join(folder, 'draft', 'harca'));
    await rename(join(folder, 'draft'), sample.source);
  }
  if (!existsSync(join(sample.home, 'snapshots', 'harca', 'current'))) {
    await mkdir(sample.home, { recursive: true });
    await job(bench, sample, ['backup']);
  }
  return sample;
}

/** @returns the time of the last step */
function job(bench: Bench, sample: VectorSample, steps: readonly string[], node?: string): Promise<Run> {
  const { platform, folder: secrets } = bench;
  const system = { module: new URL('systems.ts', import.meta.url).href, name: sample.name };
  return runJob({ system, steps, platform, home: sample.home, secrets, source: sample.source }, node);
}

/** A database of harca's whose partitions are unlogged. */
export class VectorStore {
  private constructor(
    private readonly bench: Bench,
    /** URL of the database, as a superuser. */
    readonly url: string,
  ) {}

  /** Makes the database anew, with empty tables. @param sample any, for the roles' passwords and the schema's sake */
  static async make(bench: Bench, sample: VectorSample): Promise<VectorStore> {
    const store = new VectorStore(bench, urlFor(bench.platform.postgres, DATABASE));
    await store.close();
    await job(bench, sample, ['provision', 'schema']);
    await store.sql(async (client) => {
      for (const table of Object.values(PARTITIONS)) await client.query(`alter table ${table} set unlogged`);
      const digest = await catalogDigest(client);
      await client.query('insert into migration.fingerprint (digest) values ($1)', [digest]);
    });
    return store;
  }

  /** The load step, into what is empty. */
  load(sample: VectorSample, node?: string): Promise<Run> {
    return job(this.bench, sample, ['load'], node);
  }

  /** What is made after a load, the vector indexes among it. */
  index(sample: VectorSample): Promise<Run> {
    return job(this.bench, sample, ['index']);
  }

  /** Asks the database as a superuser. */
  sql<T>(use: (client: pg.Client) => Promise<T>): Promise<T> {
    return withConnection(this.url, use, 'cutover bench');
  }

  /** As before the first load. */
  async empty(): Promise<void> {
    await this.sql(async (client) => {
      await client.query(`truncate ${Object.values(PARTITIONS).join(', ')}`);
      await client.query('truncate migration.run, migration.verification cascade');
      await client.query('checkpoint');
    });
  }

  /** Columns of a partition that are written. */
  async columns(partition: string): Promise<string> {
    return this.sql(async (client) => {
      const { rows } = await client.query<{ columns: string }>(
        `select string_agg(quote_ident(attname), ', ' order by attnum) as columns from pg_attribute
         where attrelid = $1::regclass and attnum > 0 and attgenerated = ''`,
        [partition],
      );
      return rows[0]!.columns;
    });
  }

  /** Writes the rows of a partition in key order into a file that psql can take. @returns its size in bytes */
  async readyFile(partition: string, file: string): Promise<number> {
    const columns = await this.columns(partition);
    const query = `select ${columns} from ${partition} order by store, legacy_key, dimensions`;
    await copyOut(this.bench.platform, this.url, query, file, 'binary');
    return (await stat(file)).size;
  }

  /** Removes the database and its roles. Samples stay, for the next time. */
  async close(): Promise<void> {
    await withConnection(this.bench.platform.postgres, async (client) => {
      await client.query(`drop database if exists ${ident(DATABASE)} with (force)`);
      for (const kind of ROLE_KINDS)
        await client.query(`drop role if exists ${ident(`${DATABASE}_${kind}`)}`);
    });
  }
}
