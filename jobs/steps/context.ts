import { join } from 'node:path';
import type pg from 'pg';
import { Crew } from '../crew/crew.ts';
import type { MappingOrigin } from '../crew/thread-file.ts';
import {
  connect,
  type RoleKind,
  roleName,
  serverOf,
  setForSession,
  urlFor,
  withConnection,
} from '../database.ts';
import { codeDigest } from '../engine/digest.ts';
import type { Processes } from '../engine/follow.ts';
import { NOTICED } from '../engine/hold.ts';
import type { SystemMapping } from '../engine/mapping.ts';
import { Pace, type PaceOptions } from '../engine/pace.ts';
import { type OpenStore, openStore, type Purpose } from '../engine/store.ts';
import { CutoverError } from '../errors.ts';
import type { Platform } from '../platform.ts';
import type { SystemReport } from '../report.ts';
import type { S3Place } from '../s3.ts';
import type { Secrets } from '../secrets.ts';
import type { SourceOptions } from '../sources/locate.ts';
import { currentSnapshot, type Snapshot } from '../sources/snapshot.ts';
import { storeOf } from '../systems/index.ts';

/** What a step is given: one system, where it goes, and how the user wants it done. */
export interface StepContext {
  readonly system: SystemMapping;
  /** Where the mapping comes from, unless it is shipped: threads need to know. */
  readonly origin?: MappingOrigin | undefined;
  readonly platform: Platform;
  /** Folder of snapshots, secrets and reports. */
  readonly home: string;
  readonly secrets: Secrets;
  readonly sources: SourceOptions;
  /** Rows a batch. */
  readonly batchRows: number;
  /** Threads that a large table's parts go to. */
  readonly threads: number;
  /** Rows that a part has at least: below, another thread costs more than it brings. */
  readonly partRows: number;
  /** Which of several processes this is that load the system together; default: it does so alone. */
  readonly processes?: Processes | undefined;
  /** How gentle to be to servers that are shared with others; this process's own share of a rate. */
  readonly pace?: PaceOptions | undefined;
  /** Indexes that are built side by side at most; default: by what the server allows. */
  readonly indexConnections?: number | undefined;
  /** How many quarantined records are tolerated. */
  readonly budget: number;
  /** Do everything, commit nothing. */
  readonly dryRun: boolean;
  /** Generation of the final sync that this is part of. */
  readonly final?: number | undefined;
  /** Load every row again, over what was written to the target since, also after a cut-over. */
  readonly reload?: boolean | undefined;
  /** Folder that an export goes to; the other steps have none. */
  readonly out?: string | undefined;
  /** Where `backup` also puts the snapshot. */
  readonly archive?: S3Place | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly log: (line: string) => void;
  /** What the steps found so far; each adds its own. */
  readonly report: SystemReport;
}

export type Step = (context: StepContext) => Promise<void>;

/** URL of the system's database as one of its roles. */
export function databaseUrl(context: StepContext, kind: RoleKind): string {
  const role = roleName(context.system, kind);
  return urlFor(
    serverOf(context.platform, context.system),
    context.system.database,
    role,
    context.secrets.password(role),
  );
}

export function asRole<T>(
  context: StepContext,
  kind: RoleKind,
  use: Parameters<typeof withConnection<T>>[1],
): Promise<T> {
  return withConnection(databaseUrl(context, kind), use, `cutover ${context.system.name}`);
}

export function connectAs(context: StepContext, kind: RoleKind): ReturnType<typeof connect> {
  return connect(databaseUrl(context, kind), `cutover ${context.system.name}`);
}

/** Settings of a session that writes legacy rows: triggers leave their stamps alone, and what the system needs itself. */
export async function prepareLoading(client: pg.Client, system: SystemMapping): Promise<void> {
  await setForSession(client, loadSettings(system));
}

function loadSettings(system: SystemMapping): Readonly<Record<string, string>> {
  return { 'cutover.loading': 'on', ...NOTICED, ...system.loadSettings };
}

/** Opens the current snapshot for the time of `use`. What no seal shows, a proof finds: it hashes all of it. */
export async function withCurrentStore<T>(
  context: StepContext,
  purpose: Purpose,
  use: (store: OpenStore, snapshot: Snapshot) => Promise<T>,
): Promise<T> {
  const { home, system } = context;
  const trust = purpose === 'load' ? 'seal' : 'nothing';
  const snapshot = await currentSnapshot(home, system.name, system.source, trust);
  return withStore(context, snapshot, purpose, (store) => use(store, snapshot));
}

/** Opens a snapshot; `close` it. */
export function openStoreOf(
  { home, system }: StepContext,
  snapshot: Snapshot,
  purpose: Purpose,
): Promise<OpenStore> {
  return openStore(system, snapshot, scratchFolder(home, system), purpose);
}

export async function withStore<T>(
  context: StepContext,
  snapshot: Snapshot,
  purpose: Purpose,
  use: (store: OpenStore) => Promise<T>,
): Promise<T> {
  const store = await openStoreOf(context, snapshot, purpose);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

export async function identityOf(context: StepContext, snapshot: Snapshot, schema: string) {
  return {
    system: context.system.name,
    snapshot: snapshot.manifest.digest,
    code: await codeDigest(storeOf(context.system)),
    schema,
  };
}

/** @throws CutoverError `budget` when more records are in quarantine than tolerated */
export function checkBudget(context: StepContext): void {
  const tables = Object.entries(context.report.tables);
  const quarantined = tables.reduce((sum, [, table]) => sum + table.quarantined, 0);
  if (quarantined <= context.budget) return;
  const reasons = tables.flatMap(([table, { reasons }]) =>
    Object.entries(reasons).map(([code, n]) => `${table} ${code} ${n}`),
  );
  throw new CutoverError(
    'budget',
    `${context.system.name}: ${quarantined} records are in quarantine, the budget is ${context.budget}: ${reasons.join(', ')}`,
    `Look at them in migration.quarantine of database ${context.system.database}; accept them with --quarantine-budget ${context.system.name}=${quarantined}.`,
  );
}

/** The pace of what one thread does by itself. */
export function paceOf(context: StepContext): Pace {
  return new Pace(context.pace ?? {}, saysWaiting(context));
}

const saysWaiting =
  ({ log, system }: StepContext) =>
  (until: Date) =>
    log(`${system.name}: waits until ${until.toTimeString().slice(0, 5)}`);

/** Threads for the large tables of a snapshot. `end` them. */
export function crewOf(context: StepContext, purpose: Purpose, { folder, database, files }: Snapshot): Crew {
  const { home, system } = context;
  const site = {
    system: system.name,
    origin: context.origin,
    snapshot: { folder, database, files: files.shared },
    purpose,
    scratch: scratchFolder(home, system),
    url: databaseUrl(context, purpose === 'load' ? 'migrator' : 'verifier'),
    name: `cutover ${system.name}`,
    settings: purpose === 'load' ? loadSettings(system) : {},
    pace: context.pace ?? {},
  };
  return new Crew(context.threads, context.partRows, site, context.signal, saysWaiting(context));
}

const scratchFolder = (home: string, system: SystemMapping) =>
  join(home, 'scratch', `${system.name}-${process.pid}`);

export function mib(bytes: number): string {
  return `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}
