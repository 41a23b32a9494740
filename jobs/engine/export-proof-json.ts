import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LeftOut } from '../sources/left-out.ts';
import { parseLoosely } from '../sources/parse-loosely.ts';
import type { Divergence } from './compare.ts';
import type { Differences } from './differences.ts';
import { looseDifferences, looseText, shown } from './loose-json.ts';
import { membersIn } from './loose-members.ts';
import type { CollectionLayout } from './mapping.ts';

export interface CollectionProof {
  /** Records that the snapshot has. */
  readonly source: number;
  /** Members of documents that were compared. */
  readonly fields: number;
}

/** One of the tables that a collection's records are in. */
export interface TablePart {
  readonly table: string;
  /** Locators of the records that the ledger says are not in the target: `events.json[3]`, `settings.json siteName`. */
  readonly setAside: ReadonlySet<string>;
  /** Fields that another of the tables keeps. */
  readonly elsewhere: ReadonlySet<string>;
}

/** The files of a collection on one side. */
export interface CollectionFiles {
  readonly folder: string;
  /** Names below it; a file that does not exist holds nothing. */
  readonly names: readonly string[];
}

export interface CollectionPair {
  readonly entity: string;
  readonly layout: CollectionLayout;
  readonly snapshot: CollectionFiles;
  readonly exported: CollectionFiles;
  /** File with the records of which an export has no file of its own: see `proofFolder`. */
  readonly unwritten: string;
  readonly parts: readonly TablePart[];
  /** Whether the rows know their file; else all of them are in one, wherever they were. */
  readonly knowsFile: boolean;
  /** What tells records without an id from each other, as far as anything does; absent: `id`. */
  readonly identity?: readonly string[] | undefined;
  /** What must not be in an export. */
  readonly leftOut: LeftOut;
  /** Whether `NaN` and infinities are numbers that the application reads; else they are null. */
  readonly tokens: boolean;
}

type Document = Record<string, unknown>;

/** A record, and where it stands. */
interface Item {
  /** What the same record has on the other side. */
  readonly match: string;
  /** For messages. */
  readonly key: string;
  readonly locator: string;
  readonly value: unknown;
  /** Its key in the file's object. */
  readonly member?: string;
}

type Tell = (
  key: string,
  field: string | null,
  source: string | null,
  target: string | null,
  kind: Divergence['kind'],
) => void;

/**
 * Compares a collection of the snapshot with the exported one, record by record, by `JSON.parse` alone: it shares neither
 * a reader nor a contract with the load and the export.
 */
export async function compareCollection(pair: CollectionPair, found: Differences): Promise<CollectionProof> {
  const tell = teller(pair.entity, found);
  if (pair.layout.partsOr !== undefined) return compareDocuments(pair, tell);
  const source = await itemsOf(pair, pair.snapshot);
  const asides = (item: Item) => pair.parts.filter(({ setAside }) => setAside.has(item.locator));
  const whole = source.filter((item) => asides(item).length === 0);
  const own = whole.map((item) => ({ ...item, value: without(item.value, pair.leftOut) }));
  const target = (await itemsOf(pair, pair.exported)).map((item) => ({
    ...item,
    value: without(item.value, pair.leftOut, (name) =>
      tell(item.locator, name, null, 'what no export may have', 'extra'),
    ),
  }));
  let fields = match(own, target, tell);
  const incomplete = source.flatMap((item) => {
    const missing = asides(item);
    if (missing.length === 0 || missing.length === pair.parts.length) return [];
    const held = pair.parts.filter((part) => !missing.includes(part));
    const isHeld = (name: string) => held.some(({ elsewhere }) => !elsewhere.has(name));
    const record = Object.entries(without(item.value, pair.leftOut) as Document);
    const value = {
      [NO_ROW]: missing.map(({ table }) => table).join(),
      ...Object.fromEntries(record.filter(([name]) => isHeld(name))),
    };
    return [{ ...item, value }];
  });
  const partial = (await readUnwritten(pair)).map(({ place, record, without: tables }) => {
    const item = itemAt(pair, String(place.$file ?? ''), String(place.$key));
    return { ...item, value: { [NO_ROW]: tables.join(), ...record } };
  });
  fields += match(incomplete, partial, tell);
  return { source: source.length, fields };
}

/** Under this name a record that is not whole has the tables that have no row of it. */
const NO_ROW = '(no row in)';

interface Unwritten {
  readonly place: Document;
  readonly record: Document;
  readonly without: readonly string[];
}

async function readUnwritten(pair: Pick<CollectionPair, 'unwritten' | 'tokens'>): Promise<Unwritten[]> {
  const text = await textOf(pair.unwritten);
  return text === undefined ? [] : (parseLoosely(text, pair.tokens) as Unwritten[]);
}

