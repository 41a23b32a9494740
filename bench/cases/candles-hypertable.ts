import type { MakeCase } from '../case.ts';
import { loadCandles } from '../load-candles.ts';

export const make: MakeCase = (bench) =>
  loadCandles(bench, {
    name: 'candles-hypertable',
    what: 'SQLite into the hypertable with its key, logged: TimescaleDB has no unlogged ones',
    kind: 'hypertable',
  });
