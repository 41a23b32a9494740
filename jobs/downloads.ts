import { refusal } from './sources/json-layout.ts';
import type { SourceOptions } from './sources/locate.ts';
import { SYSTEMS, storeOf } from './systems/index.ts';

/** Adds the means to bring the stores that lie in an object store, each once, however many steps and systems want it. */
export function withDownloads(sources: SourceOptions): SourceOptions {
  const { objects, stores } = sources;
  if (objects === undefined) return sources;
  const begun = new Map<string, Promise<void>>();
  const download = async (store: string): Promise<void> => {
    const place = objects.get(store);
    if (place === undefined) return;
    const { downloadObjects } = await import('./sources/s3.ts');
    const readers = SYSTEMS.filter((system) => storeOf(system) === store);
    await downloadObjects(place, stores.get(store)!, (name) =>
      readers.every(({ source }) => refusal(source, name) === undefined),
    );
  };
  return {
    ...sources,
    download: (store) => {
      const running = begun.get(store) ?? download(store);
      begun.set(store, running);
      return running;
    },
  };
}
