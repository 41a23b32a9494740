import { readdir, rm } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import type pg from 'pg';
import { Differences } from '../engine/differences.ts';
import {
  columnOf,
  joinedRecords,
  LegacyNames,
  type LegacyRecord,
  legacyRecords,
  valuesWithoutField,
} from '../engine/export.ts';
import {
  createLegacyFiles,
  exportedFolder,
  homeOf,
  isWritten,
  noExport,
  proofFolder,
} from '../engine/export-files.ts';
import {
  type CollectionPair,
  compareCollection,
  compareOpaque,
  compareRepeated,
} from '../engine/export-proof-json.ts';
import { compareSqlite } from '../engine/export-proof-sqlite.ts';
import { shareTarget } from '../engine/hold.ts';
import type { JsonLayout, SystemMapping, TableMapping } from '../engine/mapping.ts';
import { CutoverError } from '../errors.ts';
import { tableReport } from '../report.ts';
import { filesBelow } from '../sources/files-below.ts';
import { collectionFiles, unreadFiles } from '../sources/json-layout.ts';
import { LeftOutMembers } from '../sources/left-out.ts';
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
      `Leave it out with --system. In its place: ${join(context.home, 'snapshots', system.name)} holds the legacy files as they were, and pg_dump what the target has now.`,
    );
  }
  const snapshot = await currentSnapshot(context.home, system.name, system.source);
  const found = new Differences();
  const setAside = new Map<string, SetAside>();
  let records = 0;
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
      records = await writeFiles(context, client, snapshot, out, found);
      await client.query('commit');
    });
  } finally {
    await guard.end().catch(() => {});
  }
  try {
    await prove(context, snapshot, out, setAside, found);
  } finally {
    await rm(proofFolder(out, system), { recursive: true, force: true });
  }
  const place = join(out, system.name);
  if (found.total > 0) throw differ(context, place, found);
  report.remarks.push(
    `${place} holds ${records} records and is equal to snapshot ${snapshot.manifest.digest}`,
  );
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

/** What the legacy form has no place for is found, too. @returns how many records the files have */
async function writeFiles(
  context: StepContext,
  client: pg.Client,
  snapshot: Snapshot,
  out: string,
  found: Differences,
): Promise<number> {
  const { system, report, signal } = context;
  const names = new LegacyNames();
  const files = await createLegacyFiles(out, system, snapshot);
  const layout = system.source.kind === 'json' ? system.source : undefined;
  let records = 0;
  let incomplete = 0;
  const write = async (mapping: TableMapping, block: readonly LegacyRecord[]) => {
    signal?.throwIfAborted();
    const lose = (key: string, field: string | null, target: string) =>
      found.add({ table: mapping.entity, key, field, source: null, target, kind: 'extra' });
    const collection = layout?.collections[mapping.entity];
    for (const record of block) {
      for (const { field, value } of record.disputed ?? []) lose(record.key, field, value);
      for (const { field, value } of await files.write(mapping, record))
        lose(record.key, field ?? null, value);
      if (record.without?.length) incomplete++;
      else if (!collection || isWritten(mapping, collection)) records++;
    }
  };
  const tell = (table: string, rows: number) => {
    const counts = tableReport(report, table);
    counts.unchanged += rows;
    context.log(`${system.name}: ${table} ${counts.unchanged}`);
  };
  const done = new Set<TableMapping>();
  try {
    for (const mapping of system.tables) {
      for (const { column, rows } of await valuesWithoutField(client, mapping)) {
        const target = `${rows} rows have a value`;
        found.add({ table: mapping.entity, key: '*', field: column, source: null, target, kind: 'extra' });
      }
      if (done.has(mapping)) continue;
      const parts = layout ? partsOf(system, mapping) : [mapping];
      for (const part of parts) done.add(part);
      if (parts.length > 1) {
        for await (const block of joinedRecords(client, parts, names)) {
          await write(mapping, block.records);
          for (const [i, rows] of block.rows.entries()) tell(parts[i]!.table, rows);
        }
      } else {
        const collection = layout?.collections[mapping.entity];
        const home = collection && homeOf(collection);
        for await (const block of legacyRecords(client, mapping, names, home)) {
          await write(mapping, block);
          tell(mapping.table, block.length);
        }
      }
    }
    await files.finish();
  } catch (error) {
    await files.abandon();
    throw error;
  }
  if (incomplete > 0) {
    const what = `${incomplete} ${incomplete === 1 ? 'record of which a part is' : 'records of which parts are'}`;
    report.remarks.push(`${what} not in the target: compared, and not written`);
  }
  return records;
}

