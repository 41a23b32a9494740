import type { MakeCase } from '../case.ts';
import { loadCandles } from '../load-candles.ts';

export const make: MakeCase = (bench) =>
  loadCandles(bench, {
    name: 'candles',
    what: 'SQLite into an ordinary unlogged table without its key',
    kind: 'bare',
  });
