import { CandleStore, type Kind } from './candle-store.ts';
import type { Bench, Case, Peer } from './case.ts';
import { nodes } from './cutover.ts';
import { inserts } from './inserts.ts';
import { pgloader } from './pgloader.ts';
import { COPY_FORMATS, type CopyFormat, copyIn, psqlMissing } from './psql.ts';

/** How many candles there are in a case unless --rows says so. */
export const CANDLES = 5_000_000;

/** Candles of a SQLite file into one kind of table, ours beside others. */
export async function loadCandles(
  bench: Bench,
  { name, what, kind }: { readonly name: string; readonly what: string; readonly kind: Kind },
): Promise<Case> {
  const store = await CandleStore.make(bench, bench.rows ?? CANDLES, kind);
  await store.job(['load']);
  const rows = await store.count();
  const { peers: copies, bytes } = await copyPeers(bench, store, COPY_FORMATS);
  const ours = (await nodes()).map(({ path, name }) => ({
    name: `cutover, ${name}`,
    prepare: () => store.empty(),
    run: () => store.job(['load'], { node: path }),
  }));
  const loader = await pgloader(bench, store);
  return {
    name,
    what,
    rows,
    bytes,
    against: copies[0]!.name,
    peers: [...copies, ...ours, loader.peer, inserts(store)],
    close: async () => {
      await loader.close();
      await store.close();
    },
  };
}

/**
 * psql's COPY of ready files into the store's own table, which holds the rows that the files are made of.
 * @returns also the bytes of the rows in the form in which they are sent
 */
export async function copyPeers(
  bench: Bench,
  store: CandleStore,
  formats: readonly CopyFormat[],
): Promise<{ peers: Peer[]; bytes: number | undefined }> {
  const missing = await psqlMissing(bench.platform);
  const ready = missing === undefined ? await store.readyFiles(formats) : undefined;
  const peers = formats.map((format) => ({
    name: `psql, COPY ${format} of a ready file`,
    missing: async () => missing,
    prepare: () => store.empty(),
    run: () => copyIn(bench.platform, store.url, 'public.ohlcv_data', ready!.get(format)!.file, format),
  }));
  return { peers, bytes: ready?.get('binary')?.bytes };
}
