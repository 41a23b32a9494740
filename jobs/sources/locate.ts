import { readdir, stat } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import type { JsonLayout, SourceLayout } from '../engine/mapping.ts';
import { CutoverError } from '../errors.ts';
import type { S3Place } from '../s3.ts';
import { matchesAny } from './file-pattern.ts';
import { collectionFiles, reasonOf, refusal } from './json-layout.ts';

/** The `--source` options of a command: folders with one folder a system, and stores named one by one. */
export interface SourceOptions {
  readonly folders: readonly string[];
  readonly stores: ReadonlyMap<string, string>;
  /** URLs of living databases that hold a part of a store, by the name that the layout gives them. */
  readonly databases?: ReadonlyMap<string, string>;
  /** Stores that lie in an object store, by name; `stores` has the folders that they are downloaded to. */
  readonly objects?: ReadonlyMap<string, S3Place>;
  /** Brings a store from there, the first time that it is asked for. */
  readonly download?: (store: string) => Promise<void>;
}

/** The files of one legacy store, as they lie. */
export interface LocatedStore {
  /** Folder that the names in `files` are relative to. */
  readonly root: string;
  /** Relative paths, sorted. */
  readonly files: readonly string[];
  /** Files that lie around it or in it and are no part of it, by their names below the folder that was searched. */
  readonly around?: { readonly root: string; readonly files: readonly string[] };
  /** Files that must not be opened, with the reason. */
  readonly refused?: ReadonlyMap<string, string>;
  /** URL of the living database that belongs to it. */
  readonly database?: string;
}

/** Folders that hold programs, whatever the system. */
const PROGRAMS = ['.git', 'node_modules', '.venv', 'venv', '__pycache__'];

/** Files that SQLite keeps beside a database and that are part of its content. */
const SQLITE_SIDECARS = ['-wal', '-journal'];

/**
 * Finds the store of one system by the names and places of its files.
 * @throws CutoverError `source` when there is none, `usage` when two could be meant
 */
export async function locateStore(
  system: string,
  layout: SourceLayout,
  options: SourceOptions,
): Promise<LocatedStore> {
  const name = layout.kind === 'json' ? layout.database?.name : undefined;
  const database = name === undefined ? undefined : options.databases?.get(name);
  const found = await locateFiles(system, layout, options, database !== undefined);
  return database === undefined ? found : { ...found, database };
}

/** @param optional whether a store without files is one, too, because the rest of it lies elsewhere */
async function locateFiles(
  system: string,
  layout: SourceLayout,
  options: SourceOptions,
  optional: boolean,
): Promise<LocatedStore> {
  await options.download?.(system);
  const named = options.stores.get(system);
  const starts = named === undefined ? options.folders.map((folder) => join(folder, system)) : [named];
  const none = { root: '', files: [] };
  if (starts.length === 0) {
    if (optional) return none;
    throw new CutoverError(
      'usage',
      `${system}: no source is named`,
      `Name the store with --source ${system}=PATH, or leave the system out with --system.`,
    );
  }
  const present: string[] = [];
  for (const start of starts) if (await exists(start)) present.push(start);
  if (present.length === 0) {
    if (optional && named === undefined) return none;
    throw new CutoverError(
      'source',
      `${system}: ${starts.join(' and ')} ${starts.length > 1 ? 'do' : 'does'} not exist`,
      `Name the store with --source ${system}=PATH, or a folder that has a folder ${system} with --source DIR.`,
    );
  }
  const found = (await Promise.all(present.map((start) => find(start, layout)))).flat();
  const what = whatMakes(layout);
  if (found.length === 0) {
    throw new CutoverError(
      'source',
      `${system}: no ${what} in ${present.join(' or ')}`,
      `Name the store with --source ${system}=PATH.`,
    );
  }
  if (found.length > 1) {
    throw new CutoverError(
      'usage',
      `${system}: more than one ${what}: ${found.map((store) => store.path).join(' and ')}`,
      `Name the one that the application uses with --source ${system}=PATH.`,
    );
  }
  return found[0]!.store;
}

/** What a store is known by, for messages. */
function whatMakes(layout: SourceLayout): string {
  if (layout.kind === 'sqlite') return `file ${layout.file}`;
  if (layout.landmark !== undefined) return `folder with ${layout.landmark}`;
  const patterns = Object.values(layout.collections).flatMap((each) => each.files);
  return `file of the store (${patterns.slice(0, 3).join(', ')}, …)`;
}

interface Candidate {
  path: string;
  store: LocatedStore;
}

