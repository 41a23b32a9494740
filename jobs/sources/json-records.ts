import { peekMember } from './json-peek.ts';
import type { JsonRecord } from './json-split.ts';
import { parseRecord } from './json-stream.ts';
import { type JsonIssue, JsonNumber, JsonObject, type JsonValue, withoutMembers } from './json-value.ts';
import { type LeftOut, mayHoldCredential } from './left-out.ts';
import type { Place, PlacedRecord, Raw, SourceRecord } from './source.ts';

/** What is said of a record beside its fields. */
interface Described {
  readonly locator: string;
  /** Name of the file. */
  readonly file: string;
  /** Its key in the object that holds it. */
  readonly key: string | undefined;
  readonly value: JsonValue;
  readonly defect: SourceRecord['defect'];
  /** The text that it was parsed from, where that is all of the text. */
  readonly bytes?: Buffer | undefined;
  /** Of one that another document holds under a name: that document, and the place there. */
  readonly within?: { readonly document: JsonValue; readonly index: number } | undefined;
}

/**
 * A document of a collection: fields are its members, `$file` and `$key`; of one that another document holds also `$index`,
 * and `$of.NAME` of that document.
 */
export class JsonDocument implements SourceRecord {
  readonly locator: string;
  readonly defect: SourceRecord['defect'];

  constructor(
    private readonly of: Described,
    readonly place: Place,
  ) {
    this.locator = of.locator;
    this.defect = of.defect;
  }

  get(field: string): Raw {
    const { file, key, within } = this.of;
    if (field === '$file') return file;
    if (field === '$key') return key;
    if (within && field === '$index') return BigInt(within.index);
    if (within && field.startsWith('$of.')) return memberOf(within.document, field.slice(4));
    return this.own(field);
  }

  own(field: string): Raw {
    return memberOf(this.of.value, field);
  }

  fields(): Iterable<string> {
    return this.of.value instanceof JsonObject ? this.of.value.keys : [];
  }

  payload(leftOut: LeftOut): string {
    return payloadOf(this.of.value, this.of.bytes, leftOut);
  }
}

/** What the elements or members of a file's array or object have in common. */
export class Elements {
  /** The one that was parsed last. Only its value is kept: records wait for their batch, values need not. */
  parsed: JsonElement | undefined = undefined;
  value: JsonValue = null;
  defect: SourceRecord['defect'] = undefined;

  /**
   * @param file which of the entity's files  @param name of that file
   * @param first ordinal of the file's first record among the entity's
   */
  constructor(
    readonly file: number,
    readonly name: string,
    readonly first: number,
  ) {}
}

/** An element or a member of a file, as it is: parsed, named and placed when somebody asks. */
export class JsonElement implements PlacedRecord {
  /** @param repeated whether an earlier member of the object has its key */
  constructor(
    private readonly of: Elements,
    readonly slice: JsonRecord,
    private readonly repeated: boolean,
  ) {}

  get place(): Place {
    const { offset, length, key = null, ordinal: at } = this.slice;
    const { file, first } = this.of;
    return { ordinal: first + at, file, offset, length, key, at, part: 0 };
  }

  get locator(): string {
    const { key, ordinal, offset } = this.slice;
    if (key === undefined) return `${this.of.name}[${ordinal}]`;
    return `${this.of.name}[${JSON.stringify(key)}]${this.repeated ? ` at byte ${offset}` : ''}`;
  }

  get defect(): SourceRecord['defect'] {
    this.#parse();
    return this.of.defect;
  }

  get(field: string): Raw {
    if (field.charCodeAt(0) === 0x24) {
      if (field === '$file') return this.of.name;
      if (field === '$key') return this.slice.key;
    }
    return this.own(field);
  }

