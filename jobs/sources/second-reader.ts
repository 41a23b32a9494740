import { readFile } from 'node:fs/promises';
import { CutoverError } from '../errors.ts';
import { type CopiedRow, copiedRows } from './copied-row.ts';
import { CopiedTable, isCopied } from './copied-table.ts';
import type { CollectionFile } from './json-collection.ts';
import { isReadWhole } from './json-layout.ts';
import { parseJsonFile, parseRecord, streamJson } from './json-stream.ts';
import { JsonNumber, JsonObject, type JsonValue } from './json-value.ts';
import { PackedVector } from './packed-vector.ts';
import { parseLoosely } from './parse-loosely.ts';
import { rowsOnceMore } from './second-table-reader.ts';

/** What JavaScript's own parser can take as one text. */
const MAX_BYTES = 256 << 20;

/**
 * Reads the files of a collection by JavaScript's own parser and compares them, document by document, with what our
 * streaming reader makes of them: a fault of the reader that load and verify share can't hide here.
 *
 * @returns what was found: `ok`, and how many documents each reader has seen or where they first differ; undefined when
 *   there is no file that a second reader can take
 */
export async function readTwice(
  files: readonly CollectionFile[],
): Promise<{ ok: boolean; ours: string; theirs: string } | undefined> {
  let documents = 0;
  let read = 0;
  for (const file of files) {
    if (file.size > MAX_BYTES || file.records === 'file') continue;
    read++;
    const found = isCopied(file.name)
      ? await compareRows(file)
      : await compareFile(file, parsed(await readFile(file.path, 'utf8')));
    if (typeof found !== 'number') return { ok: false, ...found };
    documents += found;
  }
  if (read === 0) return undefined;
  const seen = `${documents} documents`;
  return { ok: true, ours: seen, theirs: seen };
}

/** What JSON.parse makes of a text; undefined when it is no JSON. */
function parsed(text: string): unknown {
  try {
    return parseLoosely(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** @returns how many documents are the same in both, or the first difference */
async function compareFile(
  { path, name, records = 'elements' }: CollectionFile,
  theirs: unknown,
): Promise<number | { ours: string; theirs: string }> {
  if (isReadWhole(records)) {
    const ours = await parseJsonFile(path).catch((error) => {
      if (error instanceof CutoverError) return undefined;
      throw error;
    });
    // What ours refuses is in quarantine, whatever the other makes of it.
    if (ours === undefined) return 0;
    const documents = records === 'any' && Array.isArray(ours.value) ? ours.value.length : 1;
    return differenceOf(ours.value, theirs, name) ?? documents;
  }
  if (theirs === undefined) return { ours: `${name} is JSON`, theirs: `${name} is damaged` };
  return records === 'members' ? compareMembers(path, name, theirs) : compareElements(path, name, theirs);
}

async function compareElements(path: string, name: string, theirs: unknown) {
  if (!Array.isArray(theirs)) return { ours: `${name} is an array`, theirs: `${name} is none` };
  let n = 0;
  for await (const block of streamJson(path, 'array')) {
    for (const record of block) {
      const difference = differenceOf(parseRecord(record).value, theirs[n], `${name}[${n}]`);
      if (difference) return difference;
      n++;
    }
  }
  return n === theirs.length ? n : { ours: `${name}: ${n}`, theirs: `${name}: ${theirs.length}` };
}

async function compareMembers(path: string, name: string, theirs: unknown) {
  const members = new Map(Object.entries(theirs as object));
  // Of a key that is there twice only the last counts.
  const differences = new Map<string, ReturnType<typeof differenceOf>>();
  for await (const block of streamJson(path, 'object')) {
    for (const record of block) {
      const key = record.key!;
      differences.set(key, differenceOf(parseRecord(record).value, members.get(key), `${name}[${key}]`));
    }
  }
  const difference = [...differences.values()].find((each) => each !== undefined);
  if (difference) return difference;
  const n = differences.size;
  return n === members.size ? n : { ours: `${name}: ${n}`, theirs: `${name}: ${members.size}` };
}

async function compareRows({
  path,
  name,
}: CollectionFile): Promise<number | { ours: string; theirs: string }> {
  const table = new CopiedTable(path);
  try {
    const others = rowsOnceMore(path);
    let n = 0;
    for await (const row of copiedRows(table, name)) {
      const next = others.next();
      if (next.done) return { ours: `${name}: more than ${n}`, theirs: `${name}: ${n}` };
      const difference = differenceOfRows(row, next.value, row.locator);
      if (difference) return difference;
      n++;
    }
    return others.next().done ? n : { ours: `${name}: ${n}`, theirs: `${name}: more than ${n}` };
  } finally {
    table.close();
  }
}

function differenceOfRows(ours: CopiedRow, theirs: ReadonlyMap<string, unknown>, locator: string) {
  const names = [...ours.fields()].sort().join();
  const others = [...theirs.keys()].sort().join();
  if (names !== others) return { ours: `${locator} ${names}`, theirs: `${locator} ${others}` };
  for (const [name, other] of theirs) {
    const own = ours.own(name);
    const path = `${locator}.${name}`;
    if (own instanceof PackedVector && Buffer.isBuffer(other)) {
      if (!own.bytes.equals(other))
        return { ours: `${path} ${own}`, theirs: `${path} ${other.toString('hex')}` };
    } else {
      const difference = differenceOf(own as JsonValue, other, path);
      if (difference) return difference;
    }
  }
  return undefined;
}

/** The first place where our value and that of JSON.parse differ. */
export function differenceOf(
  ours: JsonValue,
  theirs: unknown,
  path: string,
): { ours: string; theirs: string } | undefined {
  const differ = () => ({
    ours: `${path} ${describe(ours)}`,
    theirs: `${path} ${typeof theirs === 'bigint' ? theirs : JSON.stringify(theirs)}`,
  });
  if (ours instanceof JsonNumber) {
    const same =
      typeof theirs === 'bigint'
        ? BigInt(ours.text) === theirs
        : Object.is(ours.isFinite ? Number(ours.text) : null, theirs);
    return same ? undefined : differ();
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
