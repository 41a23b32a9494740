import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CutoverError } from '../errors.ts';
import { checkJsonFile } from '../sources/json-stream.ts';
import { locateStore } from '../sources/locate.ts';
import { makeCurrent, type Snapshot, takeSnapshot } from '../sources/snapshot.ts';
import { SqliteStore } from '../sources/sqlite.ts';
import type { StepContext } from './context.ts';

/** Finds the legacy store and copies it; the copy counts once it was read to its end without a fault. */
export async function takeCheckedSnapshot(
  context: StepContext,
  options: { readonly makeCurrent: boolean },
): Promise<Snapshot> {
  const { home, system } = context;
  const locate = () => locateStore(system.name, system.source, context.sources);
  const { root, files } = await locate();
  requireFiles(context, root, files);
  const snapshot = await takeSnapshot(home, system.name, system.source, locate, (copy) =>
    readWhole(context, copy, root),
  );
  if (options.makeCurrent) await makeCurrent(home, snapshot.manifest);
  return snapshot;
}

function requireFiles(context: StepContext, root: string, files: readonly string[]): void {
  const layout = context.system.source;
  if (layout.kind !== 'json') return;
  for (const { file, required } of Object.values(layout.collections)) {
    if (required && !files.includes(file)) {
      throw new CutoverError(
        'source',
        `${context.system.name}: ${join(root, file)} is missing`,
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
  for (const { file } of Object.values(system.source.collections)) {
    const path = join(snapshot.folder, file);
    if (!(await stat(path).catch(() => undefined))) continue;
    try {
      await checkJsonFile(path, 'array');
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
