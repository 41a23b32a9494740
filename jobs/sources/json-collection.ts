import { isUtf8 } from 'node:buffer';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { CutoverError } from '../errors.ts';
import { type FileShape, isReadWhole } from './json-layout.ts';
import { type ParsedJson, parseJson } from './json-parse.ts';
import {
  defectOf,
  Elements,
  JsonDocument,
  JsonElement,
  JsonPart,
  NOT_AN_OBJECT,
  OpaqueFile,
} from './json-records.ts';
import { JsonRows } from './json-rows.ts';
import { JsonRecord } from './json-split.ts';
import { parseJsonFile, parseRecord, readRecord, streamJson } from './json-stream.ts';
import { findKeyIssues, type JsonIssue, JsonObject, type JsonValue, jsonPath } from './json-value.ts';
import type { KnownFile, Place, PlacedRecord, SourceRecord, UnorderedReader } from './source.ts';

/** A file of a collection. */
export interface CollectionFile extends FileShape {
  readonly path: string;
  /** Its name in the store, with `/` between folders. */
  readonly name: string;
  /** In bytes, as the snapshot's manifest has it, and so the hash. */
  readonly size: number;
  readonly sha256: string;
}

/** A piece of a file that is parsed at once, and what stands in it. */
interface Piece {
  readonly file: number;
  /** Bytes in the file; -1 for all of it. */
  readonly offset: number;
  readonly length: number;
  readonly key: string | undefined;
  /** Place in the file's array or object. */
  readonly at: number;
}

/** The records of one collection, in the order of the files' names and of the records in each. */
export class JsonCollection implements UnorderedReader {
  readonly missingIsNotNull = true;
  #handle: { readonly file: number; readonly of: FileHandle } | undefined;
  /** Members whose key an earlier one of the same object has, as `file at`: their locators say so. */
  readonly #repeated = new Set<string>();
  /** By file. */
  readonly #known: Elements[] = [];
  /** The keys of the object that is being read. */
  #keys = new Set<string>();
  /** What was read again last: parts of one document are often asked for one after the other. */
  #last: { readonly piece: Piece; readonly records: readonly PlacedRecord[] } | undefined;

  constructor(
    readonly entity: string,
    private readonly files: readonly CollectionFile[],
  ) {}

