import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'libsql';
import { ident, libpqVariables, urlFor, withConnection } from '../jobs/database.ts';
import { CutoverError } from '../jobs/errors.ts';
import { readOnlyUri } from '../jobs/sources/sqlite-uri.ts';
import { type CandleSample, changedCopy } from './candle-sample.ts';
import type { Bench, Peer } from './case.ts';
import { runChild } from './child.ts';
import { findProgram } from './programs.ts';

const DATABASE = 'bench_pgloader';

/** The legacy columns as they are, so that pgloader has nothing to convert but a text to a time. */
const TABLE = `create unlogged table ohlcv_data (id bigint, symbol text, timeframe text, timestamp timestamptz,
  open float8, high float8, low float8, close float8, volume float8, created_at timestamptz, updated_at timestamptz)`;

/** What gave the most on two cores (its defaults are a fifth slower). */
const TUNING = 'workers = 2, concurrency = 1, prefetch rows = 50000, batch rows = 50000, batch size = 64MB';

/** pgloader on the same SQLite file, into a table of its columns without key or index. */
export async function pgloader(
  bench: Bench,
  sample: CandleSample,
): Promise<{ peer: Peer; close(): Promise<void> }> {
  const program = await findProgram('pgloader');
  const url = urlFor(bench.platform.timescale, DATABASE);
  const { file, rows } = await readable(sample);
  const control = join(sample.folder, 'pgloader.load');
  const prepare = async () => {
    await drop(bench);
    await withConnection(bench.platform.timescale, (client) =>
      client.query(`create database ${ident(DATABASE)}`),
    );
    await withConnection(url, (client) => client.query(TABLE));
    const { hostname, port, username } = new URL(url);
    await writeFile(
      control,
      `LOAD DATABASE FROM sqlite:///${file}
       INTO postgresql://${username}@${hostname}:${port}/${DATABASE}?sslmode=require
       WITH data only, ${TUNING}
       INCLUDING ONLY TABLE NAMES LIKE 'ohlcv_data';\n`,
    );
  };
  return {
    close: () => drop(bench),
    peer: {
      name: 'pgloader, tuned',
      rows,
      missing: async () => (program ? undefined : 'pgloader (Debian: pgloader)'),
      prepare,
      run: async () => {
        const { PGPASSWORD = '', PGSSLROOTCERT = '' } = libpqVariables(url);
        const args = ['--root-dir', join(sample.folder, 'pgloader'), control];
        // It knows no verify-full; its TLS library verifies by what this variable names.
        const ended = await runChild(program!, args, { env: { PGPASSWORD, SSL_CERT_FILE: PGSSLROOTCERT } });
        // It ends well whatever it could not load.
        const loaded = await withConnection(url, async (client) => {
          const { rows: found } = await client.query<{ n: string }>('select count(*) as n from ohlcv_data');
          return Number(found[0]!.n);
        });
        if (loaded === rows) return ended;
        throw new CutoverError(
          'internal',
          `pgloader loaded ${loaded} of ${rows} rows: ${ended.stdout.slice(-500)}`,
        );
      },
    },
  };
}

async function drop({ platform }: Bench): Promise<void> {
  await withConnection(platform.timescale, (client) =>
    client.query(`drop database if exists ${ident(DATABASE)} with (force)`),
  );
}

/** A copy without the rows that hold an infinity, for one of which pgloader drops a whole batch. */
async function readable({ file: original, folder }: CandleSample): Promise<{ file: string; rows: number }> {
  const file = join(folder, 'finite.db');
  const sum = ['open', 'high', 'low', 'close', 'volume'].map((column) => `abs(${column})`).join(' + ');
  await changedCopy(original, file, `delete from ohlcv_data where ${sum} = 9e999`);
  const db = new Database(readOnlyUri(file));
  try {
    const [rows] = db.prepare('select count(*) from ohlcv_data').raw(true).get() as unknown as [number];
    return { file, rows };
  } finally {
    db.close();
  }
}
