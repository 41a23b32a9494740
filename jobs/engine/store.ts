import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isCopied } from '../sources/copied-table.ts';
import { type HashedFile, shared } from '../sources/file-list.ts';
import { type CollectionFile, JsonCollection } from '../sources/json-collection.ts';
import { collectionPlaces, type FileShape, inOrder, shapeOf } from '../sources/json-layout.ts';
import type { StoredFiles } from '../sources/snapshot.ts';
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
  readonly files?: ReadonlyMap<string, readonly CollectionFile[]> | undefined;
  close(): Promise<void>;
}

/** What a snapshot is opened for: to be loaded, or to prove what was. */
export type Purpose = 'load' | 'proof';

/** @param scratch folder for what has to be sorted on disk; made, and removed by `close` */
export async function openStore(
  system: SystemMapping,
  snapshot: StoredFiles,
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
  const collections = new Map(
    Object.keys(layout.collections).map((entity) => [entity, new Collection(layout, entity, snapshot)]),
  );
  // Each has a file of its own for the order of its rows.
  let readers = 0;
  return {
    get files() {
      return new Map(Array.from(collections, ([entity, { files }]) => [entity, files]));
    },
    async reader(mapping, parents, known) {
      const { entity, fileOrder } = mapping;
      const collection = collections.get(entity)!;
      if (fileOrder) {
        const nameOf = (place: number) => fileOrder(collection.name(place));
        const order =
          (known as Uint32Array | undefined) ?? shared(Uint32Array, inOrder(collection.places, nameOf));
        const files = { length: order.length, at: (i: number) => collection.file(order[i]!) };
        return new NamedReader(files, { ...mapping, fileOrder }, parents, order);
      }
      const { files } = collection;
      if (files[0] && isCopied(files[0].name)) {
        const order = join(scratch, `${mapping.table}-${readers++}.order`);
        return TableReader.open(files[0], mapping, parents, order, known as string | undefined);
      }
      const file = join(scratch, `${mapping.table}.sort`);
      return SortedReader.open(
        new JsonCollection(entity, files),
        mapping,
        parents,
        file,
        known as KnownOrder | undefined,
      );
    },
    isLarge({ entity, fileOrder }) {
      if (fileOrder) return false;
      const [file] = collections.get(entity)!.files;
      return file !== undefined && isCopied(file.name) && file.size >= LARGE;
    },
    close: () => rm(scratch, { recursive: true, force: true }),
  };
}

/** The files of a collection, which are looked for once somebody asks for them: in a thread it may be that nobody does. */
class Collection {
  #files: readonly CollectionFile[] | undefined;

  constructor(
    private readonly layout: JsonLayout,
    private readonly entity: string,
    private readonly snapshot: StoredFiles,
  ) {}

  /** Their places among all files, in order of their names. */
  get places(): number[] {
    const { layout, entity, snapshot } = this;
    return collectionPlaces(layout, layout.collections[entity]!, snapshot.files);
  }

  get files(): readonly CollectionFile[] {
    this.#files ??= this.places.map((place) => this.file(place));
    return this.#files;
  }

  file(place: number): CollectionFile {
    return new StoredFile(this, place);
  }

  stored(place: number): HashedFile {
    return this.snapshot.files.at(place);
  }

  name(place: number): string {
    return this.snapshot.files.path(place);
  }

  path(place: number): string {
    return join(this.snapshot.folder, this.name(place));
  }

  shape(place: number): FileShape {
    return shapeOf(this.layout, this.layout.collections[this.entity]!, this.name(place));
  }
}

/** There may be a hundred thousand of them, so what they are is put together when it is asked for. */
class StoredFile implements CollectionFile {
  constructor(
    private readonly of: Collection,
    private readonly place: number,
  ) {}

  get name(): string {
    return this.of.name(this.place);
  }

  get path(): string {
    return this.of.path(this.place);
  }

  get size(): number {
    return this.of.stored(this.place).size;
  }

  get sha256(): string {
    return this.of.stored(this.place).sha256;
  }

  get records(): FileShape['records'] {
    return this.of.shape(this.place).records;
  }

  get keyedBy(): FileShape['keyedBy'] {
    return this.of.shape(this.place).keyedBy;
  }

  get each(): FileShape['each'] {
    return this.of.shape(this.place).each;
  }

  get partsOr(): FileShape['partsOr'] {
    return this.of.shape(this.place).partsOr;
  }
}