  async *blocks(from: number): AsyncGenerator<PlacedRecord[]> {
    let ordinal = 0;
    for (const [file, shape] of this.files.entries()) {
      const { path, name, records = 'elements' } = shape;
      if (isPlain(shape)) {
        const of = this.#elementsOf(file, name, ordinal);
        for await (const pieces of streamJson(path, records === 'members' ? 'object' : 'array')) {
          const block = this.#elements(of, pieces, from);
          ordinal += pieces.length;
          if (block.length > 0) yield block;
        }
        continue;
      }
      if (isReadWhole(records)) {
        const piece: Piece = { file, offset: 0, length: -1, key: undefined, at: 0 };
        const block = await this.#readWhole(piece, ordinal);
        ordinal += block.length;
        const wanted = block.filter(({ place }) => place.ordinal >= from);
        if (wanted.length > 0) yield wanted;
        continue;
      }
      for await (const pieces of streamJson(path, records === 'members' ? 'object' : 'array')) {
        const block: PlacedRecord[] = [];
        for (const record of pieces) {
          const { offset, length, key, ordinal: at } = record;
          this.#noteKey(file, at, key);
          const parsed = parseRecord(record);
          for (const found of this.#expand(
            { file, offset, length, key, at },
            parsed,
            record.bytes,
            ordinal,
          )) {
            if (found.place.ordinal >= from) block.push(found);
            ordinal = found.place.ordinal + 1;
          }
        }
        if (block.length > 0) yield block;
      }
    }
  }

  /** The records of a file in which each piece is one record, from `from` on. */
  #elements(of: Elements, pieces: readonly JsonRecord[], from: number): PlacedRecord[] {
    const block: PlacedRecord[] = [];
    for (const piece of pieces) {
      const { ordinal: at, key } = piece;
      this.#noteKey(of.file, at, key);
      if (of.first + at < from) continue;
      block.push(new JsonElement(of, piece, this.#isRepeated(of.file, at)));
    }
    return block;
  }

  #elementsOf(file: number, name: string, first: number): Elements {
    this.#known[file] ??= new Elements(file, name, first);
    return this.#known[file];
  }

  #noteKey(file: number, at: number, key: string | undefined): void {
    if (key === undefined) return;
    if (at === 0) this.#keys = new Set();
    if (this.#keys.has(key)) this.#repeated.add(`${file} ${at}`);
    this.#keys.add(key);
  }

  #isRepeated(file: number, at: number): boolean {
    return this.#repeated.size > 0 && this.#repeated.has(`${file} ${at}`);
  }

  /** Also undefined for the members of an object: their keys have to be known. */
  rows(columns: readonly string[], known?: readonly KnownFile[]): JsonRows | undefined {
    const isRows = this.files.every((file) => isPlain(file) && (file.records ?? 'elements') === 'elements');
    if (!isRows) return undefined;
    const elementsOf = (file: number, first: number) => this.#elementsOf(file, this.files[file]!.name, first);
    return new JsonRows(columns, this.files, elementsOf, known);
  }

  revive(place: Place, block: Buffer, start: number, end: number): JsonElement {
    const { file, at, offset } = place;
    const { path, name } = this.files[file]!;
    const key = place.key ?? undefined;
    const issues = key === undefined ? [] : findKeyIssues(key);
    const piece = new JsonRecord(path, at, key, issues, offset, block, start, end);
    const of = this.#elementsOf(file, name, place.ordinal - at);
    return new JsonElement(of, piece, this.#isRepeated(file, at));
  }

  async reread(place: Place): Promise<SourceRecord> {
    const { file, offset, length, key, at } = place;
    const last = this.#last?.piece;
    if (last?.file !== file || last.offset !== offset || last.length !== length) {
      const piece: Piece = { file, offset, length, key: key ?? undefined, at };
      const first = place.ordinal - place.part;
      this.#last = { piece, records: await this.#readPiece(piece, first) };
    }
    return this.#last!.records[place.part]!;
  }

  async close(): Promise<void> {
    await this.#handle?.of.close();
    this.#handle = undefined;
    this.#last = undefined;
    this.#known.length = 0;
  }

  async #readPiece(piece: Piece, first: number): Promise<PlacedRecord[]> {
    if (piece.length < 0) return this.#readWhole(piece, first);
    if (this.#handle?.file !== piece.file) {
      await this.#handle?.of.close();
      this.#handle = { file: piece.file, of: await open(this.files[piece.file]!.path) };
    }
    const bytes = await readRecord(this.#handle.of, piece.offset, piece.length);
    if (isPlain(this.files[piece.file]!)) {
      const place: Place = { ...piece, key: piece.key ?? null, ordinal: first, part: 0 };
      return [this.revive(place, bytes, 0, bytes.length)];
    }
    const { value, issues } = parseJson(bytes);
    const ofKey = piece.key === undefined ? [] : findKeyIssues(piece.key);
    return this.#expand(piece, { value, issues: [...ofKey, ...issues] }, bytes, first);
  }

  async #readWhole(piece: Piece, first: number): Promise<PlacedRecord[]> {
    const file = this.files[piece.file]!;
    const { path, name } = file;
    const place: Place = { ...piece, key: null, ordinal: first, part: 0 };
    if (file.records === 'file') return [new OpaqueFile(file, place)];
    try {
      return this.#expand(piece, await parseJsonFile(path), undefined, first);
    } catch (error) {
      if (!(error instanceof CutoverError)) throw error;
      const detail = error.message.replaceAll(path, name);
      const bytes = await readFile(path);
      const text = isUtf8(bytes) ? bytes.toString('utf8') : undefined;
      return [new OpaqueFile(file, place, { code: 'BAD_JSON', field: '$', detail }, text)];
    }
  }

  /** The records in a piece; `first` is the ordinal of the first. */
  #expand(piece: Piece, parsed: ParsedJson, bytes: Buffer | undefined, first: number): PlacedRecord[] {
    const { name, records = 'elements', keyedBy, each, partsOr } = this.files[piece.file]!;
    const { value, issues } = parsed;
    const object = value instanceof JsonObject ? value : undefined;
    const place = (part: number): Place => ({
      ...piece,
      key: piece.key ?? null,
      ordinal: first + part,
      part,
    });
    if (partsOr !== undefined) {
      if (piece.at > 0) {
        const defect = { code: partsOr, field: '$', detail: 'the first object is the one that counts' };
        const locator = `${name} at byte ${piece.offset}`;
        return [new JsonDocument({ locator, file: name, key: undefined, value, bytes, defect }, place(0))];
      }
      if (object && object.size > 0) {
        return object.keys.map((key, part) => {
          const locator = `${name} ${key.replaceAll('\0', '\\0')}`;
          return new JsonPart(locator, name, object, part, defectOf(issues), place(part));
        });
      }
    }
    const documents: Around[] = [];
    if (records === 'any' && Array.isArray(value)) {
      for (const [at, element] of value.entries()) {
        documents.push({ key: undefined, value: element, path: `$[${at}]`, locator: `${name}[${at}]` });
      }
    } else if (keyedBy !== undefined && object && isKeyed(object, keyedBy)) {
      for (const [key, member] of object) {
        const path = jsonPath('$', key);
        documents.push({ key, value: member, path, locator: `${name}[${JSON.stringify(key)}]` });
      }
    } else {
      const at =
        records === 'members' ? JSON.stringify(piece.key) : records === 'elements' ? piece.at : undefined;
      const repeated = this.#isRepeated(piece.file, piece.at) ? ` at byte ${piece.offset}` : '';
      documents.push({
        key: piece.key,
        value,
        path: '$',
        locator: at === undefined ? name : `${name}[${at}]${repeated}`,
      });
    }
    const found: PlacedRecord[] = [];
    for (const around of documents) {
      if (each === undefined) {
        const defect = objectDefect(around.value, issues, around.path);
        const whole = around.path === '$' ? bytes : undefined;
        found.push(new JsonDocument({ ...around, file: name, bytes: whole, defect }, place(found.length)));
        continue;
      }
      for (const inner of innerOf(around, each, issues, records === 'document')) {
        const defect = inner.defect ?? objectDefect(inner.value, issues, inner.path);
        const within = { document: around.value, index: inner.index };
        found.push(new JsonDocument({ ...inner, file: name, defect, within }, place(found.length)));
      }
    }
    return found;
  }
}