async function find(start: string, layout: SourceLayout): Promise<Candidate[]> {
  if (layout.kind === 'sqlite') {
    const found = (await stat(start)).isFile() ? undefined : await walk(start, PROGRAMS);
    const link = found?.links.find((path) => basename(path) === layout.file);
    if (link !== undefined) refuseLink(link);
    const all = found?.files;
    const files = all?.filter((path) => basename(path) === layout.file) ?? [start];
    return Promise.all(
      files.map(async (path) => {
        const root = join(path, '..');
        const names = [basename(path)];
        for (const suffix of SQLITE_SIDECARS) {
          if (await exists(path + suffix)) names.push(basename(path) + suffix);
        }
        const own = new Set([...names, `${basename(path)}-shm`].map((name) => join(root, name)));
        const others = (all ?? []).filter((other) => !own.has(other));
        return { path, store: { root, files: names.sort(), ...notOf(layout, start, others) } };
      }),
    );
  }
  if ((await stat(start)).isFile()) {
    const what = layout.landmark ?? 'its files';
    throw new CutoverError('source', `${start} is a file`, `Name the folder that holds ${what}.`);
  }
  return findFolders(start, layout);
}

async function findFolders(start: string, layout: JsonLayout): Promise<Candidate[]> {
  const { files: all, links } = await walk(start, [...PROGRAMS, ...layout.skip]);
  // Nobody can tell whether the store is whole without what lies there.
  if (links.length > 0) refuseLink(links[0]!);
  const landmarks = all.filter((path) => basename(path) === layout.landmark);
  const roots =
    layout.root === 'landmark' ? landmarks.map((path) => join(path, '..')) : landmarks.map(() => start);
  if (layout.landmark === undefined) roots.push(start);
  return roots
    .map((root, i) => {
      const isPart = (path: string): boolean => {
        const name = slashed(relative(start, path));
        const isBelow = root === start || path.startsWith(root + sep);
        return isBelow && refusal(layout, name) === undefined && reasonOf(layout, name) === undefined;
      };
      const files = all.filter(isPart).map((path) => slashed(relative(root, path)));
      const others = all.filter((path) => !isPart(path));
      const path = layout.root === 'named' ? (landmarks[i] ?? root) : root;
      return { path, store: { root, files: files.sort(), ...notOf(layout, start, others) } };
    })
    .filter(({ store }) => layout.landmark !== undefined || holdsAny(layout, store.files));
}

const slashed = (path: string) => path.replaceAll(sep, '/');

/** What is no part of a store among the files of the folder that was searched. */
function notOf(
  layout: SourceLayout,
  root: string,
  paths: readonly string[],
): Pick<LocatedStore, 'around' | 'refused'> {
  const refused = new Map<string, string>();
  const files: string[] = [];
  for (const name of paths.map((path) => slashed(relative(root, path))).sort()) {
    const reason = refusal(layout, name);
    if (reason === undefined) files.push(name);
    else refused.set(name, reason);
  }
  return { ...(files.length > 0 && { around: { root, files } }), ...(refused.size > 0 && { refused }) };
}

const holdsAny = (layout: JsonLayout, files: readonly string[]) =>
  Object.values(layout.collections).some(
    (collection) => collectionFiles(layout, collection, files).length > 0,
  );

/** What lies beneath a folder. */
interface Found {
  readonly files: string[];
  /** Symbolic links: never followed, for they may lead anywhere, or in a circle. */
  readonly links: string[];
}

/** All files beneath a folder but those in folders whose names match a pattern of `skip`. */
async function walk(folder: string, skip: readonly string[]): Promise<Found> {
  const found: Found = { files: [], links: [] };
  for (const entry of await list(folder)) {
    const path = join(folder, entry.name);
    if (matchesAny(skip, entry.name) && !entry.isFile()) continue;
    if (entry.isDirectory()) {
      const below = await walk(path, skip);
      found.files.push(...below.files);
      found.links.push(...below.links);
    } else if (entry.isSymbolicLink()) {
      found.links.push(path);
    } else if (entry.isFile()) {
      // The name as text stands for other bytes then, under which nothing is found again.
      if (entry.name.includes('\uFFFD') && !(await exists(path))) {
        throw new CutoverError('source', `${folder} has a file whose name is not UTF-8`, 'Rename the file.');
      }
      found.files.push(path);
    }
  }
  return found;
}

async function list(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    throw new CutoverError('source', `${folder}: ${(error as Error).message}`, 'Let this user read it.', {
      cause: error,
    });
  }
}

function refuseLink(path: string): never {
  throw new CutoverError(
    'source',
    `${path} is a symbolic link, which is not followed`,
    'Put what it leads to in its place, or name the folder that the files lie in.',
  );
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw new CutoverError('source', `${path}: ${(error as Error).message}`, 'Let this user read it.', {
      cause: error,
    });
  }
}
