import { mkdir, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { $ } from 'zx';
import { administered, ident, libpqVariables, urlFor, withConnection } from '../database.ts';
import { codeDigest } from '../engine/digest.ts';
import { CutoverError } from '../errors.ts';
import type { Snapshot } from '../sources/snapshot.ts';
import { storeOf } from '../systems/index.ts';
import { takeCheckedSnapshot } from './checked-snapshot.ts';
import { mib, type StepContext } from './context.ts';

/** The rows, their indexes and the write-ahead log take a few times the legacy file. Measured on trdinger samples. */
const SPACE_FACTOR = 4;

/**
 * Takes a stable snapshot of the legacy store and refuses a store that is cut, damaged or not whole, before anything is
 * written anywhere. Puts it into the archive, if there is one. A target that holds rows which this snapshot would change is
 * dumped first.
 *
 * @throws CutoverError `prerequisite` where the disk is too small for the load
 */
export async function backup(context: StepContext): Promise<void> {
  const snapshot = await takeCheckedSnapshot(context, { makeCurrent: true });
  if (context.archive !== undefined && !context.dryRun) {
    const { archiveSnapshot } = await import('./archive.ts');
    context.report.remarks.push(await archiveSnapshot(context.archive, snapshot));
  }
  await dumpTarget(context, snapshot);
  await requireSpace(context, snapshot);
}

async function requireSpace({ home, system }: StepContext, { files: { size } }: Snapshot): Promise<void> {
  const { bavail, bsize } = await statfs(home);
  if (bavail * bsize >= size * SPACE_FACTOR) return;
  throw new CutoverError(
    'prerequisite',
    `${home} has ${mib(bavail * bsize)} free; ${system.name} needs about ${mib(size * SPACE_FACTOR)}`,
    'Free space, or name another folder with --home.',
  );
}

async function dumpTarget(context: StepContext, snapshot: Snapshot): Promise<void> {
  const { home, platform, system, report } = context;
  const server = administered(platform, system);
  const exists = await withConnection(server, async (client) => {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [system.database]);
    return rowCount === 1;
  });
  if (!exists) return;
  const url = urlFor(server, system.database);
  const worthADump = await withConnection(url, async (client) => {
    const { rows: known } = await client.query<{ ledger: string | null }>(
      `select to_regclass('migration.run') as ledger`,
    );
    if (known[0]!.ledger) {
      const { rows } = await client.query<{ snapshot: string; code: string }>(
        `select snapshot, code from migration.run where system = $1 order by id desc limit 1`,
        [system.name],
      );
      // The same code finds nothing to change for the same snapshot.
      const last = rows[0];
      if (
        !context.reload &&
        last?.snapshot === snapshot.manifest.digest &&
        last.code === (await codeDigest(storeOf(system)))
      )
        return false;
    }
    for (const { table } of system.tables) {
      const { rows } = await client.query<{ found: string | null }>(`select to_regclass($1) as found`, [
        `public.${table}`,
      ]);
      if (!rows[0]!.found) continue;
      const { rowCount } = await client.query(`select from public.${ident(table)} limit 1`);
      if (rowCount) return true;
    }
    return false;
  });
  if (!worthADump || context.dryRun) return;
  const folder = join(home, 'dumps');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const now = new Date().toISOString().replace(/[:.]/g, '-');
  const file = join(folder, `${system.database}-${now}-before-${snapshot.manifest.digest.slice(0, 12)}.dump`);
  await pgDump(platform.clientTools, url, file);
  report.remarks.push(`target database dumped to ${file}`);
}

async function pgDump(tools: string | undefined, url: string, file: string): Promise<void> {
  const draft = `${file}.draft`;
  try {
    await $({
      quiet: true,
      env: { ...process.env, ...libpqVariables(url) },
    })`${tools === undefined ? 'pg_dump' : join(tools, 'pg_dump')} --format=custom --file=${draft}`;
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    const stderr = (error as { stderr?: string }).stderr?.trim() ?? (error as Error).message;
    throw new CutoverError(
      'prerequisite',
      `the target database ${new URL(url).pathname.slice(1)} holds rows and could not be dumped: ${stderr.slice(-500)}`,
      "Put a pg_dump of at least the server's version on PATH.",
      { cause: error },
    );
  }
}
