import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type CollectionFile, JsonCollection } from '../sources/json-collection.ts';
import { collectionFiles, shapeOf } from '../sources/json-layout.ts';
import type { Snapshot } from '../sources/snapshot.ts';
import type { OrderedReader } from '../sources/source.ts';
import { SqliteStore } from '../sources/sqlite.ts';
import type { SystemMapping, TableMapping } from './mapping.ts';
import { NamedReader } from './named-reader.ts';
import type { Parents } from './parents.ts';
import { SortedReader } from './sorted-reader.ts';

/** A snapshot, open for reading. */
export interface OpenStore {
  /** The records of one mapping in key order. */
  reader(mapping: TableMapping, parents: Parents): Promise<OrderedReader>;
  /** The store's own engine, where it has one. */
  readonly sqlite?: SqliteStore | undefined;
  /** The files of a store that has no engine, by collection. */
  readonly files?: Readonly<Record<string, readonly CollectionFile[]>> | undefined;
  close(): Promise<void>;
}

/** @param scratch folder for what has to be sorted on disk; made, and removed by `close` */
export async function openStore(
  system: SystemMapping,
  snapshot: Snapshot,
  scratch: string,
): Promise<OpenStore> {
  const layout = system.source;
  if (layout.kind === 'sqlite') {
    const sqlite = new SqliteStore(snapshot.database!);
    return {
      sqlite,
      reader: async (mapping) => sqlite.reader(mapping),
      close: async () => sqlite.close(),
    };
  }
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  const stored = new Map(snapshot.manifest.files.map((file) => [file.path, file]));
  const files = Object.fromEntries(
    Object.entries(layout.collections).map(([name, collection]) => [
      name,
      collectionFiles(layout, collection, [...stored.keys()]).map((name) => ({
        ...shapeOf(layout, collection, name),
        ...stored.get(name)!,
        name,
        path: join(snapshot.folder, name),
      })),
    ]),
  );
  return {
    files,
    async reader(mapping, parents) {
      const { fileOrder } = mapping;
      if (fileOrder) return new NamedReader(files[mapping.entity]!, { ...mapping, fileOrder }, parents);
      const collection = new JsonCollection(mapping.entity, files[mapping.entity]!);
      return SortedReader.open(collection, mapping, parents, join(scratch, `${mapping.table}.sort`));
    },
    close: () => rm(scratch, { recursive: true, force: true }),
  };
}
