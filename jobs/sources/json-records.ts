import { isUtf8 } from 'node:buffer';
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
}

/** A document of a collection: fields are its members, `$file` and `$key`. */
export class JsonDocument implements SourceRecord {
  readonly locator: string;
  readonly defect: SourceRecord['defect'];

  constructor(
    private readonly of: Described & { readonly bytes?: Buffer | undefined },
    readonly place: Place,
  ) {
    this.locator = of.locator;
    this.defect = of.defect;
  }

  get(field: string): Raw {
    if (field === '$file') return this.of.file;
    if (field === '$key') return this.of.key;
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
    if (bytes === undefined) return writeJson(value, leftOut);
    // The bytes say more than the parsed value (a key that is there twice), so they are kept where nothing must be hidden.
    const text = bytes.toString('utf8');
    if (withoutMembers(value, leftOut) === value) return text;
    // A repeated member alone is no reason to hide the bytes, but what it replaced could be a credential.
    const clean = withoutMembers(value, NOTHING) !== value && !mayHoldCredential(text);
    return clean ? text : writeJson(value, leftOut);
  }
}

/** An element that another document holds: fields are its members, `$file`, `$key`, `$index`, and `$of.NAME` of that document. */
export class JsonElement implements SourceRecord {
  readonly locator: string;
  readonly defect: SourceRecord['defect'];

  constructor(
    private readonly of: Described & { readonly index: number },
    private readonly around: JsonValue,
    readonly place: Place,
  ) {
    this.locator = of.locator;
    this.defect = of.defect;
  }

  get(field: string): Raw {
    if (field === '$file') return this.of.file;
    if (field === '$key') return this.of.key;
    if (field === '$index') return BigInt(this.of.index);
    if (field.startsWith('$of.')) return memberOf(this.around, field.slice(4));
    return this.own(field);
  }

  own(field: string): Raw {
    return memberOf(this.of.value, field);
  }

  fields(): Iterable<string> {
    return this.of.value instanceof JsonObject ? this.of.value.keys : [];
  }

  payload(leftOut: LeftOut): string {
    return writeJson(this.of.value, leftOut);
  }
}

const NOTHING: LeftOut = { has: () => false };

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
    return writeJson(new JsonObject([[key, this.document.values[this.part]!]]), leftOut);
  }
}

/** A file of which nothing is known but its name, size and hash. */
export class OpaqueFile implements SourceRecord {
  readonly locator: string;

  constructor(
    private readonly name: string,
    private readonly bytes: Buffer,
    private readonly sha256: string,
    readonly defect: SourceRecord['defect'],
    readonly place: Place,
  ) {
    this.locator = name;
  }

  get(field: string): Raw {
    if (field === '$file') return this.name;
    if (field === '$size') return BigInt(this.bytes.length);
    if (field === '$sha256') return this.sha256;
    return undefined;
  }

  fields(): Iterable<string> {
    return [];
  }

  /** Of a damaged document its text, too, unless there may be something in it that must not be kept. */
  payload(): string {
    const { name, bytes, sha256 } = this;
    const text = this.defect && isUtf8(bytes) ? bytes.toString('utf8') : undefined;
    const kept = text !== undefined && mayHoldCredential(text) ? undefined : text;
    return JSON.stringify({ $file: name, $size: bytes.length, $sha256: sha256, $text: kept });
  }
}

/** A value as JSON text, numbers as they were written, without the members named in `leftOut` at any depth. */
export function writeJson(value: JsonValue, leftOut: LeftOut): string {
  if (value instanceof JsonNumber) return value.text;
  if (Array.isArray(value)) return `[${value.map((each) => writeJson(each, leftOut)).join(', ')}]`;
  if (value instanceof JsonObject) {
    const members = [...value].filter(([key, each]) => !leftOut.has(key, each));
    return `{${members.map(([key, each]) => `${JSON.stringify(key)}: ${writeJson(each, leftOut)}`).join(', ')}}`;
  }
  return JSON.stringify(value);
}
