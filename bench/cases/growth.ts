import { type CandleSample, candleSample } from '../candle-sample.ts';
import { CandleStore } from '../candle-store.ts';
import type { MakeCase, Peer } from '../case.ts';
import { LOAD, nameOf, VERIFY } from '../growth-plot.ts';

const SIZES = [10_000, 100_000, 1_000_000, 5_000_000];

export const make: MakeCase = async (bench) => {
  const most = bench.rows ?? SIZES.at(-1)!;
  const sizes = [...SIZES.filter((size) => size < most), most];
  const samples: CandleSample[] = [];
  for (const size of sizes) samples.push(await candleSample(bench, size));
  const store = await CandleStore.make(bench, 'keyed', samples[0]!);
  const peers = samples.flatMap((sample): Peer[] => [
    {
      name: nameOf(LOAD, sample.rows),
      rows: sample.rows,
      prepare: () => store.empty(),
      run: () => store.load(sample),
    },
    {
      name: nameOf(VERIFY, sample.rows),
      rows: sample.rows,
      prepare: () => store.hold(sample),
      run: () => store.verify(sample),
    },
  ]);
  return {
    name: 'growth',
    what: 'how load and verify grow with the rows (unlogged table with its key)',
    rows: most,
    against: nameOf(LOAD, most),
    peers,
    close: () => store.close(),
  };
};