/** The tables whose rows make one record together. */
function partsOf({ tables }: SystemMapping, mapping: TableMapping): readonly TableMapping[] {
  if (mapping.repeats !== undefined) return [mapping];
  return tables.filter(({ entity, repeats }) => entity === mapping.entity && repeats === undefined);
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
        exported: join(exportedFolder(out, system), system.source.file),
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
  await proveCollections(context, system.source, snapshot, out, (table) => new Set(aside(table)), found);
}

async function proveCollections(
  context: StepContext,
  layout: JsonLayout,
  snapshot: Snapshot,
  out: string,
  aside: (table: string) => ReadonlySet<string>,
  found: Differences,
): Promise<void> {
  const { system, report } = context;
  const { files } = snapshot;
  const stored = [...files.paths()];
  const folder = exportedFolder(out, system);
  const written = await filesBelow(folder);
  const done = new Set<TableMapping>();
  for (const mapping of system.tables) {
    if (done.has(mapping)) continue;
    const { entity } = mapping;
    const parts = partsOf(system, mapping);
    for (const part of parts) done.add(part);
    const collection = layout.collections[entity]!;
    const names = collectionFiles(layout, collection, stored);
    const counts = mapping.fields.some(({ from }) => from === '$nth');
    const pair: CollectionPair = {
      entity,
      layout: collection,
      snapshot: { folder: snapshot.folder, names },
      exported: { folder, names: collectionFiles(layout, collection, written) },
      unwritten: join(proofFolder(out, system), `${entity}.json`),
      parts: parts.map(({ table, elsewhere = {} }) => ({
        table,
        setAside: aside(table),
        elsewhere: new Set(Object.keys(elsewhere)),
      })),
      knowsFile: columnOf(mapping, '$file') !== undefined,
      identity: counts || mapping.repeats ? legacyKeyOf(mapping) : undefined,
      leftOut: new LeftOutMembers(mapping.leftOut),
      tokens: layout.writtenBy === 'python',
    };
    const proof = await (collection.records === 'file'
      ? compareOpaque(
          pair,
          [...files].filter(({ path }) => names.includes(path)),
          found,
        )
      : mapping.repeats
        ? compareRepeated(pair, found)
        : compareCollection(pair, found));
    for (const { table } of parts) tell(context, table, proof.source, proof.fields, found.of(entity));
    if (collection.records === 'file') tellOpaque(report.remarks, layout, entity, stored);
  }
  for (const path of unreadFiles(layout, stored).keys()) {
    if (extname(path) !== '.json') continue;
    const source = `${files.at(stored.indexOf(path)).size} bytes that were never loaded`;
    found.add({ table: basename(path), key: path, field: null, source, target: null, kind: 'missing' });
  }
}

/** Names of the source fields that rows are recognised by. */
const legacyKeyOf = ({ key, fields }: TableMapping): string[] =>
  fields.flatMap(({ column, from }) =>
    key.includes(column) && from !== undefined && from !== '$nth' && from !== '$file' ? [from] : [],
  );

function tellOpaque(remarks: string[], layout: JsonLayout, entity: string, stored: readonly string[]): void {
  const { [entity]: opaque, ...others } = layout.collections;
  const read = new Set(
    Object.values(others).flatMap((each) =>
      each.records === 'file' ? [] : collectionFiles(layout, each, stored),
    ),
  );
  const never = collectionFiles(layout, opaque!, stored).filter((path) => !read.has(path));
  if (never.length === 0) return;
  const what = `${never.length} ${never.length === 1 ? 'file' : 'files'} of ${entity}`;
  remarks.push(`${what} whose content was never stored: they are in the snapshot`);
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
