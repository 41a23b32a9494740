import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isCopied } from '../sources/copied-table.ts';
import { type CollectionFile, JsonCollection } from '../sources/json-collection.ts';
import { collectionFiles, type FileShape, shapeOf } from '../sources/json-layout.ts';
import type { HashedFile, Snapshot } from '../sources/snapshot.ts';
import type { KnownOrder, OrderedReader } from '../sources/source.ts';
import type { SqliteStore } from '../sources/sqlite.ts';
import type { JsonLayout, SystemMapping, TableMapping } from './mapping.ts';
import { NamedReader } from './named-reader.ts';
import type { Parents } from './parents.ts';
import { SortedReader } from './sorted-reader.ts';
import { TableReader } from './table-reader.ts';

/** Bytes of a copied table. */
const LARGE = 64 << 20;

/** A snapshot, open for reading. */
export interface OpenStore {
  /** The records of one mapping in key order. @param known what a reader of them on another thread knows */
  reader(mapping: TableMapping, parents: Parents, known?: unknown): Promise<OrderedReader>;
  /** Whether there will be work for threads once the order of its records is known. */
  isLarge?(mapping: TableMapping): boolean;
  /** The store's own engine, where it has one. */
  readonly sqlite?: SqliteStore | undefined;
  /** The files of a store that has no engine, by collection. */
  readonly files?: Readonly<Record<string, readonly CollectionFile[]>> | undefined;
  close(): Promise<void>;
}

/** What a snapshot is opened for: to be loaded, or to prove what was. */
export type Purpose = 'load' | 'proof';

/** @param scratch folder for what has to be sorted on disk; made, and removed by `close` */
export async function openStore(
  system: SystemMapping,
  snapshot: Snapshot,
  scratch: string,
  purpose: Purpose,
): Promise<OpenStore> {
  const layout = system.source;
  if (layout.kind === 'sqlite') {
    // Its engine is made ready as it is imported, which a store of files has no use for.
    const { SqliteStore } = await import('../sources/sqlite.ts');
    const sqlite = new SqliteStore(snapshot.database!, purpose === 'proof');
    return {
      sqlite,
      reader: async (mapping, _parents, known) => sqlite.reader(mapping, known),
      close: async () => sqlite.close(),
    };
  }
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  const files = filesOf(layout, snapshot);
  // Each has a file of its own for the order of its rows.
  let readers = 0;
  return {
    files,
    async reader(mapping, parents, known) {
      const { fileOrder } = mapping;
      const of = files[mapping.entity]!;
      if (fileOrder) return new NamedReader(of, { ...mapping, fileOrder }, parents);
      if (of[0] && isCopied(of[0].name)) {
        const order = join(scratch, `${mapping.table}-${readers++}.order`);
        return TableReader.open(of[0], mapping, parents, order, known as string | undefined);
      }
      const collection = new JsonCollection(mapping.entity, of);
      const file = join(scratch, `${mapping.table}.sort`);
      return SortedReader.open(collection, mapping, parents, file, known as KnownOrder | undefined);
    },
    isLarge({ entity }) {
      const [file] = files[entity]!;
      return file !== undefined && isCopied(file.name) && file.size >= LARGE;
    },
    close: () => rm(scratch, { recursive: true, force: true }),
  };
}

/** The files of each collection. */
function filesOf(layout: JsonLayout, { folder, manifest }: Snapshot): Record<string, CollectionFile[]> {
  const stored = new Map(manifest.files.map((file) => [file.path, file]));
  const names = [...stored.keys()];
  return Object.fromEntries(
    Object.entries(layout.collections).map(([collection, of]) => [
      collection,
      collectionFiles(layout, of, names).map(
        (name) => new StoredFile(shapeOf(layout, of, name), stored.get(name)!, folder),
      ),
    ]),
  );
}

/** There may be a hundred thousand of them, so their paths are put together when they are asked for. */
class StoredFile implements CollectionFile {
  constructor(
    private readonly shape: FileShape,
    private readonly file: HashedFile,
    private readonly folder: string,
  ) {}

  get name(): string {
    return this.file.path;
  }

  get path(): string {
    return join(this.folder, this.file.path);
  }

  get size(): number {
    return this.file.size;
  }

  get sha256(): string {
    return this.file.sha256;
  }

  get records(): FileShape['records'] {
    return this.shape.records;
  }

  get keyedBy(): FileShape['keyedBy'] {
    return this.shape.keyedBy;
  }

  get each(): FileShape['each'] {
    return this.shape.each;
  }

  get partsOr(): FileShape['partsOr'] {
    return this.shape.partsOr;
  }
}
