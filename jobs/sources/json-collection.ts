import { type FileHandle, open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { type ParsedJson, parseJson } from './json-parse.ts';
import { type JsonRecord, parseRecord, readRecord, streamJson } from './json-stream.ts';
import { type JsonIssue, JsonNumber, JsonObject, type JsonValue } from './json-value.ts';
import type { Place, Raw, SourceRecord, UnorderedReader } from './source.ts';

/**
 * The documents of one collection: a file with an array of objects. With `partsOr`, each member of the first document
 * is an entity of its own, with the fields `key` and `value` (the document's members can be asked for by name, too), and
 * every further document is defective for the reason that `partsOr` gives.
 */
export class JsonCollection implements UnorderedReader {
  readonly missingIsNotNull = true;
  #handle: FileHandle | undefined;

  constructor(
    readonly entity: string,
    private readonly file: string,
    private readonly partsOr?: string,
  ) {}

  async *blocks(from: number): AsyncGenerator<(SourceRecord & { place: Place })[]> {
    if (!(await stat(this.file).catch(() => undefined))) return;
    let ordinal = 0;
    for await (const records of streamJson(this.file, 'array')) {
      const block: (SourceRecord & { place: Place })[] = [];
      for (const record of records) {
        const { bytes } = record;
        for (const found of this.#recordsOf(
          bytes,
          parseRecord(record),
          record,
          ordinal,
          record.ordinal > 0,
        )) {
          if (found.place.ordinal >= from) block.push(found);
          ordinal = found.place.ordinal + 1;
        }
      }
      if (block.length > 0) yield block;
    }
  }

  async reread(place: Place): Promise<SourceRecord> {
    this.#handle ??= await open(this.file);
    const bytes = await readRecord(this.#handle, place.offset, place.length);
    const parsed = parseJson(bytes);
    if (place.part === FURTHER) return this.#recordsOf(bytes, parsed, place, place.ordinal, true)[0]!;
    return this.#recordsOf(bytes, parsed, place, place.ordinal - place.part, false)[place.part]!;
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }

  #recordsOf(
    bytes: Buffer,
    { value, issues }: ParsedJson,
    at: Pick<JsonRecord, 'offset' | 'length'>,
    ordinal: number,
    further: boolean,
  ): (SourceRecord & { place: Place })[] {
    const name = basename(this.file);
    const document = value instanceof JsonObject ? value : undefined;
    const { offset, length } = at;
    if (this.partsOr !== undefined && further) {
      const defect = { code: this.partsOr, field: '$', detail: 'the first object is the one that counts' };
      const place = { ordinal, offset, length, part: FURTHER };
      return [new JsonDocument(`${name} at byte ${offset}`, value, document, bytes, defect, place)];
    }
    const defect = document ? defectOf(issues) : NOT_AN_OBJECT;
    if (this.partsOr !== undefined && document && document.size > 0) {
      return document.keys.map((key, part) => {
        const place = { ordinal: ordinal + part, offset, length, part };
        return new JsonPart(`${name} ${key.replaceAll('\0', '\\0')}`, document, part, defect, place);
      });
    }
    const place = { ordinal, offset, length, part: 0 };
    return [new JsonDocument(`${name}[${ordinal}]`, value, document, bytes, defect, place)];
  }
}

/** What a document can't be stored with; non-finite numbers are a matter of each field's contract. */
function defectOf(issues: readonly JsonIssue[]): SourceRecord['defect'] {
  const issue = issues.find((each) => each.code !== 'NON_FINITE');
  return issue && { code: issue.code, field: issue.path, detail: issue.detail };
}

const NOT_AN_OBJECT = { code: 'NOT_AN_OBJECT', field: '$', detail: 'the element is not an object' };

/** `part` of a document behind the one whose members are the entities. */
const FURTHER = -1;

class JsonDocument implements SourceRecord {
  constructor(
    readonly locator: string,
    private readonly value: JsonValue,
    private readonly document: JsonObject | undefined,
    private readonly bytes: Buffer,
    readonly defect: SourceRecord['defect'],
    readonly place: Place,
  ) {}

  get(field: string): Raw {
    return this.document?.get(field);
  }

  fields(): Iterable<string> {
    return this.document?.keys ?? [];
  }

  payload(leftOut: ReadonlySet<string>): string {
    // The bytes say more than the parsed value (a key that is there twice), so they are kept where nothing must be hidden.
    const text = this.bytes.toString('utf8');
    // An escape can spell a name in another way.
    const traces = leftOut.size > 0 ? [...leftOut, '\\u'] : [];
    return traces.some((trace) => text.includes(trace)) ? writeJson(this.value, leftOut) : text;
  }
}

class JsonPart implements SourceRecord {
  constructor(
    readonly locator: string,
    private readonly document: JsonObject,
    private readonly part: number,
    readonly defect: SourceRecord['defect'],
    readonly place: Place,
  ) {}

  get(field: string): Raw {
    if (field === 'key') return this.document.keys[this.part];
    if (field === 'value') return this.document.values[this.part];
    return this.document.get(field);
  }

  fields(): Iterable<string> {
    return ['key', 'value'];
  }

  payload(): string {
    const key = this.document.keys[this.part]!;
    return writeJson(new JsonObject([[key, this.document.values[this.part]!]]), new Set());
  }
}

/** A value as JSON text, numbers as they were written, without the members named in `leftOut` at any depth. */
export function writeJson(value: JsonValue, leftOut: ReadonlySet<string>): string {
  if (value instanceof JsonNumber) return value.text;
  if (Array.isArray(value)) return `[${value.map((each) => writeJson(each, leftOut)).join(', ')}]`;
  if (value instanceof JsonObject) {
    const members = [...value].filter(([key]) => !leftOut.has(key));
    return `{${members.map(([key, each]) => `${JSON.stringify(key)}: ${writeJson(each, leftOut)}`).join(', ')}}`;
  }
  return JSON.stringify(value);
}