  own(field: string): Raw {
    return memberOf(this.#parse(), field);
  }

  peek(field: string): Raw {
    if (field.charCodeAt(0) === 0x24) return this.get(field);
    const { block, start, end } = this.slice;
    return peekMember(block, start, end, writtenKey(field)) ?? this.get(field);
  }

  fields(): Iterable<string> {
    const value = this.#parse();
    return value instanceof JsonObject ? value.keys : [];
  }

  payload(leftOut: LeftOut): string {
    return payloadOf(this.#parse(), this.slice.bytes, leftOut);
  }

  /** @throws CutoverError of kind `source` for damage, with its place in the file */
  #parse(): JsonValue {
    const { of } = this;
    if (of.parsed !== this) {
      const { value, issues } = parseRecord(this.slice);
      of.parsed = this;
      of.value = value;
      of.defect = value instanceof JsonObject ? defectOf(issues) : NOT_AN_OBJECT;
    }
    return of.value;
  }
}

/** Keys as they are written, quotes included: those of a mapping, so there are few. */
const written = new Map<string, Uint8Array>();

function writtenKey(field: string): Uint8Array {
  let bytes = written.get(field);
  if (bytes === undefined) {
    bytes = Buffer.from(JSON.stringify(field));
    written.set(field, bytes);
  }
  return bytes;
}

/** What a document can't be stored with; non-finite numbers are a matter of each field's contract. */
export function defectOf(issues: readonly JsonIssue[]): SourceRecord['defect'] {
  for (const { code, path, detail } of issues) {
    if (code !== 'NON_FINITE') return { code, field: path, detail };
  }
  return undefined;
}

export const NOT_AN_OBJECT = { code: 'NOT_AN_OBJECT', field: '$', detail: 'the element is not an object' };

const memberOf = (value: JsonValue, name: string): Raw =>
  value instanceof JsonObject ? value.get(name) : undefined;

/** A member of the one document that holds all records: fields `key`, `value`, `$file`, and the document's members by name. */
export class JsonPart implements SourceRecord {
  constructor(
    readonly locator: string,
    private readonly file: string,
    private readonly document: JsonObject,
    private readonly part: number,
    readonly defect: SourceRecord['defect'],
    readonly place: Place,
  ) {}

  get(field: string): Raw {
    if (field === 'key') return this.document.keys[this.part];
    if (field === 'value') return this.document.values[this.part];
    if (field === '$file') return this.file;
    return this.document.get(field);
  }

  fields(): Iterable<string> {
    return ['key', 'value'];
  }

  payload(leftOut: LeftOut): string {
    const key = this.document.keys[this.part]!;
    return writeJson(withoutMembers(new JsonObject([[key, this.document.values[this.part]!]]), leftOut));
  }
}

/** A file of which nothing is known but its name, size and hash. */
export class OpaqueFile implements SourceRecord {
  readonly locator: string;

  /** @param text what is in it, where somebody has to see that */
  constructor(
    private readonly of: { readonly name: string; readonly size: number; readonly sha256: string },
    readonly place: Place,
    readonly defect?: SourceRecord['defect'],
    private readonly text?: string,
  ) {
    this.locator = of.name;
  }

  get(field: string): Raw {
    const { name, size, sha256 } = this.of;
    if (field === '$file') return name;
    if (field === '$size') return BigInt(size);
    if (field === '$sha256') return sha256;
    return undefined;
  }

  fields(): Iterable<string> {
    return [];
  }

  /** Its text, too, unless there may be something in it that must not be kept. */
  payload(): string {
    const { name, size, sha256 } = this.of;
    const kept = this.text !== undefined && mayHoldCredential(this.text) ? undefined : this.text;
    return JSON.stringify({ $file: name, $size: size, $sha256: sha256, $text: kept });
  }
}

/** The text of a record: its bytes say more than the value (a key that is there twice), where nothing must be hidden. */
function payloadOf(value: JsonValue, bytes: Buffer | undefined, leftOut: LeftOut): string {
  const kept = withoutMembers(value, leftOut);
  return bytes !== undefined && kept === value ? bytes.toString('utf8') : writeJson(kept);
}

/** A value as JSON text, numbers as they were written. */
export function writeJson(value: JsonValue): string {
  if (value instanceof JsonNumber) return value.text;
  if (Array.isArray(value)) return `[${value.map(writeJson).join(', ')}]`;
  if (value instanceof JsonObject) {
    return `{${[...value].map(([key, each]) => `${JSON.stringify(key)}: ${writeJson(each)}`).join(', ')}}`;
  }
  return JSON.stringify(value);
}
