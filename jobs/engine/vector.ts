import { inflateSync, type ZlibOptions } from 'node:zlib';
import { parseJson } from '../sources/json-parse.ts';
import { JsonNumber, JsonObject } from '../sources/json-value.ts';
import { PackedVector } from '../sources/packed-vector.ts';
import type { Raw } from '../sources/source.ts';
import { floatArrayOf } from './float-array.ts';
import { Reject } from './reject.ts';

/** pgvector holds so many elements. */
const MAX_DIMENSIONS = 16_000;
/** Far more than so many elements take as JSON text; anything longer is no vector but a trap. */
const MAX_INFLATED = 64 * MAX_DIMENSIONS;

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Elements of single precision; those of a packed vector are sent as they came. */
export type Vector = Float32Array | PackedVector;

/** All columns that read a record's vector ask for it one after the other. */
let last: { readonly raw: Raw; readonly vector: Vector } | undefined;

/**
 * A vector in any of the forms that legacy stores have: a JSON array of numbers, the text of one, an object
 * `{_compressed | compressed: true, data}` whose data is base64 of the zlib-deflated text, or as pgvector sends it. Elements
 * are rounded from double to single precision.
 *
 * @throws Reject BAD_VECTOR for another or a damaged form, for no elements or more than 16,000; NON_FINITE for an element
 *   that is null, NaN or infinite; OUT_OF_RANGE for one that is infinite only in single precision
 */
export function vectorOf(raw: Exclude<Raw, null | undefined>, field: string): Vector {
  if (last?.raw === raw) return last.vector;
  const vector = raw instanceof PackedVector ? sound(raw, field) : elementsOf(raw, field);
  last = { raw, vector };
  return vector;
}

function elementsOf(raw: Raw, field: string): Float32Array {
  if (Array.isArray(raw)) return checked(raw, field);
  if (typeof raw !== 'string' && !(raw instanceof JsonObject)) {
    throw new Reject('BAD_VECTOR', field, 'neither an array nor a text or a compressed one');
  }
  const text = typeof raw === 'string' ? Buffer.from(raw) : inflated(raw, field);
  return floatArrayOf(text, MAX_DIMENSIONS) ?? checked(parsed(text, field), field);
}

/** The packed vector itself, once it was looked at. */
function sound(packed: PackedVector, field: string): PackedVector {
  const { bytes, length } = packed;
  const isWhole =
    length >= 0 &&
    bytes.length === 4 + 4 * length &&
    bytes.readInt16BE(0) === length &&
    bytes.readInt16BE(2) === 0;
  if (!isWhole) throw new Reject('BAD_VECTOR', field, 'not as pgvector sends it');
  if (length === 0) throw new Reject('BAD_VECTOR', field, 'no elements');
  if (length > MAX_DIMENSIONS) throw new Reject('BAD_VECTOR', field, `${length} elements`);
  aligned.set(bytes);
  for (let i = 1; i <= length; i++) {
    if ((words[i]! & EXPONENT) !== EXPONENT) continue;
    throw new Reject('NON_FINITE', `${field}[${i - 1}]`, String(bytes.readFloatBE(4 * i)));
  }
  return packed;
}

/** Words are looked at several times as fast where they are aligned. */
const words = new Int32Array(1 + MAX_DIMENSIONS);
const aligned = new Uint8Array(words.buffer);

/** An exponent of ones, which NaN and the infinities have, in big-endian order as this machine sees it. */
const EXPONENT = new Int32Array(Uint8Array.of(0x7f, 0x80, 0, 0).buffer)[0]!;

/** The slow way, which knows what is wrong. */
function checked(list: readonly unknown[], field: string): Float32Array {
  if (list.length === 0) throw new Reject('BAD_VECTOR', field, 'no elements');
  if (list.length > MAX_DIMENSIONS) throw new Reject('BAD_VECTOR', field, `${list.length} elements`);
  const vector = new Float32Array(list.length);
  for (let i = 0; i < list.length; i++) {
    const element = list[i];
    if (element instanceof JsonNumber && element.isFinite) {
      vector[i] = Number(element.text);
      if (Number.isFinite(vector[i])) continue;
      throw new Reject('OUT_OF_RANGE', `${field}[${i}]`, element.text);
    }
    const at = `${field}[${i}]`;
    if (element === null) throw new Reject('NON_FINITE', at, 'null');
    if (element instanceof JsonNumber) throw new Reject('NON_FINITE', at, element.text);
    throw new Reject('BAD_VECTOR', at, 'no number');
  }
  return vector;
}

function parsed(text: Buffer, field: string): readonly unknown[] {
  let value: unknown;
  try {
    ({ value } = parseJson(text));
  } catch (error) {
    throw new Reject('BAD_VECTOR', field, (error as Error).message);
  }
  if (!Array.isArray(value)) throw new Reject('BAD_VECTOR', field, 'the text is no array');
  return value;
}

const isPacked = (wrapper: JsonObject): boolean =>
  (wrapper.get('_compressed') === true || wrapper.get('compressed') === true) && wrapper.size === 2;

/** What a wrapper holds, where it is beyond doubt base64; undefined: to be looked at more closely. */
function plainlyPacked(wrapper: JsonObject): Buffer | undefined {
  const data = wrapper.get('data');
  if (!isPacked(wrapper) || typeof data !== 'string' || data.length % 4 !== 0) return undefined;
  // Node skips what is not base64, and takes the URL's alphabet too.
  if (Buffer.byteLength(data) !== data.length || data.includes('-') || data.includes('_')) return undefined;
  const padding = data.endsWith('==') ? 2 : data.endsWith('=') ? 1 : 0;
  const size = (data.length / 4) * 3 - padding;
  if (size > scratch.length) return undefined;
  return scratch.write(data, 'base64') === size ? scratch.subarray(0, size) : undefined;
}

/** For what is taken out of base64: used again, as memory outside of the heap is collected late. */
const scratch = Buffer.allocUnsafeSlow(1 << 18);

function inflated(wrapper: JsonObject, field: string): Buffer {
  const data = wrapper.get('data');
  if (!isPacked(wrapper) || typeof data !== 'string') {
    throw new Reject('BAD_VECTOR', field, `an object with ${wrapper.keys.join(', ').slice(0, 60)}`);
  }
  let deflated = plainlyPacked(wrapper);
  if (deflated === undefined) {
    if (!BASE64.test(data)) throw new Reject('BAD_VECTOR', `${field}.data`, 'not base64');
    deflated = Buffer.from(data, 'base64');
  }
  let text: Buffer | undefined;
  try {
    text = whole(inflateSync(deflated, inflate) as unknown as Inflated, deflated);
  } catch (error) {
    throw new Reject('BAD_VECTOR', `${field}.data`, (error as Error).message);
  }
  if (text === undefined) throw new Reject('BAD_VECTOR', `${field}.data`, 'something behind the end');
  inflate.chunkSize = Math.min(LONGEST_CHUNK, text.length + CHUNK_STEP - (text.length % CHUNK_STEP));
  return text;
}

/** What zlib answers where it is asked for `info`. */
interface Inflated {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

const LONGEST_CHUNK = 1 << 16;
const CHUNK_STEP = 1 << 12;

/** In chunks that hold such a text as the last one. `info` answers how much was taken, too. */
const inflate = { maxOutputLength: MAX_INFLATED, chunkSize: LONGEST_CHUNK, info: true } as ZlibOptions;

/** The text, unless something stands behind the end of the stream, which would go unnoticed. */
const whole = ({ buffer, engine }: Inflated, deflated: Buffer): Buffer | undefined =>
  engine.bytesWritten === deflated.length ? buffer : undefined;
