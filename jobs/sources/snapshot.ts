import { createHash, hash } from 'node:crypto';
import { createReadStream, createWriteStream, statSync, writeFileSync } from 'node:fs';
import { chmod, copyFile, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import Database from 'libsql';
import type { SourceLayout, SqliteLayout } from '../engine/mapping.ts';
import { CutoverError } from '../errors.ts';
import { FileList, type HashedFile } from './file-list.ts';
import { matchesAny } from './file-pattern.ts';
import { copyDatabase, type DatabaseCopy } from './living-database.ts';
import type { LocatedStore } from './locate.ts';
import { digestOf, type Manifest, readManifest, writeManifest } from './manifest.ts';
import { isSealed, seal } from './seal.ts';
import { readSmall } from './small-file.ts';
import { literal } from './sqlite-quote.ts';
import { definitionsIn } from './sqlite-tables.ts';
import { readOnlyUri } from './sqlite-uri.ts';

/** Where the files of a snapshot lie. */
export interface StoredFiles {
  /** Folder of the files, as they were. */
  readonly folder: string;
  readonly files: FileList;
  /** The file to open for a SQLite store: the copy itself, or one into which its write-ahead log was folded. */
  readonly database?: string | undefined;
}

/** A copy of a legacy store that nothing writes to: what load and verify read. */
export interface Snapshot extends StoredFiles {
  readonly manifest: Manifest;
}

/** Legacy applications rewrite whole files in place, so a copy counts only if the file did not change meanwhile. */
const ATTEMPTS = 5;
const PAUSE_MS = 300;

/** Files that are hashed before somebody else gets a turn. */
const FILES_AT_ONCE = 256;

const MANIFEST = 'manifest.json';

/** Name of the database into which a store's files were folded, beside the folder of the files. */
const FOLDED = 'folded.db';

const snapshotFolder = (home: string, system: string) => join(home, 'snapshots', system);

/**
 * Copies a store into `home/snapshots/<system>/<digest>` with a manifest.
 * The source is only read. A store whose content is known already costs one pass of hashing and no space.
 *
 * @param locate lists the store's files; asked again for each try, as SQLite's logs come and go
 * @param check looks at the copy before it counts; what it throws leaves no snapshot
 */
export async function takeSnapshot(
  home: string,
  system: string,
  layout: SourceLayout,
  locate: () => Promise<LocatedStore>,
  check: (copy: Omit<Snapshot, 'manifest'>) => Promise<void>,
): Promise<Snapshot> {
  const base = snapshotFolder(home, system);
  const draft = join(base, `draft-${process.pid}`);
  await rm(draft, { recursive: true, force: true });
  await mkdir(join(draft, 'files'), { recursive: true, mode: 0o700 });
  try {
    const { store, files: copies } = await stableCopy(locate, join(draft, 'files'));
    const copied = await copyLiving(layout, store, join(draft, 'files'));
    const files = FileList.of([...copies, ...copied.files]);
    const digest = digestOf(files);
    const folded = layout.kind === 'sqlite' && (await foldSqlite(store, draft, layout));
    const around = store.around && (await hashesOf(store.around.root, store.around.files));
    const manifest: Manifest = {
      system,
      digest,
      files,
      ...(around && { around }),
      ...(copied.unread.length > 0 && { unread: copied.unread }),
      ...(folded && { folded: await hashOf(folded) }),
    };
    const place = join(base, digest);
    await check(openAt(draft, manifest, layout));
    await writeManifest(join(draft, MANIFEST), manifest);
    const known = await readManifest(join(place, MANIFEST));
    if (!known) {
      await rm(place, { recursive: true, force: true });
      await rename(draft, place);
      await seal(place, pathsIn(manifest));
      return openAt(place, manifest, layout);
    }
    const now: Manifest = { ...known, around, unread: manifest.unread };
    // What lies around may have changed; the copy is the one that is there.
    if (JSON.stringify(now) !== JSON.stringify(known)) {
      await writeManifest(join(draft, MANIFEST), now);
      await rename(join(draft, MANIFEST), join(place, MANIFEST));
    }
    return openAt(place, now, layout);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** The part of a store that is a living database, as files. */
async function copyLiving(layout: SourceLayout, store: LocatedStore, folder: string): Promise<DatabaseCopy> {
  if (store.database === undefined || layout.kind !== 'json') return { files: [], unread: [] };
  const { name } = layout.database!;
  if (store.files.some((file) => file.startsWith(`${name}/`))) {
    throw new CutoverError(
      'source',
      `${join(store.root, name)} has the name under which the snapshot keeps the living database`,
      'Rename or move that folder, or leave the database out.',
    );
  }
  return copyDatabase(layout.database!, store.database, folder);
}

/** Makes a snapshot the one that load and verify read. */
export async function makeCurrent(
  home: string,
  { system, digest }: Pick<Manifest, 'system' | 'digest'>,
): Promise<void> {
  const base = snapshotFolder(home, system);
  await writeFile(join(base, 'current.tmp'), `${digest}\n`);
  await rename(join(base, 'current.tmp'), join(base, 'current'));
}

/**
 * The snapshot that `backup` made current.
 * @param trust what spares a file from being hashed: that nobody has written to it since it was, or nothing
 * @param access `read` by one of several processes, none of which writes to what the others read
 * @throws CutoverError `source` when it is not what was taken any more
 */
export async function currentSnapshot(
  home: string,
  system: string,
  layout: SourceLayout,
  trust: 'seal' | 'nothing' = 'nothing',
  access: 'read' | 'write' = 'write',
): Promise<Snapshot> {
  const base = snapshotFolder(home, system);
  let digest: string;
  try {
    digest = (await readFile(join(base, 'current'), 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new CutoverError(
      'source',
      `${system} has no snapshot in ${base}`,
      `Run: cutover backup --system ${system}`,
    );
  }
  return checkedSnapshot(base, digest, system, layout, trust, access);
}

/** An earlier snapshot of a system; undefined when it is gone or not what was taken any more. */
export async function earlierSnapshot(
  home: string,
  system: string,
  layout: SourceLayout,
  digest: string,
): Promise<Snapshot | undefined> {
  return checkedSnapshot(snapshotFolder(home, system), digest, system, layout, 'seal').catch(() => undefined);
}

async function checkedSnapshot(
  base: string,
  digest: string,
  system: string,
  layout: SourceLayout,
  trust: 'seal' | 'nothing',
  access: 'read' | 'write' = 'write',
): Promise<Snapshot> {
  const place = join(base, digest);
  const manifest = await readManifest(join(place, MANIFEST));
  if (!manifest) {
    throw new CutoverError(
      'source',
      `the snapshot ${place} is gone`,
      `Run: cutover backup --system ${system}`,
    );
  }
  const changed = (path: string) =>
    new CutoverError(
      'source',
      `${path} is not as its manifest says`,
      `Delete ${place} and run: cutover backup --system ${system}`,
    );
  if (digestOf(manifest.files) !== digest) throw changed(place);
  const isTrusted = trust === 'seal' && (await isSealed(place, pathsIn(manifest)));
  if (!isTrusted) {
    let n = 0;
    for (const { path, sha256 } of manifest.files) {
      const file = join(place, 'files', path);
      if ((await hashOf(file)) !== sha256) throw changed(file);
      if (++n % FILES_AT_ONCE === 0) await setImmediate();
    }
    const folded = join(place, FOLDED);
    if (manifest.folded !== undefined && (await hashOf(folded)) !== manifest.folded) throw changed(folded);
    if (access === 'write') await seal(place, pathsIn(manifest));
  }
  return openAt(place, manifest, layout);
}

/** Names of all files of a snapshot within its folder. */
function* pathsIn({ files, folded }: Manifest): Generator<string> {
  for (const path of files.paths()) yield `files/${path}`;
  if (folded !== undefined) yield FOLDED;
}

/** Removes every other whole snapshot of the system. @returns the folders that are gone */
export async function removeOtherSnapshots(home: string, { system, digest }: Manifest): Promise<string[]> {
  const base = snapshotFolder(home, system);
  const entries = await readdir(base, { withFileTypes: true });
  const old = entries.filter(({ name }) => /^[0-9a-f]{64}$/.test(name) && name !== digest);
  for (const { name } of old) await rm(join(base, name), { recursive: true });
  return old.map(({ name }) => join(base, name));
}

/** Files of a store, as it lies there now, that are not as a manifest has them, missing and new ones among them. */
export async function changedSince(
  manifest: Manifest,
  layout: SourceLayout,
  store: LocatedStore,
): Promise<string[]> {
  const copied = layout.kind === 'json' && layout.database ? `${layout.database.name}/` : undefined;
  const known = new Set(manifest.files.paths());
  const changed = store.files.filter((path) => !known.has(path));
  for (const file of manifest.files) {
    const { path } = file;
    // What was copied from a database is no file of the store.
    if (copied !== undefined && path.startsWith(copied)) continue;
    if (!(await isAsIn(file, join(store.root, path)))) changed.push(path);
  }
  return changed;
}

function openAt(place: string, manifest: Manifest, layout: SourceLayout): Snapshot {
  const { files } = manifest;
  const opened = { manifest, files, folder: join(place, 'files') };
  if (layout.kind !== 'sqlite') return opened;
  if (manifest.folded !== undefined) return { ...opened, database: join(place, FOLDED) };
  const name = [...files.paths()].find((path) => !/-(wal|journal)$/.test(path))!;
  return { ...opened, database: join(opened.folder, name) };
}

/** Copies all files so that the copies are of one moment: any change meanwhile starts the copy again. */
async function stableCopy(
  locate: () => Promise<LocatedStore>,
  folder: string,
): Promise<{ store: LocatedStore; files: HashedFile[] }> {
  let changed = '';
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { mode: 0o700 });
    const store = await locate();
    changed = '';
    const files: HashedFile[] = [];
    for (const path of store.files) {
      const source = join(store.root, path);
      const copy = await copyHashed(source, folder, path);
      if (copy) files.push(copy);
      else changed = source;
    }
    for (const copy of files) {
      const source = join(store.root, copy.path);
      if (!(await isAsIn(copy, source))) changed = source;
    }
    const after = await locate();
    if (after.files.join('\0') !== store.files.join('\0')) changed = store.root;
    if (changed === '') return { store, files };
    await sleep(PAUSE_MS);
  }
  throw new CutoverError(
    'source',
    `${changed} changed while it was read, ${ATTEMPTS} times in a row`,
    'Stop the legacy application, or take the snapshot when it is idle.',
  );
}

async function hashesOf(root: string, paths: readonly string[]): Promise<HashedFile[]> {
  const found: HashedFile[] = [];
  for (const path of paths) {
    const file = join(root, path);
    found.push({ path, size: sizeOf(file), sha256: await hashOf(file) });
  }
  return found;
}

/** Whether a file has the content that a manifest says. */
async function isAsIn({ size, sha256 }: HashedFile, path: string): Promise<boolean> {
  return sizeOf(path) === size && (await hashOf(path)) === sha256;
}

/** Without a promise: there may be a hundred thousand files. */
function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return -1;
  }
}

async function hashOf(path: string): Promise<string> {
  try {
    const bytes = readSmall(path);
    if (bytes) return hash('sha256', bytes, 'hex');
    return await hashOfLarge(path);
  } catch {
    return 'unreadable';
  }
}

/** The next piece is read while one is hashed, into memory that is used again. */
async function hashOfLarge(path: string): Promise<string> {
  const sum = createHash('sha256');
  const file = await open(path);
  try {
    let [piece, next] = [Buffer.allocUnsafe(PIECE), Buffer.allocUnsafe(PIECE)];
    let reading = file.read(next);
    for (;;) {
      const { bytesRead } = await reading;
      if (bytesRead === 0) return sum.digest('hex');
      [piece, next] = [next, piece];
      reading = file.read(next);
      sum.update(piece.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

/** Bytes of a large file that are read at once. */
const PIECE = 1 << 20;

/** @returns undefined when the file is no longer there */
async function copyHashed(source: string, folder: string, path: string): Promise<HashedFile | undefined> {
  const target = join(folder, path);
  await mkdir(dirname(target), { recursive: true });
  await rm(target, { force: true });
  const hash = createHash('sha256');
  let size = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  try {
    const bytes = readSmall(source);
    if (bytes) {
      hash.update(bytes);
      size = bytes.length;
      writeFileSync(target, bytes);
    } else {
      await pipeline(createReadStream(source, { highWaterMark: 1 << 20 }), meter, createWriteStream(target));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new CutoverError(
      'source',
      `${source}: ${(error as Error).message}`,
      'Let this user read the file.',
      {
        cause: error,
      },
    );
  }
  await chmod(target, 0o400);
  return { path, size, sha256: hash.digest('hex') };
}

const SQLITE_MAGIC = 'SQLite format 3\0';

/**
 * Checks that the copy is a whole SQLite database. One that needs its write-ahead log or rollback journal (or is in
 * WAL mode, which no reader opens without writing) is folded into a second copy; the first stays as evidence.
 *
 * @returns the second copy, if there is one
 */
async function foldSqlite(
  store: LocatedStore,
  draft: string,
  layout: SqliteLayout,
): Promise<string | undefined> {
  const main = store.files.find((file) => !/-(wal|journal)$/.test(file)) ?? layout.file;
  const copy = join(draft, 'files', main);
  const original = join(store.root, main);
  const header = Buffer.alloc(100);
  const handle = await open(copy);
  const { bytesRead } = await handle.read(header, 0, 100, 0);
  await handle.close();
  if (bytesRead === 0) {
    throw new CutoverError(
      'source',
      `${original} is empty`,
      'Restore it from a backup; nothing was written.',
    );
  }
  if (header.toString('latin1', 0, 16) !== SQLITE_MAGIC) {
    throw new CutoverError(
      'source',
      `${original} is not a SQLite database: it begins with ${JSON.stringify(header.toString('latin1', 0, 16))}`,
      'Name the right file with --source SYSTEM=PATH.',
    );
  }
  // Bytes 18 and 19 are the file format's write and read versions: 2 is WAL (SQLite documentation, "Database Header").
  const isWal = header[18] === 2 || header[19] === 2;
  let opened = copy;
  if (isWal || store.files.length > 1) {
    opened = join(draft, FOLDED);
    for (const file of store.files) {
      await copyFile(join(draft, 'files', file), opened + file.slice(main.length));
      await chmod(opened + file.slice(main.length), 0o600);
    }
    withDatabase(opened, original, (db) => {
      db.pragma('wal_checkpoint(TRUNCATE)');
      db.pragma('journal_mode = delete');
    });
    await chmod(opened, 0o400);
  }
  withDatabase(readOnlyUri(opened), original, (db) => checkTables(db, Object.keys(layout.notSource ?? {})));
  return opened === copy ? undefined : opened;
}

/**
 * Every table is whole. A search index that nobody will read may be broken, which SQLite reports of the whole file: then
 * each of the other tables has to be well by itself.
 * @throws Error that says what is broken
 */
function checkTables(db: Database.Database, notSource: readonly string[]): void {
  const check = (argument: string) => {
    const [[found]] = db.prepare(`pragma quick_check(${argument})`).raw(true).all() as unknown as [[string]];
    if (found !== 'ok') throw new Error(found);
  };
  try {
    check('1');
  } catch (error) {
    const tables = definitionsIn(db).filter(({ type }) => type === 'table');
    if (!tables.some(({ name }) => matchesAny(notSource, name))) throw error;
    for (const { name } of tables) if (!matchesAny(notSource, name)) check(literal(name));
  }
}

function withDatabase(file: string, original: string, use: (db: Database.Database) => void): void {
  let db: Database.Database | undefined;
  try {
    db = new Database(file);
    use(db);
  } catch (error) {
    throw new CutoverError(
      'source',
      `${original} is damaged: ${(error as Error).message}`,
      'Restore it from a backup; nothing was written.',
      { cause: error },
    );
  } finally {
    db?.close();
  }
}
