import type { LeftOut } from './left-out.ts';

/**
 * A JSON document as the reader gives it. Numbers stay text until a field's contract says what they are: a double would
 * lose the digits of an int64, and NaN has no place in JSON at all.
 */
export type JsonValue = null | boolean | string | JsonNumber | JsonValue[] | JsonObject;

/** A number as it is written in the document, for example `1.50`, `-0`, `1e400`, `NaN`, `-Infinity`. */
export class JsonNumber {
  constructor(readonly text: string) {}

  /** False for `NaN`, `Infinity` and `-Infinity`, which Python's writer emits although RFC 8259 has no such tokens. */
  get isFinite(): boolean {
    const last = this.text.charCodeAt(this.text.length - 1);
    return last >= 0x30 && last <= 0x39;
  }
}

/** From so many members on a lookup goes through an index; below, walking along the keys is faster (measured). */
const INDEX_FROM = 32;

/** The members of an object in document order. Keys are plain data: `__proto__` is a key like any other. */
export class JsonObject {
  /** Each key once, where it first stood. Not to be changed from outside. */
  readonly keys: readonly string[];
  /** `values[i]` belongs to `keys[i]`. Not to be changed from outside. */
  readonly values: JsonValue[];
  /** Values that a later member with the same key replaced, in document order. */
  overridden: [key: string, value: JsonValue][] | undefined = undefined;
  private index: Map<string, number> | undefined = undefined;
  /** The keys, where no other object has the same array. */
  private own: string[] | undefined;

  /** @param keys and values of the first members: each key once; other objects may have the same array of keys */
  constructor(
    members?: Iterable<readonly [key: string, value: JsonValue]>,
    keys?: readonly string[],
    values?: JsonValue[],
  ) {
    this.own = keys === undefined ? [] : undefined;
    this.keys = keys ?? this.own!;
    this.values = values ?? [];
    if (members !== undefined) for (const [key, value] of members) this.add(key, value);
  }

  get size(): number {
    return this.keys.length;
  }

  get(key: string): JsonValue | undefined {
    const at = this.indexOf(key);
    return at < 0 ? undefined : this.values[at];
  }

  has(key: string): boolean {
    return this.indexOf(key) >= 0;
  }

  /**
   * Adds a member at the end. A key that is already there keeps its place and takes the new value, as in Python and
   * JavaScript; the old value moves to `overridden`.
   */
  add(key: string, value: JsonValue): void {
    const at = this.indexOf(key);
    if (at < 0) {
      this.index?.set(key, this.keys.length);
      if (this.own === undefined) {
        this.own = this.keys.slice();
        (this as { keys: readonly string[] }).keys = this.own;
      }
      this.own.push(key);
      this.values.push(value);
    } else {
      this.overridden ??= [];
      this.overridden.push([key, this.values[at]!]);
      this.values[at] = value;
    }
  }

  *[Symbol.iterator](): IterableIterator<[key: string, value: JsonValue]> {
    for (let i = 0; i < this.keys.length; i++) yield [this.keys[i]!, this.values[i]!];
  }

  private indexOf(key: string): number {
    const { keys } = this;
    if (keys.length < INDEX_FROM) {
      for (let i = 0; i < keys.length; i++) if (keys[i] === key) return i;
      return -1;
    }
    this.index ??= new Map(keys.map((name, i) => [name, i]));
    return this.index.get(key) ?? -1;
  }
}

/**
 * The value without what is left out, at any depth; the value itself when it holds nothing of the kind, not even in what a
 * later member of the same name replaced.
 */
export function withoutMembers(
  value: JsonValue,
  leftOut: LeftOut,
  onFound: (path: string) => void = () => {},
  path = '$',
): JsonValue {
  // Most values hold nothing of the kind: those are given back without a path built.
  return holdsAny(value, leftOut) ? without(value, leftOut, onFound, path) : value;
}

function without(
  value: JsonValue,
  leftOut: LeftOut,
  onFound: (path: string) => void,
  path: string,
): JsonValue {
  if (Array.isArray(value)) {
    const elements = value.map((each, i) => without(each, leftOut, onFound, jsonPath(path, i)));
    return elements.every((each, i) => each === value[i]) ? value : elements;
  }
  if (!(value instanceof JsonObject)) return value;
  const kept: (readonly [string, JsonValue])[] = [];
  const replaced = value.overridden ?? [];
  let same = replaced.every(([key, each]) => !leftOut.has(key, each) && !holdsAny(each, leftOut));
  for (const [key, each] of value) {
    if (leftOut.has(key, each)) {
      onFound(jsonPath(path, key));
      same = false;
    } else {
      const inner = without(each, leftOut, onFound, jsonPath(path, key));
      same &&= inner === each;
      kept.push([key, inner]);
    }
  }
  return same ? value : new JsonObject(kept);
}

