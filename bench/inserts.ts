import { fileURLToPath } from 'node:url';
import type { CandleSample } from './candle-sample.ts';
import type { CandleStore } from './candle-store.ts';
import type { Peer, Run } from './case.ts';
import { runChild } from './child.ts';

const JOB = fileURLToPath(new URL('insert-job.ts', import.meta.url));

/** So many rows say what its rate is. */
const ENOUGH = 500_000;

/** What `bench/insert-job.ts` is asked to do, on its stdin. */
export interface InsertRequest {
  readonly url: string;
  /** SQLite file. */
  readonly file: string;
  readonly rows: number;
}

/** `INSERT … VALUES` of 1,000 rows each with `pg`, into the very table that the others load. */
export function inserts(store: CandleStore, sample: CandleSample): Peer {
  const rows = Math.min(sample.rows, ENOUGH);
  return {
    name: `pg, INSERT of 1,000 rows each${rows < sample.rows ? ', first rows only' : ''}`,
    rows,
    prepare: () => store.empty(),
    run: async () => {
      const request: InsertRequest = { url: store.url, file: sample.file, rows };
      const args = ['--import', 'tsx', JOB];
      const { stdout } = await runChild(process.execPath, args, { input: JSON.stringify(request) });
      return JSON.parse(stdout) as Run;
    },
  };
}
