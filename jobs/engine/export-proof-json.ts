import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseLoosely } from '../sources/parse-loosely.ts';
import type { Divergence } from './compare.ts';
import type { Differences } from './differences.ts';
import { looseDifferences, shown } from './loose-json.ts';

export interface CollectionProof {
  /** Records that the snapshot has. */
  readonly source: number;
  /** Members of documents that were compared. */
  readonly fields: number;
}

export interface CollectionPair {
  readonly entity: string;
  /** Files; one that does not exist holds nothing. */
  readonly snapshot: string;
  readonly exported: string;
  /** Locators of the records that the ledger says are not in the target: `events.json[3]`, `settings.json siteName`. */
  readonly setAside: ReadonlySet<string>;
  /** Members of a document that no export may have. */
  readonly leftOut: ReadonlySet<string>;
  /** The collection is one document whose members are the records. */
  readonly oneDocument: boolean;
}

type Document = Record<string, unknown>;

/**
 * Compares a collection of the snapshot with the exported one, document by document, by `JSON.parse` alone: it shares
 * neither a reader nor a contract with the load and the export.
 */
export async function compareCollection(pair: CollectionPair, found: Differences): Promise<CollectionProof> {
  const source = await readArray(pair.snapshot);
  const target = await readArray(pair.exported);
  if (pair.oneDocument) return compareOnly(pair, source, target, found);
  const file = basename(pair.snapshot);
  const tell = teller(pair.entity, found);
  const exported = new Map<string, Document>();
  for (const [i, written] of target.entries()) {
    const document = without(written, pair.leftOut, (name) =>
      tell(`${file}[${i}]`, name, null, 'what no export may have', 'extra'),
    ) as Document;
    const id = String(document.id);
    if (exported.has(id)) tell(`id=${id}`, null, null, `${file}[${i}] repeats it`, 'extra');
    exported.set(id, document);
  }
  let fields = 0;
  for (const [i, document] of source.entries()) {
    if (pair.setAside.has(`${file}[${i}]`)) continue;
    const own = without(document, pair.leftOut) as Document;
    const id = String(own.id);
    const other = exported.get(id);
    if (other === undefined) {
      tell(`id=${id}`, null, shown(own), null, 'missing');
      continue;
    }
    fields += Object.keys(own).length;
    exported.delete(id);
    for (const { path, a, b } of looseDifferences(own, other)) tell(`id=${id}`, path, a, b, 'changed');
  }
  for (const [id, document] of exported) tell(`id=${id}`, null, null, shown(document), 'extra');
  return { source: source.length, fields };
}

function compareOnly(
  pair: CollectionPair,
  source: unknown[],
  target: unknown[],
  found: Differences,
): CollectionProof {
  const name = basename(pair.snapshot);
  const tell = teller(pair.entity, found);
  // Further documents are in quarantine, each under its own locator; so is a first one that has no members.
  const further = [...pair.setAside].filter((locator) => locator.startsWith(`${name} at byte `)).length;
  if (source.length - 1 > further) {
    tell(name, null, `${source.length} documents`, `${further} of them set aside`, 'missing');
  }
  if (target.length > 1) tell(name, null, null, `${target.length} documents`, 'extra');
  const first = pair.setAside.has(`${name}[0]`) ? {} : ((source[0] ?? {}) as Document);
  const aside = (key: string) => pair.setAside.has(`${name} ${key.replaceAll('\0', '\\0')}`);
  const kept = Object.fromEntries(Object.entries(first).filter(([key]) => !aside(key)));
  const own = without(kept, pair.leftOut) as Document;
  const written = without(target[0] ?? {}, pair.leftOut, (field) =>
    tell(name, field, null, 'what no export may have', 'extra'),
  );
  for (const { path, a, b } of looseDifferences(own, written)) {
    tell(name, path, a, b, a === null ? 'extra' : b === null ? 'missing' : 'changed');
  }
  const records = Object.keys((source[0] ?? {}) as Document).length + Math.max(0, source.length - 1);
  return { source: records, fields: Object.keys(own).length };
}

function teller(entity: string, found: Differences) {
  return (
    key: string,
    field: string | null,
    source: string | null,
    target: string | null,
    kind: Divergence['kind'],
  ) => found.add({ table: entity, key, field, source: cut(source), target: cut(target), kind });
}

const SHOWN = 200;
const cut = (text: string | null) =>
  text !== null && text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;

/** The value without the members of these names, at any depth. */
function without(value: unknown, names: ReadonlySet<string>, onFound?: (name: string) => void): unknown {
  if (names.size === 0 || value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((each) => without(each, names, onFound));
  const kept = Object.entries(value).filter(([name]) => !names.has(name));
  if (onFound) for (const name of Object.keys(value)) if (names.has(name)) onFound(name);
  return Object.fromEntries(kept.map(([name, each]) => [name, without(each, names, onFound)]));
}

async function readArray(file: string): Promise<unknown[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const value = parseLoosely(text);
  if (!Array.isArray(value)) throw new Error(`${file} is not an array`);
  return value;
}