/** Records that other records of the snapshot hold under a name, and rows that repeat them. */
export async function compareRepeated(pair: CollectionPair, found: Differences): Promise<CollectionProof> {
  const tell = teller(pair.entity, found);
  const each = pair.layout.each!;
  const around = await itemsOf({ ...pair, layout: { ...pair.layout, records: 'members' } }, pair.snapshot);
  const named = (key: string, value: unknown, locator: string): Item => {
    const identified = { $key: key, ...(value as Document) };
    return { match: identityOf(pair.identity ?? [], identified), key: locator, locator, value: identified };
  };
  const source = around.flatMap(({ member, locator, value }) => {
    const held = (value as Document | null)?.[each];
    if (!Array.isArray(held)) return [];
    return held.map((element, i) => named(member!, element, `${locator}.${each}[${i}]`));
  });
  const kept = source.filter(({ locator }) => !pair.parts.some(({ setAside }) => setAside.has(locator)));
  const rows = (await readUnwritten(pair)).map(({ place, record }) => {
    const key = String(place.$key);
    return named(
      key,
      record,
      `a row of ${pair.parts.map(({ table }) => table).join()} of ${JSON.stringify(key)}`,
    );
  });
  return { source: source.length, fields: match(kept, rows, tell) };
}

/** Files of which the snapshot's manifest says as much as the rows do. */
export async function compareOpaque(
  pair: CollectionPair,
  files: readonly { readonly path: string; readonly size: number; readonly sha256: string }[],
  found: Differences,
): Promise<CollectionProof> {
  const item = (path: string, $size: unknown, $sha256: unknown): Item => {
    const value = { $size: Number($size), $sha256 };
    return { match: path, key: path, locator: path, value };
  };
  const source = files.map(({ path, size, sha256 }) => item(path, size, sha256));
  const kept = source.filter(({ locator }) => !pair.parts.some(({ setAside }) => setAside.has(locator)));
  const rows = (await readUnwritten(pair)).map(({ place }) =>
    item(String(place.$file), place.$size, place.$sha256),
  );
  return { source: source.length, fields: match(kept, rows, teller(pair.entity, found)) };
}

/** Compares what has the same match; of several, those that are equal first. @returns how many members were compared */
function match(source: readonly Item[], target: readonly Item[], tell: Tell): number {
  const left = new Map<string, Item[]>();
  for (const item of target) {
    const same = left.get(item.match);
    if (same) same.push(item);
    else left.set(item.match, [item]);
  }
  let fields = 0;
  const unequal: Item[] = [];
  for (const item of source) {
    if (isObject(item.value)) fields += Object.keys(item.value).length;
    const same = left.get(item.match) ?? [];
    const text = same.length > 0 ? looseText(item.value) : '';
    const at = same.findIndex((other) => looseText(other.value) === text);
    if (at >= 0) same.splice(at, 1);
    else unequal.push(item);
  }
  for (const { match: name, key, value } of unequal) {
    const other = left.get(name)?.shift();
    if (other === undefined) tell(key, null, shown(value), null, 'missing');
    else for (const { path, a, b } of looseDifferences(value, other.value)) tell(key, path, a, b, 'changed');
  }
  for (const items of left.values()) {
    for (const { key, value } of items) tell(key, null, null, shown(value), 'extra');
  }
  return fields;
}

async function itemsOf(pair: CollectionPair, side: CollectionFiles): Promise<Item[]> {
  const { records = 'elements', keyedBy } = pair.layout;
  const items: Item[] = [];
  for (const name of side.names) {
    const text = await textOf(join(side.folder, name));
    if (text === undefined) continue;
    if (records === 'members') {
      for (const { key, value, locator } of membersIn(text, name, pair.tokens))
        items.push({ ...itemAt(pair, name, key), locator, value, member: key });
      continue;
    }
    if (records === 'document') {
      const value = parsed(text, pair.tokens);
      // One that can't be read is set aside, and told when it is not.
      if (keyedBy !== undefined && isKeyed(value, keyedBy)) {
        for (const [key, member] of Object.entries(value)) {
          const locator = `${name}[${JSON.stringify(key)}]`;
          items.push({ match: locator, key: locator, locator, value: member });
        }
      } else items.push({ match: name, key: name, locator: name, value });
      continue;
    }
    const array = records === 'any' ? parsed(text, pair.tokens) : parseLoosely(text, pair.tokens);
    if (!Array.isArray(array)) {
      if (records !== 'any') throw new Error(`${name} is not an array`);
      // One that stands alone is exported as a list of one.
      items.push({ ...elementAt(pair, name, 0, array), locator: name });
      continue;
    }
    for (const [i, value] of array.entries()) items.push(elementAt(pair, name, i, value));
  }
  return items;
}

