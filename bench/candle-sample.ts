import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'libsql';
import type { Bench } from './case.ts';
import { runChild } from './child.ts';
import { runJob } from './cutover.ts';

const MAIN = fileURLToPath(new URL('../jobs/main.ts', import.meta.url));
const STORE = join('trdinger', 'trdinger.db');

/** Made-up candles in a legacy store, and a snapshot of it. */
export interface CandleSample {
  /** Ordinary rows; beside them are those of each hazard. */
  readonly rows: number;
  /** Folder of all that is made of it. */
  readonly folder: string;
  /** What a job's --source would be. */
  readonly source: string;
  /** Folder of the snapshots, this one's and those of changed copies: a job's --home. */
  readonly home: string;
  /** Digest of its snapshot. */
  readonly snapshot: string;
  /** The SQLite file. */
  readonly file: string;
}

/** The sample of so many rows, made unless it is there. Bad records are in it, as in every sample. */
export async function candleSample(bench: Bench, rows: number): Promise<CandleSample> {
  const sample = storeIn(join(bench.folder, `candles-${rows}`), rows, 'sample');
  // The manifest is written last.
  if (!existsSync(join(sample.source, 'sample.json'))) {
    bench.log(`making ${rows} candles in ${sample.source}`);
    await mkdir(sample.folder, { recursive: true });
    const args = ['sample', '--out', sample.source, '--seed', '1', '--rows', `ohlcv_data=${rows}`];
    await runChild(process.execPath, ['--import', 'tsx', MAIN, ...args]);
  }
  return withSnapshot(bench, sample);
}

/** A copy in which every 1,000th row has another volume. */
export async function changedSample(bench: Bench, of: CandleSample): Promise<CandleSample> {
  const changed = storeIn(of.folder, of.rows, 'changed');
  await changedCopy(of.file, changed.file, 'update ohlcv_data set volume = volume + 1 where id % 1000 = 0');
  return withSnapshot(bench, changed);
}

/** A copy of a SQLite file with a change made to it, unless it is there. */
export async function changedCopy(original: string, copy: string, sql: string): Promise<void> {
  if (existsSync(copy)) return;
  const draft = `${copy}.draft`;
  await mkdir(dirname(copy), { recursive: true });
  await copyFile(original, draft);
  const db = new Database(draft);
  try {
    db.exec(sql);
  } finally {
    db.close();
  }
  await rename(draft, copy);
}

type Store = Omit<CandleSample, 'snapshot'>;

function storeIn(folder: string, rows: number, name: string): Store {
  const source = join(folder, name);
  return { rows, folder, source, home: join(folder, 'home'), file: join(source, STORE) };
}

async function withSnapshot(bench: Bench, store: Store): Promise<CandleSample> {
  const { platform, folder } = bench;
  const { home, source } = store;
  // Beside the store, whose every file is a part of the snapshot.
  const known = `${source}.snapshot`;
  if (!existsSync(known)) {
    await mkdir(home, { recursive: true });
    const system = { module: new URL('candle-systems.ts', import.meta.url).href, name: 'plain' };
    await runJob({ system, steps: ['backup'], platform, home, secrets: folder, source });
    await copyFile(join(home, 'snapshots', 'trdinger', 'current'), known);
  }
  return { ...store, snapshot: (await readFile(known, 'utf8')).trim() };
}
