import { chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { CheckResult } from './engine/aggregates.ts';
import type { Divergence } from './engine/compare.ts';
import type { Counts } from './engine/ledger.ts';

/** What became of one table. `read = inserted + updated + unchanged + merged + quarantined`. */
export interface TableReport extends Counts {
  /** Records that the source has. */
  source: number;
  /** Rows of an earlier snapshot that were removed because the source no longer has them. */
  removed: number;
  /** Quarantined records by reason code. */
  reasons: Record<string, number>;
  /** Deviations that were kept under a written rule, by rule. */
  notes: Record<string, number>;
  /** Fields compared. */
  compared: number;
  differences: number;
}

/** A record that was set aside: where it lies and why. */
export interface QuarantineEntry {
  readonly table: string;
  readonly locator: string;
  readonly code: string;
  readonly field: string;
  readonly detail: string;
}

/** How the system's hot queries did. */
export interface Measurement {
  /** 95th percentile of the slowest of them, in milliseconds; absent when none of its runs succeeded. */
  readonly p95?: number | undefined;
  readonly runs: number;
  readonly failed: number;
}

export interface SystemReport {
  ok: boolean;
  seconds: number;
  /** By `schema.table`. */
  tables: Record<string, TableReport>;
  /** Findings of the steps that a reviewer should know. */
  remarks: string[];
  checks: CheckResult[];
  /** What `verify` looked at: the digest of the snapshot, that of the code, and how many rows. */
  compared?: { readonly snapshot: string; readonly code: string; readonly rows: number };
  /** What `measure` found. */
  measured?: Measurement;
  /** What `quarantine` lists. */
  quarantine?: readonly QuarantineEntry[];
  error?: { code: string; exitCode: number; message: string; fix?: string | undefined };
}

export interface Report {
  ok: boolean;
  seconds: number;
  systems: Record<string, SystemReport>;
  /** URLs with passwords: the file has mode 0600. */
  connections?: Connections;
}

export interface Connections {
  postgres: string;
  replica: string | null;
  timescale: string;
  redis: readonly string[];
  databases: Record<string, { owner: string; readonly: string; readwrite: string }>;
}

/** A divergence as `verify --json` lists it. */
export interface SystemDivergence extends Divergence {
  readonly system: string;
}

export function emptySystemReport(): SystemReport {
  return { ok: false, seconds: 0, tables: {}, remarks: [], checks: [] };
}

export function tableReport(report: SystemReport, table: string): TableReport {
  const name = `public.${table}`;
  report.tables[name] ??= {
    source: 0,
    removed: 0,
    read: 0,
    inserted: 0,
    updated: 0,
    unchanged: 0,
    merged: 0,
    quarantined: 0,
    reasons: {},
    notes: {},
    compared: 0,
    differences: 0,
  };
  return report.tables[name];
}

export async function writeReport(file: string, report: unknown): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  // Of its own for each process: two commands may end at the same time.
  const draft = `${file}.${process.pid}.tmp`;
  await writeFile(draft, `${JSON.stringify(report, null, 2)}\n`, { mode: 0o600 });
  await chmod(draft, 0o600);
  await rename(draft, file);
}