function holdsAny(value: JsonValue, leftOut: LeftOut): boolean {
  if (typeof value !== 'object' || value === null || value instanceof JsonNumber) return false;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (holdsAny(value[i]!, leftOut)) return true;
    return false;
  }
  const { keys, values, overridden } = value;
  for (let i = 0; i < keys.length; i++) {
    if (leftOut.has(keys[i]!, values[i]!) || holdsAny(values[i]!, leftOut)) return true;
  }
  return overridden?.some(([key, each]) => leftOut.has(key, each) || holdsAny(each, leftOut)) ?? false;
}

/** Something legal in the source that a target or another reader may not take, or would silently change. */
export interface JsonIssue {
  code: 'DUPLICATE_KEY' | 'LONE_SURROGATE' | 'NON_FINITE' | 'NUL_CHARACTER';
  /** See {@link jsonPath}. */
  path: string;
  detail: string;
}

/** The path of a member or an element of `parent`; the root is `$`. For example `$.venue.name`, `$.a[3]`, `$["a b"]`. */
export function jsonPath(parent: string, step: string | number): string {
  if (typeof step === 'number') return `${parent}[${step}]`;
  return /^[\p{L}_][\p{L}\p{N}_]*$/u.test(step) ? `${parent}.${step}` : `${parent}[${JSON.stringify(step)}]`;
}

const PREVIEW_LENGTH = 60;

/** A value in at most about 60 characters, for messages: a scalar as JSON, a container by its kind and size. */
export function describeJson(value: JsonValue): string {
  if (Array.isArray(value)) return `array of ${value.length}`;
  if (value instanceof JsonObject) return `object of ${value.size}`;
  if (value instanceof JsonNumber) return shorten(value.text);
  return typeof value === 'string' ? JSON.stringify(shorten(value)) : String(value);
}

function shorten(text: string): string {
  return text.length > PREVIEW_LENGTH ? `${text.slice(0, PREVIEW_LENGTH)}…` : text;
}

/** Every issue of a document, overridden values included, in document order of the keys. */
export function findIssues(root: JsonValue): JsonIssue[] {
  const issues: JsonIssue[] = [];
  collectIssues(root, '$', issues);
  return issues;
}

/** The issues of a record's key in the file's object. */
export function findKeyIssues(key: string): JsonIssue[] {
  return findIssues(key).map((issue) => ({ ...issue, detail: `${issue.detail} of the record's key` }));
}

function collectIssues(value: JsonValue, path: string, issues: JsonIssue[]): void {
  if (typeof value === 'string') {
    collectTextIssues(value, path, '', issues);
  } else if (value instanceof JsonNumber) {
    if (!value.isFinite) issues.push({ code: 'NON_FINITE', path, detail: value.text });
  } else if (Array.isArray(value)) {
    for (const [i, element] of value.entries()) collectIssues(element, jsonPath(path, i), issues);
  } else if (value instanceof JsonObject) {
    for (const [key, member] of value) {
      const memberPath = jsonPath(path, key);
      collectTextIssues(key, memberPath, ' of the key', issues);
      const losers = value.overridden?.filter(([name]) => name === key) ?? [];
      if (losers.length > 0) {
        // How many, not which: the values may be a secret, and a detail is shown.
        issues.push({
          code: 'DUPLICATE_KEY',
          path: memberPath,
          detail: `${losers.length + 1} values of one key`,
        });
      }
      for (const [, loser] of losers) collectIssues(loser, memberPath, issues);
      collectIssues(member, memberPath, issues);
    }
  }
}

function collectTextIssues(text: string, path: string, where: string, issues: JsonIssue[]): void {
  const nul = text.indexOf('\0');
  if (nul >= 0) issues.push({ code: 'NUL_CHARACTER', path, detail: `character ${nul + 1}${where}` });
  // With the u flag a class of surrogates matches only those that are no half of a pair.
  const lone = text.search(/\p{Surrogate}/u);
  if (lone >= 0) {
    const code = text.charCodeAt(lone).toString(16).toUpperCase();
    issues.push({ code: 'LONE_SURROGATE', path, detail: `U+${code}, character ${lone + 1}${where}` });
  }
}
