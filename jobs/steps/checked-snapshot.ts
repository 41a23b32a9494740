import { join } from 'node:path';
import { CutoverError } from '../errors.ts';
import { checkCopiedTable } from '../sources/copied-row.ts';
import { isCopied } from '../sources/copied-table.ts';
import { filesBelow } from '../sources/files-below.ts';
import { collectionFiles, isReadWhole, shapeOf } from '../sources/json-layout.ts';
import { checkJsonFile, type JsonShape } from '../sources/json-stream.ts';
import { locateStore } from '../sources/locate.ts';
import { currentSnapshot, makeCurrent, type Snapshot, takeSnapshot } from '../sources/snapshot.ts';
import { storeOf } from '../systems/index.ts';
import type { StepContext } from './context.ts';

/** Finds the legacy store and copies it; the copy counts once it was read to its end without a fault. */
export async function takeCheckedSnapshot(
  context: StepContext,
  options: { readonly makeCurrent: boolean },
): Promise<Snapshot> {
  const { home, system } = context;
  const locate = () => locateStore(storeOf(system), system.source, context.sources);
  const { root, files, refused, database } = await locate();
  if (database !== undefined && files.length === 0) await requireNoFolder(context);
  requireFiles(context, root, files);
  for (const [file, reason] of refused ?? []) {
    const remark = `${file} was not opened: ${reason}`;
    if (!context.report.remarks.includes(remark)) context.report.remarks.push(remark);
  }
  const snapshot = await takeSnapshot(home, system.name, system.source, locate, (copy) =>
    readWhole(context, copy, root),
  );
  if (options.makeCurrent) await makeCurrent(home, snapshot.manifest);
  return snapshot;
}

/** A store that had files does not lose them because nobody named its folder this time. */
async function requireNoFolder({ home, system }: StepContext): Promise<void> {
  const last = await currentSnapshot(home, system.name, system.source).catch(() => undefined);
  const living = system.source.kind === 'json' ? `${system.source.database?.name}/` : '';
  const file = [...(last?.files.paths() ?? [])].find((path) => !path.startsWith(living));
  if (file === undefined) return;
  throw new CutoverError(
    'usage',
    `${system.name}: only its living database is named, but its last snapshot has files, too (${file})`,
    `Name the folder as well: --source ${system.name}=PATH.`,
  );
}

function requireFiles(context: StepContext, root: string, files: readonly string[]): void {
  const layout = context.system.source;
  if (layout.kind !== 'json') return;
  for (const collection of Object.values(layout.collections)) {
    if (collection.required && collectionFiles(layout, collection, files).length === 0) {
      throw new CutoverError(
        'source',
        `${context.system.name}: ${join(root, collection.files[0]!)} is missing`,
        'The application has it from its first start on: name the right folder, or restore the file.',
      );
    }
  }
}

/** Every file can be read to its end, every table is there. */
async function readWhole(
  context: StepContext,
  snapshot: Omit<Snapshot, 'manifest'>,
  root: string,
): Promise<void> {
  const { system } = context;
  if (system.source.kind === 'sqlite') {
    const { SqliteStore } = await import('../sources/sqlite.ts');
    const store = new SqliteStore(snapshot.database!);
    try {
      for (const mapping of system.tables) {
        try {
          store.reader(mapping);
        } catch (error) {
          throw asIfIn(error, snapshot.database!, join(root, system.source.file));
        }
      }
    } finally {
      store.close();
    }
    return;
  }
  const names = await filesBelow(snapshot.folder);
  const shapes = new Map<string, JsonShape>();
  for (const collection of Object.values(system.source.collections)) {
    for (const file of collectionFiles(system.source, collection, names)) {
      const { records = 'elements' } = shapeOf(system.source, collection, file);
      if (!isReadWhole(records)) shapes.set(file, records === 'members' ? 'object' : 'array');
    }
  }
  for (const [file, shape] of shapes) {
    const path = join(snapshot.folder, file);
    try {
      await (isCopied(file) ? checkCopiedTable(path) : checkJsonFile(path, shape));
    } catch (error) {
      throw asIfIn(error, path, join(root, file));
    }
  }
}

/** The user knows the living file, not the copy in which the error was found. */
function asIfIn(error: unknown, copy: string, original: string): unknown {
  if (!(error instanceof CutoverError)) return error;
  return new CutoverError(error.kind, error.message.replaceAll(copy, original), error.fix, { cause: error });
}
