import { rm } from 'node:fs/promises';
import type { CandleSample } from './candle-sample.ts';
import { type CandleStore, TABLE } from './candle-store.ts';
import type { Bench, Peer } from './case.ts';
import { type CopyFormat, copyIn, psqlMissing } from './psql.ts';

/** psql's COPY of ready files into the store's own table. */
export interface CopyPeers {
  readonly peers: readonly Peer[];
  /** Rows of each file. */
  readonly rows: number;
  /** Bytes of the first file; undefined without psql. */
  readonly bytes?: number | undefined;
  /** Removes the files. */
  close(): Promise<void>;
}

/** Makes the files of what the store holds after a load of the sample. */
export async function copyPeers(
  bench: Bench,
  store: CandleStore,
  sample: CandleSample,
  formats: readonly CopyFormat[],
): Promise<CopyPeers> {
  await store.hold(sample);
  const missing = await psqlMissing(bench.platform);
  const ready = new Map<CopyFormat, { file: string; bytes: number }>();
  if (missing === undefined) {
    for (const format of formats) ready.set(format, await store.readyFile(sample.folder, format));
  }
  return {
    rows: await store.count(),
    bytes: ready.get(formats[0]!)?.bytes,
    peers: formats.map((format) => ({
      name: `psql, COPY ${format} of a ready file`,
      missing: async () => missing,
      prepare: () => store.empty(),
      run: () => copyIn(bench.platform, store.url, TABLE, ready.get(format)!.file, format),
    })),
    close: async () => {
      for (const { file } of ready.values()) await rm(file, { force: true });
    },
  };
}
