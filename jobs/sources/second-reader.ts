import { readFile, stat } from 'node:fs/promises';
import { parseRecord, streamJson } from './json-stream.ts';
import { JsonNumber, JsonObject, type JsonValue } from './json-value.ts';

/** What JavaScript's own parser can take as one text. */
const MAX_BYTES = 256 << 20;

/** A string, or one of the bare tokens that Python writes and JSON.parse refuses. */
const STRING_OR_TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\b(?:NaN|Infinity)\b/g;

/**
 * Reads a collection by JavaScript's own parser and compares it, document by document, with what our streaming reader
 * makes of it: a fault of the reader that load and verify share can't hide here.
 *
 * @returns what was found: `ok`, and how many documents each reader has seen or where they first differ; undefined when
 *   the file is too large for a second reading
 */
export async function readTwice(
  file: string,
): Promise<{ ok: boolean; ours: string; theirs: string } | undefined> {
  const found = await stat(file).catch(() => undefined);
  if (!found || found.size > MAX_BYTES) return undefined;
  const text = (await readFile(file, 'utf8')).replace(/^\uFEFF/, '');
  const documents: unknown[] = JSON.parse(
    text.replace(STRING_OR_TOKEN, (token) => (token.startsWith('"') ? token : 'null')),
  );
  let n = 0;
  for await (const block of streamJson(file, 'array')) {
    for (const record of block) {
      const difference = differenceOf(parseRecord(record).value, documents[n], `[${n}]`);
      if (difference) return { ok: false, ...difference };
      n++;
    }
  }
  return { ok: n === documents.length, ours: `${n} documents`, theirs: `${documents.length} documents` };
}

/** The first place where our value and that of JSON.parse differ. */
export function differenceOf(
  ours: JsonValue,
  theirs: unknown,
  path: string,
): { ours: string; theirs: string } | undefined {
  const differ = () => ({ ours: `${path} ${describe(ours)}`, theirs: `${path} ${JSON.stringify(theirs)}` });
  if (ours instanceof JsonNumber) {
    return Object.is(ours.isFinite ? Number(ours.text) : null, theirs) ? undefined : differ();
  }
  if (Array.isArray(ours)) {
    if (!Array.isArray(theirs) || theirs.length !== ours.length) return differ();
    return first(ours.map((each, i) => () => differenceOf(each, theirs[i], `${path}[${i}]`)));
  }
  if (ours instanceof JsonObject) {
    if (theirs === null || typeof theirs !== 'object' || Array.isArray(theirs)) return differ();
    const members = new Map(Object.entries(theirs));
    if (members.size !== ours.size) return differ();
    return first(
      [...ours].map(
        ([key, value]) =>
          () =>
            differenceOf(value, members.get(key), `${path}.${key}`),
      ),
    );
  }
  return ours === theirs ? undefined : differ();
}

function first<T>(tries: readonly (() => T | undefined)[]): T | undefined {
  for (const attempt of tries) {
    const found = attempt();
    if (found !== undefined) return found;
  }
  return undefined;
}

function describe(value: JsonValue): string {
  if (value instanceof JsonNumber) return value.text;
  if (value instanceof JsonObject) return `an object with ${value.keys.join(', ')}`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return JSON.stringify(value);
}
