import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CutoverError } from '../errors.ts';
import { checkJsonFile } from '../sources/json-stream.ts';
import { locateStore } from '../sources/locate.ts';
import { type Snapshot, takeSnapshot } from '../sources/snapshot.ts';
import { SqliteStore } from '../sources/sqlite.ts';
import type { StepContext } from './context.ts';

/** Finds the legacy store, copies it, and makes the copy current once it was read to its end without a fault. */
export async function takeCheckedSnapshot(context: StepContext): Promise<Snapshot> {
  const { home, system } = context;
  const { root, files } = await locateStore(system.name, system.source, context.sources);
  requireFiles(context, root, files);
  return takeSnapshot(home, system.name, system.source, { root, files }, (copy) =>
    readWhole(context, copy, root),
  );
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
