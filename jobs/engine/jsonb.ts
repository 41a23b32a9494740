import { describeJson, JsonNumber, JsonObject, type JsonValue, jsonPath } from '../sources/json-value.ts';
import { numericText, sameDecimal } from './decimal.ts';

/** A document that PostgreSQL's `jsonb` cannot hold. */
export class JsonbUnstorable extends Error {
  override readonly name = 'JsonbUnstorable';

  /**
   * @param path see {@link jsonPath}
   * @param detail what stands there
   */
  constructor(
    readonly code: 'NON_FINITE' | 'NUL_CHARACTER' | 'LONE_SURROGATE' | 'NUMBER_RANGE',
    readonly path: string,
    detail: string,
  ) {
    super(`${path}: jsonb cannot hold ${detail}`);
  }
}

/**
 * The text that PostgreSQL prints for this value as `jsonb`, in UTF-8, so that it can be compared byte by byte with
 * `COPY … BINARY` (which puts one version byte before it). Keys are in jsonb's order, a repeated key's last value counts,
 * numbers are as `numeric` prints them, with their trailing zeros.
 *
 * @throws JsonbUnstorable
 */
export function encodeJsonb(value: JsonValue): Buffer {
  const writer = new JsonbWriter();
  writer.value(value);
  return writer.finish();
}

export interface JsonDifference {
  path: string;
  /** What each side holds, shortened; `nothing` where a member or an element is missing. */
  a: string;
  b: string;
}

/**
 * The first difference of two documents. The stated equivalences are: the order of keys, the spelling of a number (equal
 * as exact decimals, so 1.0 is 1 and -0 is 0), and values that a repeated key overrode. All else must be equal exactly.
 */
export function sameJson(a: JsonValue, b: JsonValue): JsonDifference | undefined {
  const found = difference(a, b);
  if (found === undefined) return undefined;
  const show = (side: JsonValue | undefined) => (side === undefined ? 'nothing' : describeJson(side));
  return { path: found.steps.reduce<string>(jsonPath, '$'), a: show(found.a), b: show(found.b) };
}

/** The document with null in place of `NaN`, `Infinity` and `-Infinity`, and where they stood. */
export function replaceNonFinite(value: JsonValue): {
  value: JsonValue;
  paths: { path: string; was: string }[];
} {
  const paths: { path: string; was: string }[] = [];
  // Most documents have none: those are given back as they are, without a path built.
  if (!hasNonFinite(value)) return { value, paths };
  const replace = (node: JsonValue, path: string): JsonValue => {
    if (node instanceof JsonNumber && !node.isFinite) {
      paths.push({ path, was: node.text });
      return null;
    }
    if (Array.isArray(node)) return node.map((element, i) => replace(element, jsonPath(path, i)));
    if (node instanceof JsonObject) {
      return new JsonObject(Array.from(node, ([key, member]) => [key, replace(member, jsonPath(path, key))]));
    }
    return node;
  };
  return { value: replace(value, '$'), paths };
}

function hasNonFinite(value: JsonValue): boolean {
  if (value instanceof JsonNumber) return !value.isFinite;
  if (Array.isArray(value)) return value.some(hasNonFinite);
  return value instanceof JsonObject && value.values.some(hasNonFinite);
}

/** The steps to the difference are collected on the way back, so that equal documents cost no path. */
interface Found {
  steps: (string | number)[];
  a: JsonValue | undefined;
  b: JsonValue | undefined;
}

function difference(a: JsonValue | undefined, b: JsonValue | undefined): Found | undefined {
  if (Array.isArray(a) && Array.isArray(b)) {
    for (let i = 0; i < Math.max(a.length, b.length); i++) {
      const found = difference(a[i], b[i]);
      if (found) return below(i, found);
    }
    return undefined;
  }
  if (a instanceof JsonObject && b instanceof JsonObject) {
    for (const [key, member] of a) {
      const found = difference(member, b.get(key));
      if (found) return below(key, found);
    }
    for (const [key, member] of b) {
      if (!a.has(key)) return { steps: [key], a: undefined, b: member };
    }
    return undefined;
  }
  if (a instanceof JsonNumber && b instanceof JsonNumber) {
    if (a.text === b.text || (a.isFinite && b.isFinite && sameDecimal(a.text, b.text))) return undefined;
  } else if (a === b) return undefined;
  return { steps: [], a, b };
}

function below(step: string | number, found: Found): Found {
  found.steps.unshift(step);
  return found;
}

/** The longest that one UTF-16 code unit can become: `\u001f`. */
const LONGEST_CHARACTER = 6;

/** Enough for most documents; a longer one gets memory of its own. */
const scratch = Buffer.allocUnsafeSlow(64 * 1024);

const SHORT_ESCAPES: Record<number, string> = {
  8: '\\b',
  9: '\\t',
  10: '\\n',
  12: '\\f',
  13: '\\r',
  34: '\\"',
  92: '\\\\',
};

class JsonbWriter {
  private out: Buffer = scratch;
  private at = 0;
  /** The way to the value that is being written. */
  private readonly steps: (string | number)[] = [];

  finish(): Buffer {
    const document = Buffer.allocUnsafe(this.at);
    this.out.copy(document, 0, 0, this.at);
    return document;
  }

