import { candleSample, changedSample } from '../candle-sample.ts';
import { CandleStore } from '../candle-store.ts';
import type { MakeCase } from '../case.ts';
import { CANDLES } from '../load-candles.ts';

export const make: MakeCase = async (bench) => {
  const sample = await candleSample(bench, bench.rows ?? CANDLES);
  const store = await CandleStore.make(bench, 'keyed', sample);
  const changed = await changedSample(bench, sample);
  await store.hold(sample);
  const prepare = () => store.hold(sample);
  return {
    name: 'again',
    what: 'the load step once more, beside the first (unlogged table with its key)',
    rows: await store.count(),
    against: 'first load',
    peers: [
      { name: 'first load', prepare: () => store.empty(), run: () => store.load(sample) },
      { name: 'source unchanged', prepare, run: () => store.load(sample) },
      { name: 'every 1,000th row changed', prepare, run: () => store.load(changed) },
    ],
    close: () => store.close(),
  };
};
