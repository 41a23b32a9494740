import { readdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import type pg from 'pg';
import { Differences } from '../engine/differences.ts';
import { LegacyNames, legacyRecords, valuesWithoutField } from '../engine/export.ts';
import { createLegacyFiles, exportedFile, noExport } from '../engine/export-files.ts';
import { compareCollection } from '../engine/export-proof-json.ts';
import { compareSqlite } from '../engine/export-proof-sqlite.ts';
import { shareTarget } from '../engine/hold.ts';
import { CutoverError } from '../errors.ts';
import { tableReport } from '../report.ts';
import { currentSnapshot, type Snapshot } from '../sources/snapshot.ts';
import { asRole, connectAs, type StepContext } from './context.ts';
import { DivergenceError } from './verify.ts';

/** @throws CutoverError `usage` when there is anything in the folder */
export async function requireEmpty(folder: string): Promise<void> {
  const found = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new CutoverError('usage', `--out ${folder}: ${error.message}`, 'Name a new or empty folder.', {
      cause: error,
    });
  });
  if (found.length === 0) return;
  throw new CutoverError(
    'usage',
    `--out ${folder} is not empty: it has ${found.slice(0, 3).join(', ')}`,
    'Name a new or empty folder: an export never overwrites anything.',
  );
}

/** What the ledger says is not in the target, by table. */
interface SetAside {
  readonly quarantined: ReadonlySet<string>;
  readonly merged: ReadonlySet<string>;
}

/**
 * The reverse trip: writes the rows of the target in the form of the legacy store, then proves that the files hold what
 * the current snapshot holds, but for the records that the ledger says were set aside. The rows are of one REPEATABLE
 * READ snapshot, read under the verifier's role.
 *
 * @throws CutoverError `differences`; the files are there all the same
 */
export async function exportLegacy(context: StepContext): Promise<void> {
  const { system, report } = context;
  const out = context.out!;
  const reason = noExport(system);
  if (reason !== undefined) {
    throw new CutoverError(
      'usage',
      `${system.name} can't be exported: ${reason}`,
      'Leave it out with --system; its snapshot holds the legacy files as they were.',
    );
  }
  const snapshot = await currentSnapshot(context.home, system.name, system.source);
  const found = new Differences();
  const setAside = new Map<string, SetAside>();
  const guard = await connectAs(context, 'verifier');
  try {
    await shareTarget(guard);
    await asRole(context, 'verifier', async (client) => {
      await client.query('begin isolation level repeatable read read only');
      await client.query(
        `set local timezone = 'UTC'; set local datestyle = 'ISO'; set local extra_float_digits = 1`,
      );
      const runId = await loadOf(client, context, snapshot);
      for (const { table } of system.tables) setAside.set(table, await setAsideOf(client, runId, table));
      await writeFiles(context, client, snapshot, out, found);
      await client.query('commit');
    });
  } finally {
    await guard.end().catch(() => {});
  }
  await prove(context, snapshot, out, setAside, found);
  const place = join(out, system.name);
  if (found.total > 0) throw differ(context, place, found);
  const rows = Object.values(report.tables).reduce((sum, table) => sum + table.unchanged, 0);
  report.remarks.push(`${place} holds ${rows} records and is equal to snapshot ${snapshot.manifest.digest}`);
}

/** The load that brought the current snapshot. Its code may be older than ours: what it set aside is all that counts. */
async function loadOf(client: pg.Client, context: StepContext, snapshot: Snapshot): Promise<string> {
  const { name } = context.system;
  const { rows } = await client.query<{ id: string; snapshot: string }>(
    `select id, snapshot from migration.run where system = $1 and step = 'load' order by id desc limit 1`,
    [name],
  );
  if (rows[0]?.snapshot === snapshot.manifest.digest) return rows[0].id;
  throw new CutoverError(
    'target',
    `${name}: the last load was not of the current snapshot, so there is nothing to compare an export with`,
    `Run: cutover load --system ${name}`,
  );
}

async function setAsideOf(client: pg.Client, runId: string, table: string): Promise<SetAside> {
  const locators = async (from: string) => {
    const { rows } = await client.query<{ locator: string }>(
      `select locator from migration.${from} and run_id = $1 and table_name = $2`,
      [runId, table],
    );
    return new Set(rows.map((row) => row.locator));
  };
  return {
    quarantined: await locators('quarantine where replayed_at is null'),
    merged: await locators('merged where true'),
  };
}

