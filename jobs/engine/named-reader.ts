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

type NamedMapping = TableMapping & Required<Pick<TableMapping, 'fileOrder'>>;

/**
 * The records of a collection with a file a record, where the names of the files begin the key: sorted by these, they come
 * in key order, and no pass over all of them has to find out their keys. Those of one name are put into order among
 * themselves.
 */
export class NamedReader implements OrderedReader {
  readonly entity: string;
  readonly missingIsNotNull: boolean;
  readonly count: number;
  /** Opening and parsing a file of tens of kilobytes. */
  readonly weight = 20;
  readonly #files: readonly CollectionFile[];
  /** What each file is sorted by. */
  readonly #names: readonly string[];
  readonly #collection: JsonCollection;

  constructor(
    files: readonly CollectionFile[],
    private readonly mapping: NamedMapping,
    private readonly parents: Parents,
  ) {
    const named = files
      .map((file) => ({ file, name: mapping.fileOrder(file.name) }))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    this.#files = named.map(({ file }) => file);
    this.#names = named.map(({ name }) => name);
    this.#collection = new JsonCollection(mapping.entity, this.#files);
    this.entity = mapping.entity;
    this.missingIsNotNull = this.#collection.missingIsNotNull;
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
      if (at < this.count) cuts.push({ at, key: fileKey(this.#names[at]!) });
    }
    return cuts;
  }

  async close(): Promise<void> {
    await this.#collection.close();
  }

  #isSameName = (at: number) => this.#names[at] === this.#names[at - 1];

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
    const place: Place = { ordinal: at, file: at, offset: 0, length: -1, key: null, at: 0, part: 0 };
    return FileRecord.open(this.#files[at]!, place) ?? this.#collection.reread(place);
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
