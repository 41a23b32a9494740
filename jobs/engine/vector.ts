import { inflateSync, type ZlibOptions } from 'node:zlib';
import { parseJson } from '../sources/json-parse.ts';
import { JsonNumber, JsonObject } from '../sources/json-value.ts';
import type { Raw } from '../sources/source.ts';
import { Reject } from './reject.ts';

/** pgvector holds so many elements. */
const MAX_DIMENSIONS = 16_000;
/** Far more than so many elements take as JSON text; anything longer is no vector but a trap. */
const MAX_INFLATED = 64 * MAX_DIMENSIONS;

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** All columns that read a record's vector ask for it one after the other. */
let last: { readonly raw: Raw; readonly vector: Float32Array } | undefined;

/**
 * A vector in any of the forms that legacy stores have: a JSON array of numbers, the text of one, or an object
 * `{_compressed | compressed: true, data}` whose data is base64 of the zlib-deflated text. Elements are rounded from
 * double to single precision.
 *
 * @throws Reject BAD_VECTOR for another or a damaged form, for no elements or more than 16,000; NON_FINITE for an element
 *   that is null, NaN or infinite; OUT_OF_RANGE for one that is infinite only in single precision
 */
export function vectorOf(raw: Exclude<Raw, null | undefined>, field: string): Float32Array {
  if (last?.raw === raw) return last.vector;
  const vector = elementsOf(raw, field);
  last = { raw, vector };
  return vector;
}

function elementsOf(raw: Raw, field: string): Float32Array {
  const list = listOf(raw, field);
  if (list.length === 0) throw new Reject('BAD_VECTOR', field, 'no elements');
  if (list.length > MAX_DIMENSIONS) throw new Reject('BAD_VECTOR', field, `${list.length} elements`);
  const vector = new Float32Array(list.length);
  for (let i = 0; i < list.length; i++) {
    const element = list[i];
    const at = `${field}[${i}]`;
    if (element === null) throw new Reject('NON_FINITE', at, 'null');
    if (!(element instanceof JsonNumber)) throw new Reject('BAD_VECTOR', at, 'no number');
    const value = Number(element.text);
    if (!element.isFinite) throw new Reject('NON_FINITE', at, element.text);
    vector[i] = value;
    if (!Number.isFinite(vector[i])) throw new Reject('OUT_OF_RANGE', at, element.text);
  }
  return vector;
}

function listOf(raw: Raw, field: string): readonly unknown[] {
  if (Array.isArray(raw)) return raw;
  if (typeof raw === 'string') return parsed(Buffer.from(raw), field);
  if (raw instanceof JsonObject) return parsed(inflated(raw, field), field);
  throw new Reject('BAD_VECTOR', field, 'neither an array nor a text or a compressed one');
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

function inflated(wrapper: JsonObject, field: string): Buffer {
  const marked = wrapper.get('_compressed') === true || wrapper.get('compressed') === true;
  const data = wrapper.get('data');
  if (!marked || typeof data !== 'string' || wrapper.size !== 2) {
    throw new Reject('BAD_VECTOR', field, `an object with ${wrapper.keys.join(', ').slice(0, 60)}`);
  }
  if (!BASE64.test(data)) throw new Reject('BAD_VECTOR', `${field}.data`, 'not base64');
  try {
    const deflated = Buffer.from(data, 'base64');
    // `info` answers how much was taken, too: what stands behind the end of the stream would go unnoticed.
    const { buffer, engine } = inflateSync(deflated, {
      maxOutputLength: MAX_INFLATED,
      info: true,
    } as ZlibOptions) as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
    if (engine.bytesWritten === deflated.length) return buffer;
  } catch (error) {
    throw new Reject('BAD_VECTOR', `${field}.data`, (error as Error).message);
  }
  throw new Reject('BAD_VECTOR', `${field}.data`, 'something behind the end');
}