/** What the legacy form has no place for is found, too. */
async function writeFiles(
  context: StepContext,
  client: pg.Client,
  snapshot: Snapshot,
  out: string,
  found: Differences,
): Promise<void> {
  const { system, report, signal } = context;
  const names = new LegacyNames();
  const files = await createLegacyFiles(out, system, snapshot);
  try {
    for (const mapping of system.tables) {
      const lose = (key: string, field: string | null, target: string) =>
        found.add({ table: mapping.entity, key, field, source: null, target, kind: 'extra' });
      const table = tableReport(report, mapping.table);
      for await (const block of legacyRecords(client, mapping, names)) {
        signal?.throwIfAborted();
        for (const record of block) {
          for (const { field, value } of await files.write(mapping, record))
            lose(record.key, field ?? null, value);
        }
        table.unchanged += block.length;
        context.log(`${system.name}: ${mapping.table} ${table.unchanged}`);
      }
      for (const { column, rows } of await valuesWithoutField(client, mapping)) {
        lose('*', column, `${rows} rows have a value`);
      }
    }
    await files.finish();
  } catch (error) {
    await files.abandon();
    throw error;
  }
}

async function prove(
  context: StepContext,
  snapshot: Snapshot,
  out: string,
  setAside: ReadonlyMap<string, SetAside>,
  found: Differences,
): Promise<void> {
  const { system, report } = context;
  const aside = (table: string) => {
    const { quarantined, merged } = setAside.get(table)!;
    Object.assign(tableReport(report, table), { quarantined: quarantined.size, merged: merged.size });
    return [...quarantined, ...merged];
  };
  const leftOut = (of: Readonly<Record<string, string>> = {}) => new Set(Object.keys(of));
  if (system.source.kind === 'sqlite') {
    const locators = new Map(system.tables.map(({ entity, table }) => [entity, aside(table)]));
    const proof = compareSqlite(
      {
        snapshot: snapshot.database!,
        exported: exportedFile(out, system, ''),
        tables: system.tables.map((mapping) => ({
          entity: mapping.entity,
          leftOut: leftOut(mapping.leftOut),
        })),
        notSource: Object.keys(system.source.notSource ?? {}),
        setAside: (entity) => locators.get(entity)!.map(rowidOf),
      },
      found,
    );
    for (const { table, entity } of system.tables) {
      const { source, rows, columns } = proof.get(entity)!;
      tell(context, table, source, rows * columns, found.of(entity));
    }
    return;
  }
  const { collections } = system.source;
  for (const mapping of system.tables) {
    const { entity, table } = mapping;
    const { files, partsOr } = collections[entity]!;
    const { source, fields } = await compareCollection(
      {
        entity,
        snapshot: join(snapshot.folder, files[0]!),
        exported: exportedFile(out, system, entity),
        setAside: new Set(aside(table)),
        leftOut: leftOut(mapping.leftOut),
        oneDocument: partsOr !== undefined,
      },
      found,
    );
    tell(context, table, source, fields, found.of(entity));
  }
  const known = new Set(Object.values(collections).flatMap((each) => each.files));
  for (const { path, size } of snapshot.manifest.files) {
    if (known.has(path) || extname(path) !== '.json') continue;
    const source = `${size} bytes that were never loaded`;
    found.add({ table: basename(path), key: path, field: null, source, target: null, kind: 'missing' });
  }
}

/** SQLite locators end with the rowid: `ohlcv_data rowid 17`. */
const rowidOf = (locator: string) => BigInt(locator.slice(locator.lastIndexOf(' ') + 1));

function tell(
  context: StepContext,
  name: string,
  source: number,
  compared: number,
  differences: number,
): void {
  Object.assign(tableReport(context.report, name), { source, read: source, compared, differences });
}

function differ(context: StepContext, place: string, found: Differences): DivergenceError {
  const lines = found.listed.slice(0, 10).map(({ table, key, field, source, target }) => {
    const where = `${table} ${key}${field ? ` field ${field}` : ''}`;
    return `${where}: snapshot ${source ?? 'has none'}, export ${target ?? 'has none'}`;
  });
  return new DivergenceError(
    `${context.system.name}: ${place} is written, and differs from the snapshot in ${found.total} places: ${lines.join('; ')}`,
    found.listed,
    'What the application wrote since the snapshot belongs there; what nobody wrote is damage: cutover verify says where.',
  );
}
