import { setImmediate } from 'node:timers/promises';
import { type CollectionFile, JsonCollection } from '../sources/json-collection.ts';
import { parseJson } from '../sources/json-parse.ts';
import { JsonDocument } from '../sources/json-records.ts';
import { JsonObject } from '../sources/json-value.ts';
import type { LeftOut } from '../sources/left-out.ts';
import { readSmall } from '../sources/small-file.ts';
import type { Cut, OrderedReader, Place, Raw, SourceRecord } from '../sources/source.ts';
import { wholeKeyReader } from './key-reader.ts';
import type { TableMapping } from './mapping.ts';
import type { Parents } from './parents.ts';

/** Records that are read at a stretch, before sockets get their turn. */
const BLOCK = 16;
/** The collection may be cut into about so many pieces. */
const CUTS = 256;

/** Files of a collection, each made when it is asked for: there may be a hundred thousand. */
export interface CollectionFiles {
  readonly length: number;
  /** @param i below `length` */
  at(i: number): CollectionFile;
}

type NamedMapping = TableMapping & Required<Pick<TableMapping, 'fileOrder'>>;

/**
 * The records of a collection with a file a record, where the names of the files begin the key: sorted by these, they come
 * in key order, and no pass over all of them has to find out their keys. Those of one name are put into order among
 * themselves.
 */
export class NamedReader implements OrderedReader {
  readonly entity: string;
  readonly missingIsNotNull = true;
  readonly count: number;
  /** Opening and parsing a file of tens of kilobytes. */
  readonly weight = 20;
  /**
   * @param files in the order of what `fileOrder` says of their names
   * @param known what a reader on another thread needs to know of their order
   */
  constructor(
    private readonly files: CollectionFiles,
    private readonly mapping: NamedMapping,
    private readonly parents: Parents,
    readonly known?: unknown,
  ) {
    this.entity = mapping.entity;
    this.count = files.length;
  }

  async *blocks(from: number): AsyncGenerator<SourceRecord[]> {
    // What comes from one name is put into order as a whole, wherever in it the pass begins.
    let at = this.#beginOf(from);
    let skipped = from - at;
    while (at < this.count) {
      const block = await this.#block(at);
      at += block.length;
      yield skipped > 0 ? block.slice(skipped) : block;
      skipped = 0;
      // A batch of rows would else hold all that they were made of.
      for (const record of block) if (record instanceof FileRecord) record.forget();
      await setImmediate();
    }
  }

  /** Between two names. */
  cuts(): readonly Cut[] {
    const { fileKey, watch } = this.mapping;
    // What a rule that looks back saw is of one part.
    if (!fileKey || watch) return [];
    const cuts: Cut[] = [];
    const step = Math.ceil(this.count / CUTS);
    for (let at = step; at < this.count; at += step) {
      while (at < this.count && this.#isSameName(at)) at++;
      if (at < this.count) cuts.push({ at, key: fileKey(this.#name(at)) });
    }
    return cuts;
  }

  async close(): Promise<void> {}

  /** What a file is sorted by. */
  #name(at: number): string {
    return this.mapping.fileOrder(this.files.at(at).name);
  }

  /** As the file before. */
  #isSameName(at: number): boolean {
    return this.#name(at) === this.#name(at - 1);
  }

  #beginOf(from: number): number {
    let at = from;
    while (at > 0 && at < this.count && this.#isSameName(at)) at--;
    return at;
  }

  /** The records of whole names from a file on, in key order: about {@link BLOCK} of them, none behind the last file. */
  async #block(from: number): Promise<SourceRecord[]> {
    const records: SourceRecord[] = [];
    const groups: number[] = [];
    for (let at = from; at < this.count; at++) {
      const isNew = at === from || !this.#isSameName(at);
      if (isNew && records.length >= BLOCK) break;
      if (isNew) groups.push(records.length);
      records.push(await this.#record(at));
    }
    if (groups.length === records.length) return records;
    return groups.flatMap((start, i) => this.#sorted(records.slice(start, groups[i + 1])));
  }

  #sorted(group: SourceRecord[]): SourceRecord[] {
    if (group.length === 1) return group;
    const keyOf = wholeKeyReader(this.mapping, this.parents, this.missingIsNotNull);
    return group
      .map((record) => ({ record, key: keyOf(record) }))
      .sort((a, b) => a.key.compare(b.key))
      .map(({ record }) => record);
  }

  async #record(at: number): Promise<SourceRecord> {
    const file = this.files.at(at);
    const place: Place = { ordinal: at, file: 0, offset: 0, length: -1, key: null, at: 0, part: 0 };
    return FileRecord.open(file, place) ?? new JsonCollection(this.entity, [file]).reread(place);
  }
}

/**
 * The record in a small file that nothing is wrong with. It is read at once, for promises cost more than the bytes, and
 * again where somebody asks for it when it has been forgotten.
 */
class FileRecord implements SourceRecord {
  readonly defect = undefined;
  #document: JsonDocument | undefined;

  private constructor(
    private readonly file: CollectionFile,
    private readonly place: Place,
  ) {}

  /** @returns undefined for a file that only the collection can tell of */
  static open(file: CollectionFile, place: Place): FileRecord | undefined {
    const record = new FileRecord(file, place);
    try {
      record.#document = record.#read();
    } catch {
      return undefined;
    }
    return record.#document && record;
  }

  get locator(): string {
    return this.file.name;
  }

  get(field: string): Raw {
    return this.#own.get(field);
  }

  own(field: string): Raw {
    return this.#own.own(field);
  }

  fields(): Iterable<string> {
    return this.#own.fields();
  }

  payload(leftOut: LeftOut): string {
    return this.#own.payload(leftOut);
  }

  forget(): void {
    this.#document = undefined;
  }

  get #own(): JsonDocument {
    this.#document ??= this.#read()!;
    return this.#document;
  }

  #read(): JsonDocument | undefined {
    const { path, name } = this.file;
    const bytes = readSmall(path);
    if (bytes === undefined) return undefined;
    const { value, issues } = parseJson(bytes);
    if (!(value instanceof JsonObject) || issues.length > 0) return undefined;
    const described = { locator: name, file: name, key: undefined, value, defect: undefined };
    return new JsonDocument(described, this.place);
  }
}