  value(value: JsonValue): void {
    if (typeof value === 'string') this.string(value);
    else if (value instanceof JsonNumber) this.number(value);
    else if (Array.isArray(value)) this.array(value);
    else if (value instanceof JsonObject) this.object(value);
    else this.ascii(String(value));
  }

  private array(elements: JsonValue[]): void {
    this.ascii('[');
    for (let i = 0; i < elements.length; i++) {
      if (i > 0) this.ascii(', ');
      this.steps.push(i);
      this.value(elements[i]!);
      this.steps.pop();
    }
    this.ascii(']');
  }

  private object(object: JsonObject): void {
    const { keys, values } = object;
    this.ascii('{');
    let first = true;
    for (const i of storedOrder(keys)) {
      if (!first) this.ascii(', ');
      first = false;
      this.steps.push(keys[i]!);
      this.string(keys[i]!);
      this.ascii(': ');
      this.value(values[i]!);
      this.steps.pop();
    }
    this.ascii('}');
  }

  private number(number: JsonNumber): void {
    if (!number.isFinite) this.refuse('NON_FINITE', number.text);
    const text = numericText(number.text);
    if (text === undefined)
      this.refuse('NUMBER_RANGE', `${describeJson(number)}: outside the range of numeric`);
    this.ascii(text);
  }

  /** As `escape_json` of PostgreSQL: only what JSON requires is escaped. */
  private string(text: string): void {
    if (this.at + text.length + 2 > this.out.length) this.grow(text.length + 2);
    let { out, at } = this;
    out[at++] = 0x22;
    let plain = 0;
    for (; plain < text.length; plain++) {
      const c = text.charCodeAt(plain);
      if (c < 0x20 || c > 0x7f || c === 0x22 || c === 0x5c) break;
      out[at++] = c;
    }
    if (plain === text.length) {
      out[at++] = 0x22;
      this.at = at;
      return;
    }
    for (let i = plain; i < text.length; i++) {
      if (at + LONGEST_CHARACTER > out.length) {
        this.at = at;
        out = this.grow(LONGEST_CHARACTER);
      }
      const c = text.charCodeAt(i);
      if (c < 0x80) {
        if (c >= 0x20 && c !== 0x22 && c !== 0x5c) out[at++] = c;
        else {
          if (c === 0) this.refuse('NUL_CHARACTER', 'the character U+0000');
          this.at = at;
          this.ascii(SHORT_ESCAPES[c] ?? `\\u${c.toString(16).padStart(4, '0')}`);
          at = this.at;
        }
      } else if (c < 0x800) {
        out[at++] = 0xc0 | (c >> 6);
        out[at++] = 0x80 | (c & 0x3f);
      } else if (c < 0xd800 || c > 0xdfff) {
        out[at++] = 0xe0 | (c >> 12);
        out[at++] = 0x80 | ((c >> 6) & 0x3f);
        out[at++] = 0x80 | (c & 0x3f);
      } else {
        const low = text.charCodeAt(++i);
        if (c > 0xdbff || !(low >= 0xdc00 && low <= 0xdfff)) {
          this.refuse('LONE_SURROGATE', `the lone surrogate U+${c.toString(16).toUpperCase()}`);
        }
        const point = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        out[at++] = 0xf0 | (point >> 18);
        out[at++] = 0x80 | ((point >> 12) & 0x3f);
        out[at++] = 0x80 | ((point >> 6) & 0x3f);
        out[at++] = 0x80 | (point & 0x3f);
      }
    }
    this.at = at;
    this.ascii('"');
  }

  private ascii(text: string): void {
    if (this.at + text.length > this.out.length) this.grow(text.length);
    const { out } = this;
    for (let i = 0; i < text.length; i++) out[this.at++] = text.charCodeAt(i);
  }

  private grow(more: number): Buffer {
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.out.length, this.at + more));
    this.out.copy(larger, 0, 0, this.at);
    this.out = larger;
    return larger;
  }

  private refuse(code: JsonbUnstorable['code'], detail: string): never {
    throw new JsonbUnstorable(code, this.steps.reduce<string>(jsonPath, '$'), detail);
  }
}

interface KeyOrder {
  keys: readonly string[];
  order: number[];
}

/** The last order found for each number of keys: the objects of a file mostly have the same keys in the same order. */
const lastOrders: KeyOrder[] = [];
const LARGEST_KNOWN = 64;

/**
 * The members' places in the order in which jsonb stores them: by the key's length in bytes, then by its bytes
 * (`lengthCompareJsonbString`).
 */
function storedOrder(keys: readonly string[]): number[] {
  const last = lastOrders[keys.length];
  if (last !== undefined && sameKeys(keys, last.keys)) return last.order;
  const encoded = keys.map((key) => Buffer.from(key));
  const order = keys.map((_, i) => i);
  order.sort((i, j) => encoded[i]!.length - encoded[j]!.length || Buffer.compare(encoded[i]!, encoded[j]!));
  if (keys.length <= LARGEST_KNOWN) lastOrders[keys.length] = { keys, order };
  return order;
}

function sameKeys(a: readonly string[], b: readonly string[]): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
