import { candleSample } from '../candle-sample.ts';
import { CandleStore } from '../candle-store.ts';
import type { MakeCase } from '../case.ts';
import { CANDLES } from '../load-candles.ts';

export const make: MakeCase = async (bench) => {
  const sample = await candleSample(bench, bench.rows ?? CANDLES);
  const store = await CandleStore.make(bench, 'keyed', sample);
  await store.hold(sample);
  const prepare = () => store.hold(sample);
  return {
    name: 'verify',
    what: 'proof of a loaded table (unlogged, with its key) beside its load',
    rows: await store.count(),
    against: 'load',
    peers: [
      { name: 'load', prepare: () => store.empty(), run: () => store.load(sample) },
      {
        name: 'verify without the aggregates of both engines: every field of every row',
        prepare,
        run: () => store.verify(sample, { system: 'rowsOnly' }),
      },
      { name: 'verify, the whole step', prepare, run: () => store.verify(sample) },
    ],
    close: () => store.close(),
  };
};
