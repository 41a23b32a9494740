import { CandleStore, type Kind } from './candle-store.ts';
import type { Bench, Case, Peer } from './case.ts';
import { nodes } from './cutover.ts';
import { COPY_FORMATS, copyIn, psqlMissing } from './psql.ts';

/** Candles of a SQLite file into one kind of table, ours beside others. */
export async function loadCandles(
  bench: Bench,
  {
    name,
    what,
    kind,
    others = () => [],
  }: {
    readonly name: string;
    readonly what: string;
    readonly kind: Kind;
    /** Peers beyond ours and psql's. */
    readonly others?: (store: CandleStore, rows: number) => readonly Peer[];
  },
): Promise<Case> {
  const store = await CandleStore.make(bench, bench.rows ?? 5_000_000, kind);
  await store.job(['load']);
  const rows = await store.count();
  const psql = await psqlMissing(bench.platform);
  const ready = psql === undefined ? await store.readyFiles() : undefined;
  const prepare = () => store.empty();
  const ours = (await nodes()).map(({ path, name }) => ({
    name: `cutover, ${name}`,
    prepare,
    run: () => store.job(['load'], { node: path }),
  }));
  const theirs = COPY_FORMATS.map((format) => ({
    name: `psql COPY ${format} of a ready file`,
    missing: async () => psql,
    prepare,
    run: () => copyIn(bench.platform, store.url, 'public.ohlcv_data', ready![format].file, format),
  }));
  return {
    name,
    what,
    rows,
    bytes: ready?.binary.bytes,
    against: theirs[0]!.name,
    peers: [...theirs, ...ours, ...others(store, rows)],
    close: () => store.close(),
  };
}
