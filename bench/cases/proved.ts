import { candleSample } from '../candle-sample.ts';
import { CandleStore } from '../candle-store.ts';
import type { MakeCase, Run } from '../case.ts';
import { copyPeers } from '../copy-peers.ts';
import { CANDLES } from '../load-candles.ts';

export const make: MakeCase = async (bench) => {
  const sample = await candleSample(bench, bench.rows ?? CANDLES);
  const store = await CandleStore.make(bench, 'keyed', sample);
  const copies = await copyPeers(bench, store, sample, ['csv', 'binary']);
  const proved = (name: string, system?: 'rowsOnly') => ({
    name,
    prepare: () => store.empty(),
    run: async () => sum(await store.load(sample), await store.verify(sample, { system })),
  });
  return {
    name: 'proved',
    what: 'load and proof in one, beside loads of a ready file without any (unlogged table with its key)',
    rows: copies.rows,
    against: copies.peers[0]!.name,
    peers: [
      ...copies.peers,
      proved('load, then every field of every row', 'rowsOnly'),
      proved('load, then the whole verify step'),
    ],
    close: async () => {
      await copies.close();
      await store.close();
    },
  };
};

const sum = (a: Run, b: Run): Run => ({
  seconds: a.seconds + b.seconds,
  rss: Math.max(a.rss ?? 0, b.rss ?? 0),
});
