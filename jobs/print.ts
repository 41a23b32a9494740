import type { Connections, Report, SystemReport, TableReport } from './report.ts';

const COLUMNS = [
  'source',
  'read',
  'inserted',
  'updated',
  'unchanged',
  'merged',
  'quarantined',
  'compared',
  'differences',
] as const;

/** What a reviewer reads: a table a system, then what was noticed. */
export function formatReport(report: Report): string {
  const parts = Object.entries(report.systems).map(([name, system]) => formatSystem(name, system));
  // Only verify makes checks, so only a report of it may speak of a proof.
  const systems = Object.values(report.systems);
  const done = systems.every((system) => system.checks.length > 0)
    ? 'All systems are proved equal to their sources'
    : 'Done';
  parts.push(`${report.ok ? done : 'Not every system succeeded'}, ${report.seconds.toFixed(1)} s.`);
  return parts.join('\n\n');
}

function formatSystem(name: string, system: SystemReport): string {
  const verdict = system.ok ? 'ok' : `FAILED (${system.error?.code})`;
  const lines = [`${name}: ${verdict}, ${system.seconds.toFixed(1)} s`];
  const tables = Object.entries(system.tables);
  if (tables.length > 0) {
    const head = ['table', ...COLUMNS.map((column) => (column === 'compared' ? 'fields compared' : column))];
    const rows = tables.map(([table, of]) => [
      table.replace(/^public\./, ''),
      ...COLUMNS.map((column) => number(of[column])),
    ]);
    lines.push(...align([head, ...rows]));
  }
  for (const [table, of] of tables) {
    const reasons = list(of.reasons);
    if (reasons) lines.push(`  quarantined in ${table}: ${reasons}`);
  }
  for (const [table, { removed }] of tables) {
    if (removed) lines.push(`  removed from ${table}, no longer in the source: ${number(removed)}`);
  }
  const notes = list(sum(tables.map(([, of]) => of.notes)));
  if (notes) lines.push(`  kept under a written rule (docs/hazards.md): ${notes}`);
  if (system.checks.length > 0) {
    const failed = system.checks.filter((check) => !check.ok);
    lines.push(
      `  ${system.checks.length - failed.length} of ${system.checks.length} checks agree: aggregates by both engines, layout, ledger, replica`,
    );
    for (const check of failed)
      lines.push(`    ${check.name} of ${check.table}: source ${check.source}, target ${check.target}`);
  }
  for (const { table, locator, code, field, detail } of system.quarantine ?? [])
    lines.push(`  ${table} ${locator}: ${code} in ${field}: ${detail}`);
  for (const remark of system.remarks) lines.push(`  ${remark}`);
  if (system.error)
    lines.push(
      `  error: ${system.error.message}`,
      ...(system.error.fix ? [`  fix: ${system.error.fix}`] : []),
    );
  return lines.join('\n');
}

export function formatConnections(connections: Connections, showSecrets: boolean): string {
  const { postgres, replica, timescale, redis, databases } = connections;
  const rows = [
    ['PostgreSQL primary', postgres],
    ['PostgreSQL replica', replica ?? 'none'],
    ['TimescaleDB', timescale],
    ...redis.map((url, i) => [i === 0 ? 'Redis cluster' : '', url]),
    ...Object.entries(databases).map(([system, urls]) => [system, urls.readwrite]),
  ] as [string, string][];
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return rows
    .map(([name, url]) => name.padEnd(width) + (showSecrets ? url : withoutPassword(url)))
    .join('\n');
}

/** A report that may go to a terminal or a build log. */
export function withoutPasswords(report: Report): Report {
  const hide = (value: unknown): unknown => {
    if (typeof value === 'string') return withoutPassword(value);
    if (Array.isArray(value)) return value.map(hide);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, hide(each)]));
  };
  return { ...report, connections: hide(report.connections) as Report['connections'] };
}

/** Kubernetes keeps this much of a log's tail as the reason of a failed container. */
const REASON_BYTES = 2000;

/** A report that tells where source and target differ, and not in what. */
export function withoutValues(report: Report): Report {
  const systems = Object.entries(report.systems).map(([name, system]) => {
    const { error } = system;
    const differences = differencesIn(system);
    // A store that was written to after its snapshot differs as well, and its message names files.
    if (error?.code !== 'differences' || differences === '') return [name, system] as const;
    return [name, { ...system, error: { ...error, message: `${name}: ${differences}` } }] as const;
  });
  return { ...report, systems: Object.fromEntries(systems) };
}

/** Why systems failed, in one line: no value of the data, no password. */
export function reasonOf(report: Report): string {
  const reasons = Object.entries(withoutValues(report).systems).flatMap(([name, { error }]) => {
    if (error === undefined) return [];
    const message = error.message.split('\n')[0]!;
    const said = message.startsWith(`${name}: `) ? message : `${name}: ${message}`;
    return [error.fix === undefined ? said : `${said}; fix: ${error.fix}`];
  });
  const line = `error: ${reasons.join(' | ')}`
    .replace(/\s+/g, ' ')
    .replace(/(\w+:\/\/[^\s:@/]*):[^\s@/]*@/g, '$1:***@');
  const bytes = Buffer.from(line);
  if (bytes.length <= REASON_BYTES) return line;
  // A cut may go through a character.
  return `${bytes
    .subarray(0, REASON_BYTES)
    .toString()
    .replace(/\uFFFD+$/, '')}…`;
}

function differencesIn({ tables, checks }: SystemReport): string {
  const differing = Object.entries(tables).filter(([, { differences }]) => differences > 0);
  const failed = new Set(checks.filter(({ ok }) => !ok).map(({ name, table }) => `${name} of ${table}`));
  return [
    ...differing.map(([table, { differences }]) => `${number(differences)} differences in ${table}`),
    ...[...failed].map((check) => `check failed: ${check}`),
  ].join(', ');
}

function withoutPassword(url: string): string {
  return url
    .replace(/^(\w+:\/\/[^:@/]*):[^/?#]*@/, '$1:***@')
    .replace(/([?&](?:ssl)?password=)[^&#]*/gi, '$1***');
}

function list(counts: Record<string, number>): string {
  return Object.entries(counts)
    .map(([name, n]) => `${name} ${n}`)
    .join(', ');
}

function sum(all: TableReport['notes'][]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const counts of all)
    for (const [name, n] of Object.entries(counts)) total[name] = (total[name] ?? 0) + n;
  return Object.fromEntries(Object.entries(total).sort());
}

const number = (value: number) => value.toLocaleString('en-US');

function align(rows: string[][]): string[] {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) =>
    `  ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')}`.trimEnd(),
  );
}
