import { batches } from '../engine/batches.ts';
import { Parents } from '../engine/parents.ts';
import type { OpenStore } from '../engine/store.ts';
import { tableReport } from '../report.ts';
import { matchesAny } from '../sources/file-pattern.ts';
import { reasonOf, unreadFiles } from '../sources/json-layout.ts';
import { parseJsonFile } from '../sources/json-stream.ts';
import { JsonObject } from '../sources/json-value.ts';
import { takeCheckedSnapshot } from './checked-snapshot.ts';
import { mib, type StepContext, withStore } from './context.ts';

/** Rows a second of a load on two cores, on the safe side (1 M candles took 16 to 34 s); only for the estimate. */
const ROWS_A_SECOND = 30_000;
const SPACE_FACTOR = 3;

/**
 * Looks at the legacy store without a target: sizes, what is unknown, how many records each rule will touch or set
 * aside, and what space and time the load will want.
 */
export async function inspect(context: StepContext): Promise<void> {
  const { system, report, batchRows } = context;
  const snapshot = await takeCheckedSnapshot(context, { makeCurrent: false });
  const { manifest } = snapshot;
  const { files } = manifest;
  report.remarks.push(`snapshot ${manifest.digest}, ${files.length} files, ${mib(files.size)}`);
  const others = new Map((manifest.around ?? []).map(({ path }) => [path, reasonOf(system.source, path)]));
  if (system.source.kind === 'json') {
    const unread = unreadFiles(system.source, [...files.paths()]);
    for (const [file, reason] of unread) others.set(file, reason);
  }
  report.remarks.push(...filesByReason(others));
  for (const table of manifest.unread ?? []) {
    report.remarks.push(`table ${table} of the living database is unknown and stays there`);
  }
  let rows = 0;
  await withStore(context, snapshot, 'load', async (open) => {
    const entities = new Set(system.tables.map((mapping) => mapping.entity));
    const notSource = system.source.kind === 'sqlite' ? Object.keys(system.source.notSource ?? {}) : [];
    for (const table of open.sqlite?.tables().keys() ?? []) {
      if (!entities.has(table) && !matchesAny(notSource, table))
        report.remarks.push(`table ${table} is unknown and stays in the archive`);
    }
    report.remarks.push(...(await unreadMembers(open.files ?? new Map())));
    const parents = new Parents();
    for (const mapping of system.tables) {
      const reader = await open.reader(mapping, parents);
      const unknown = open.sqlite?.reader(mapping).unknown ?? [];
      if (unknown.length > 0)
        report.remarks.push(`unknown columns of ${mapping.entity} go to extra: ${unknown.join(', ')}`);
      const table = tableReport(report, mapping.table);
      table.source = reader.count;
      rows += reader.count;
      for await (const batch of batches(mapping, reader, parents, { rows: batchRows })) {
        table.read += batch.to - batch.from;
        table.merged += batch.merged.length;
        table.quarantined += batch.rejected.length;
        for (const { code } of batch.rejected) table.reasons[code] = (table.reasons[code] ?? 0) + 1;
        for (const [rule, n] of Object.entries(batch.notes)) table.notes[rule] = (table.notes[rule] ?? 0) + n;
      }
      await reader.close();
    }
  });
  report.remarks.push(
    `estimate: ${mib(files.size * SPACE_FACTOR)} in the target, about ${Math.ceil(rows / ROWS_A_SECOND)} s to load`,
  );
}

/** So many names are told; the snapshot's manifest has all. */
const NAMES_TOLD = 5;

function filesByReason(files: ReadonlyMap<string, string | undefined>): string[] {
  const byReason = new Map<string, string[]>();
  for (const [name, reason = 'nothing is known of them'] of files) {
    byReason.set(reason, [...(byReason.get(reason) ?? []), name]);
  }
  return [...byReason].map(([reason, names]) => {
    const more = names.length > NAMES_TOLD ? ` and ${names.length - NAMES_TOLD} more` : '';
    return `files that are no source, ${reason}: ${names.slice(0, NAMES_TOLD).join(', ')}${more}`;
  });
}

/** Members of whole documents, of which collections read others, and none these. */
async function unreadMembers(collections: NonNullable<OpenStore['files']>): Promise<string[]> {
  const read = new Map<string, { readonly path: string; readonly members: Set<string> }>();
  for (const { path, name, records, each } of [...collections.values()].flat()) {
    if (records !== 'document' || each === undefined) continue;
    const of = read.get(name) ?? { path, members: new Set() };
    of.members.add(each);
    read.set(name, of);
  }
  const remarks: string[] = [];
  for (const [name, { path, members }] of read) {
    const parsed = await parseJsonFile(path).catch(() => undefined);
    if (!(parsed?.value instanceof JsonObject)) continue;
    const unread = parsed.value.keys.filter((key) => !members.has(key));
    if (unread.length > 0)
      remarks.push(`members of ${name} are unknown and stay in the archive: ${unread.join(', ')}`);
  }
  return remarks;
}