/** What a file that is no JSON has for a value: it is equal to nothing. */
const parsed = (text: string, tokens: boolean): unknown => {
  try {
    return parseLoosely(text, tokens);
  } catch {
    return 'what is no JSON';
  }
};

function itemAt({ knowsFile }: CollectionPair, file: string, key: string): Omit<Item, 'value'> {
  const locator = `${file}[${JSON.stringify(key)}]`;
  return {
    match: `${knowsFile ? file : ''} ${key}`,
    key: knowsFile ? locator : JSON.stringify(key),
    locator,
  };
}

function elementAt(pair: CollectionPair, file: string, i: number, value: unknown): Item {
  const locator = `${file}[${i}]`;
  const place = pair.knowsFile ? file : '';
  if (pair.identity) {
    return { match: `${place} ${identityOf(pair.identity, value)}`, key: locator, locator, value };
  }
  const key = `id=${String(isObject(value) ? value.id : undefined)}`;
  return { match: `${place} ${key}`, key, locator, value };
}

const identityOf = (names: readonly string[], value: unknown): string =>
  looseText(names.map((name) => (isObject(value) && Object.hasOwn(value, name) ? value[name] : null)));

const isKeyed = (value: unknown, keyedBy: string): value is Document =>
  isObject(value) &&
  Object.keys(value).length > 0 &&
  !Object.hasOwn(value, keyedBy) &&
  Object.values(value).every(isObject);

const isObject = (value: unknown): value is Document =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

/** Collections whose records are the members of one document a file. */
async function compareDocuments(pair: CollectionPair, tell: Tell): Promise<CollectionProof> {
  let [source, fields] = [0, 0];
  for (const name of new Set([...pair.snapshot.names, ...pair.exported.names])) {
    const own = await documentsIn(pair, pair.snapshot, name);
    const written = await documentsIn(pair, pair.exported, name);
    const proof = compareOnly(pair, name, own, written, tell);
    source += proof.source;
    fields += proof.fields;
  }
  return { source, fields };
}

async function documentsIn(pair: CollectionPair, side: CollectionFiles, name: string): Promise<unknown[]> {
  const text = side.names.includes(name) ? await textOf(join(side.folder, name)) : undefined;
  if (text === undefined) return [];
  if (pair.layout.records === 'document') return [parsed(text, pair.tokens)];
  const value = parseLoosely(text, pair.tokens);
  if (!Array.isArray(value)) throw new Error(`${name} is not an array`);
  return value;
}

function compareOnly(
  pair: CollectionPair,
  name: string,
  source: unknown[],
  target: unknown[],
  tell: Tell,
): CollectionProof {
  const setAside = pair.parts[0]!.setAside;
  // Further documents are in quarantine, each under its own locator; so is a first one that has no members.
  const further = [...setAside].filter((locator) => locator.startsWith(`${name} at byte `)).length;
  if (source.length - 1 > further) {
    tell(name, null, `${source.length} documents`, `${further} of them set aside`, 'missing');
  }
  if (target.length > 1) tell(name, null, null, `${target.length} documents`, 'extra');
  const first = setAside.has(pair.layout.records === 'document' ? name : `${name}[0]`)
    ? {}
    : (source[0] ?? {});
  const aside = (key: string) => setAside.has(`${name} ${key.replaceAll('\0', '\\0')}`);
  const kept = isObject(first)
    ? Object.fromEntries(Object.entries(first).filter(([key]) => !aside(key)))
    : first;
  const own = without(kept, pair.leftOut);
  const written = without(target[0] ?? {}, pair.leftOut, (field) =>
    tell(name, field, null, 'what no export may have', 'extra'),
  );
  for (const { path, a, b } of looseDifferences(own, written)) {
    tell(name, path, a, b, a === null ? 'extra' : b === null ? 'missing' : 'changed');
  }
  const members = isObject(source[0]) ? Object.keys(source[0]).length : source.length;
  return {
    source: members + Math.max(0, source.length - 1),
    fields: isObject(own) ? Object.keys(own).length : 0,
  };
}

function teller(entity: string, found: Differences): Tell {
  return (key, field, source, target, kind) =>
    found.add({ table: entity, key, field, source: cut(source), target: cut(target), kind });
}

const SHOWN = 200;
const cut = (text: string | null) =>
  text !== null && text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;

/** The value without the members of these names, at any depth. */
function without(value: unknown, leftOut: LeftOut, onFound?: (name: string) => void): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((each) => without(each, leftOut, onFound));
  const kept: [string, unknown][] = [];
  for (const [name, each] of Object.entries(value)) {
    if (!leftOut.has(name, each)) kept.push([name, without(each, leftOut, onFound)]);
    else onFound?.(name);
  }
  return Object.fromEntries(kept);
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