/** Whether each element or member of the file is one record, and nothing else is. */
function isPlain({ records = 'elements', keyedBy, each, partsOr }: FileShape): boolean {
  return !isReadWhole(records) && keyedBy === undefined && each === undefined && partsOr === undefined;
}

/** A value, and where it stands. */
interface Around {
  readonly key: string | undefined;
  readonly value: JsonValue;
  /** Below the piece, see `jsonPath`. */
  readonly path: string;
  readonly locator: string;
}

/** Whether an object holds the documents by the field that each of them has instead of being one. */
function isKeyed(object: JsonObject, keyedBy: string): boolean {
  return (
    object.size > 0 && !object.has(keyedBy) && object.values.every((value) => value instanceof JsonObject)
  );
}

interface Inner extends Around {
  readonly index: number;
  readonly defect?: SourceRecord['defect'];
}

/**
 * The elements of an array or the members of an object that a record holds under a name. Where nobody can say what they
 * are, one defective record stands for all of them.
 * @param whole the record is a file of its own: one of another shape is nobody else's to refuse
 */
function innerOf(around: Around, name: string, issues: readonly JsonIssue[], whole: boolean): Inner[] {
  const refused = (defect: SourceRecord['defect']): Inner[] => [{ ...around, index: 0, defect }];
  if (!(around.value instanceof JsonObject)) return whole ? refused(NOT_AN_OBJECT) : [];
  const held = around.value.get(name);
  if (held === undefined || held === null) return [];
  const path = jsonPath(around.path, name);
  const repeated = issues.find(
    (issue) => issue.code === 'DUPLICATE_KEY' && (issue.path === path || issue.path === around.path),
  );
  if (repeated) return refused({ code: repeated.code, field: repeated.path, detail: repeated.detail });
  const locator = `${around.locator}.${name}`;
  if (Array.isArray(held)) {
    return held.map((value, index) => ({
      key: around.key,
      value,
      index,
      path: jsonPath(path, index),
      locator: `${locator}[${index}]`,
    }));
  }
  if (held instanceof JsonObject) {
    return held.keys.map((key, index) => ({
      key,
      value: held.values[index]!,
      index,
      path: jsonPath(path, key),
      locator: `${locator}[${JSON.stringify(key)}]`,
    }));
  }
  const defect = { code: 'WRONG_TYPE', field: name, detail: 'neither an array nor an object' };
  return [{ key: around.key, value: held, index: 0, path, locator, defect }];
}

/** What a document can't be stored with; non-finite numbers are a matter of each field's contract. */
function objectDefect(value: JsonValue, issues: readonly JsonIssue[], path: string): SourceRecord['defect'] {
  if (!(value instanceof JsonObject)) return NOT_AN_OBJECT;
  return defectOf(path === '$' ? issues : issues.filter((each) => isBelow(each.path, path)));
}

const isBelow = (path: string, above: string) =>
  path.startsWith(above) && (path.length === above.length || '.['.includes(path[above.length]!));
