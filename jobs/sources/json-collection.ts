import { type FileHandle, open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseJson } from './json-parse.ts';
import { type JsonRecord, readRecord, streamJson } from './json-stream.ts';
import { type JsonIssue, JsonNumber, JsonObject, type JsonValue } from './json-value.ts';
import type { Place, Raw, SourceRecord, UnorderedReader } from './source.ts';

/**
 * The documents of one collection: a file with an array of objects. With `parts`, each member of a document is an
 * entity of its own, with the fields `key` and `value`; the document's other members can be asked for by name.
 */
export class JsonCollection implements UnorderedReader {
  readonly missingIsNotNull = true;
  #handle: FileHandle | undefined;

  constructor(
    readonly entity: string,
    private readonly file: string,
    private readonly parts: boolean,
  ) {}

  async *blocks(from: number): AsyncGenerator<(SourceRecord & { place: Place })[]> {
    if (!(await stat(this.file).catch(() => undefined))) return;
    let ordinal = 0;
    for await (const records of streamJson(this.file, 'array')) {
      const block: (SourceRecord & { place: Place })[] = [];
      for (const record of records) {
        for (const found of this.#recordsOf(record.bytes, record, ordinal)) {
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
    return this.#recordsOf(bytes, place, place.ordinal - place.part)[place.part]!;
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }

  #recordsOf(
    bytes: Buffer,
    at: Pick<JsonRecord, 'offset' | 'length'>,
    ordinal: number,
  ): (SourceRecord & { place: Place })[] {
    const { value, issues } = parseJson(bytes);
    const name = basename(this.file);
    const document = value instanceof JsonObject ? value : undefined;
    const place = (part: number): Place => ({
      ordinal: ordinal + part,
      offset: at.offset,
      length: at.length,
      part,
    });
    if (this.parts && document && document.size > 0) {
      return document.keys.map(
        (key, part) => new JsonPart(`${name} ${key}`, document, part, issues, place(part)),
      );
    }
    return [new JsonDocument(`${name}[${ordinal}]`, value, document, bytes, issues, place(0))];
  }
}

/** What a document can't be stored with; non-finite numbers are a matter of each field's contract. */
function defectOf(issues: readonly JsonIssue[]): SourceRecord['defect'] {
  const issue = issues.find((each) => each.code !== 'NON_FINITE');
  return issue && { code: issue.code, field: issue.path, detail: issue.detail };
}

class JsonDocument implements SourceRecord {
  readonly defect: SourceRecord['defect'];

  constructor(
    readonly locator: string,
    private readonly value: JsonValue,
    private readonly document: JsonObject | undefined,
    private readonly bytes: Buffer,
    issues: readonly JsonIssue[],
    readonly place: Place,
  ) {
    this.defect = document
      ? defectOf(issues)
      : { code: 'NOT_AN_OBJECT', field: '$', detail: 'the element is not an object' };
  }

  get(field: string): Raw {
    return this.document?.get(field);
  }

  fields(): Iterable<string> {
    return this.document?.keys ?? [];
  }

  payload(leftOut: ReadonlySet<string>): string {
    // The bytes say more than the parsed value (a key that is there twice), so they are kept where nothing must be hidden.
    const text = this.bytes.toString('utf8');
    for (const name of leftOut) if (text.includes(name)) return writeJson(this.value, leftOut);
    return text;
  }
}

class JsonPart implements SourceRecord {
  readonly defect: SourceRecord['defect'];

  constructor(
    readonly locator: string,
    private readonly document: JsonObject,
    private readonly part: number,
    issues: readonly JsonIssue[],
    readonly place: Place,
  ) {
    this.defect = defectOf(issues);
  }

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
