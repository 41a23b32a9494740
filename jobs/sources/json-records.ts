import { JsonNumber, JsonObject, type JsonValue, withoutMembers } from './json-value.ts';
import { type LeftOut, mayHoldCredential } from './left-out.ts';
import type { Place, Raw, SourceRecord } from './source.ts';

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
    const { bytes, value } = this.of;
    const kept = withoutMembers(value, leftOut);
    // The bytes say more than the parsed value (a key that is there twice), so they are kept where nothing must be hidden.
    return bytes !== undefined && kept === value ? bytes.toString('utf8') : writeJson(kept);
  }
}

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

/** A value as JSON text, numbers as they were written. */
export function writeJson(value: JsonValue): string {
  if (value instanceof JsonNumber) return value.text;
  if (Array.isArray(value)) return `[${value.map(writeJson).join(', ')}]`;
  if (value instanceof JsonObject) {
    return `{${[...value].map(([key, each]) => `${JSON.stringify(key)}: ${writeJson(each)}`).join(', ')}}`;
  }
  return JSON.stringify(value);
}
