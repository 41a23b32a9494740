import { candleSample } from './candle-sample.ts';
import { CandleStore, type Kind } from './candle-store.ts';
import type { Bench, Case } from './case.ts';
import { copyPeers } from './copy-peers.ts';
import { nodes } from './cutover.ts';
import { inserts } from './inserts.ts';
import { pgloader } from './pgloader.ts';
import { COPY_FORMATS } from './psql.ts';

/** How many candles there are in a case unless --rows says so. */
export const CANDLES = 5_000_000;

/** Candles of a SQLite file into one kind of table, ours beside others. */
export async function loadCandles(
  bench: Bench,
  { name, what, kind }: { readonly name: string; readonly what: string; readonly kind: Kind },
): Promise<Case> {
  const sample = await candleSample(bench, bench.rows ?? CANDLES);
  const store = await CandleStore.make(bench, kind, sample);
  const copies = await copyPeers(bench, store, sample, COPY_FORMATS);
  const ours = (await nodes()).map(({ path, name }) => ({
    name: `cutover, ${name}`,
    prepare: () => store.empty(),
    run: () => store.load(sample, { node: path }),
  }));
  const loader = await pgloader(bench, sample);
  return {
    name,
    what,
    rows: copies.rows,
    bytes: copies.bytes,
    against: copies.peers[0]!.name,
    peers: [...copies.peers, ...ours, loader.peer, inserts(store, sample)],
    close: async () => {
      await copies.close();
      await loader.close();
      await store.close();
    },
  };
}
