import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { afterAll } from 'vitest';
import type { MappingOrigin } from '../../jobs/crew/thread-file.ts';
import { ROLE_KINDS, roleName, urlFor } from '../../jobs/database.ts';
import type { Processes } from '../../jobs/engine/follow.ts';
import type { SystemMapping } from '../../jobs/engine/mapping.ts';
import { PLAN } from '../../jobs/plan.ts';
import type { Platform } from '../../jobs/platform.ts';
import type { SystemReport } from '../../jobs/report.ts';
import { runSteps } from '../../jobs/run.ts';
import { writeSample } from '../../jobs/sample/index.ts';
import { Secrets } from '../../jobs/secrets.ts';
import { replay } from '../../jobs/steps/replay.ts';
import { SYSTEMS } from '../../jobs/systems/index.ts';

export const LEGACY = resolve('test/legacy');

export function systemNamed(name: string): SystemMapping {
  return SYSTEMS.find((system) => system.name === name)!;
}

const folders: string[] = [];
// Registered at the top: within a hook or a running test it would never run.
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

/** A folder that is removed when the tests of the file have ended. */
export async function scratch(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-test-'));
  folders.push(folder);
  return folder;
}

/** A made-up store of trdinger with so many candles, and how many of its records have to be quarantined. */
export async function candleStore(
  seed: number,
  candles: number,
): Promise<{ source: string; budget: number }> {
  const source = join(await scratch(), 'sample');
  const of = { out: source, seed, rows: { ohlcv_data: candles }, systems: ['trdinger'] };
  return { source, budget: (await writeSample(of)).quarantined.trdinger! };
}

/** A copy of the sample data that a test may damage. */
export async function copyOfLegacy(): Promise<string> {
  const folder = join(await scratch(), 'legacy');
  await cp(LEGACY, folder, { recursive: true });
  return folder;
}

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command line that runs as its own process against given servers; `done` answers when it has ended. */
export function begin(
  platform: Platform,
  home: string,
  args: readonly string[],
): { child: ChildProcess; done: Promise<Outcome> } {
  const child = spawn(process.execPath, ['--import', 'tsx', 'jobs/main.ts', ...args], {
    env: {
      ...process.env,
      CUTOVER_HOME: home,
      CUTOVER_POSTGRES_URL: platform.postgres,
      CUTOVER_TIMESCALE_URL: platform.timescale,
      CUTOVER_REPLICA_URL: platform.replica ?? '',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const done = new Promise<Outcome>((settle) => {
    child.on('close', (code, signal) => settle({ code, signal, stdout, stderr }));
  });
  return { child, done };
}

/** Runs a command line to its end. */
export function cutover(platform: Platform, home: string, ...args: string[]): Promise<Outcome> {
  return begin(platform, home, args).done;
}

/** How a test wants steps to run within its own process: much faster than a command line for each. */
export interface Here {
  readonly system: string;
  /** The system itself, where it is none of the shipped ones. */
  readonly mapping?: { readonly system: SystemMapping; readonly origin: MappingOrigin };
  /** Names of steps, `replay` among them; default: the whole plan. */
  readonly steps?: readonly string[];
  /** Folder with one folder a system. */
  readonly source?: string;
  /** URLs of living databases, by name. */
  readonly databases?: ReadonlyMap<string, string>;
  readonly budget?: number;
  readonly batchRows?: number;
  readonly threads?: number;
  readonly partRows?: number;
  readonly processes?: Processes;
  readonly indexConnections?: number;
  readonly dryRun?: boolean;
  readonly reload?: boolean;
  readonly signal?: AbortSignal;
  readonly log?: (line: string) => void;
}

const STEPS = [...PLAN, { name: 'replay', what: '', after: [], run: replay }];

/** Runs steps of one system and answers its report; `error` in it says how a step failed. */
export async function run(platform: Platform, home: string, here: Here): Promise<SystemReport> {
  const secrets = await Secrets.open(home);
  const steps = here.steps ? here.steps.map((name) => STEPS.find((step) => step.name === name)!) : PLAN;
  const report = await runSteps([here.mapping?.system ?? systemNamed(here.system)], steps, (system) => ({
    system,
    origin: here.mapping?.origin,
    platform,
    home,
    secrets,
    sources: {
      folders: [here.source ?? LEGACY],
      stores: new Map(),
      ...(here.databases && { databases: here.databases }),
    },
    batchRows: here.batchRows ?? 10_000,
    threads: here.threads ?? 1,
    partRows: here.partRows ?? 50_000,
    processes: here.processes,
    indexConnections: here.indexConnections,
    budget: here.budget ?? 0,
    dryRun: here.dryRun ?? false,
    reload: here.reload,
    signal: here.signal,
    log: here.log ?? (() => {}),
  }));
  return report.systems[here.system]!;
}

/** Removes the systems' databases and roles, so that a test begins with nothing. */
export async function dropSystems(platform: Platform): Promise<void> {
  await asAdmin(platform, 'postgres', async (client) => {
    for (const system of SYSTEMS) {
      await client.query(`drop database if exists ${pg.escapeIdentifier(system.database)} with (force)`);
      for (const kind of ROLE_KINDS) {
        await client.query(`drop role if exists ${pg.escapeIdentifier(roleName(system, kind))}`);
      }
    }
  });
}

export async function asAdmin<T>(
  platform: Platform,
  database: string,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: urlFor(platform.postgres, database) });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

/** SHA-256 of every row of a system's tables, in key order: two targets with the same dump hold the same data. */
export async function dump(platform: Platform, system: SystemMapping): Promise<Record<string, string>> {
  return asAdmin(platform, system.database, async (client) => {
    const digests: Record<string, string> = {};
    for (const { table, key } of system.tables) {
      const hash = createHash('sha256');
      const order = key.map((column) => pg.escapeIdentifier(column)).join(', ');
      const { rows } = await client.query<{ row: string }>(
        `select t::text as row from public.${pg.escapeIdentifier(table)} as t order by ${order}`,
      );
      for (const { row } of rows) hash.update(`${row}\n`);
      digests[table] = `${rows.length} rows ${hash.digest('hex')}`;
    }
    return digests;
  });
}

/** The transaction that wrote each row of a system's tables, by table and key: a row that keeps it was not written. */
export async function writers(platform: Platform, system: SystemMapping): Promise<Map<string, string>> {
  return asAdmin(platform, system.database, async (client) => {
    const found = new Map<string, string>();
    for (const { table, key } of system.tables) {
      const columns = key.map((column) => pg.escapeIdentifier(column)).join(', ');
      const { rows } = await client.query<{ key: string; xmin: string }>(
        `select (${key.length > 1 ? `row(${columns})` : columns})::text as key, xmin::text from public.${pg.escapeIdentifier(table)}`,
      );
      for (const { key, xmin } of rows) found.set(`${table} ${key}`, xmin);
    }
    return found;
  });
}

/** Takes all rows and the whole ledger away, and leaves schema, chunks and fingerprint: nothing was loaded yet. */
export async function emptyTarget(platform: Platform, system: SystemMapping): Promise<void> {
  await asAdmin(platform, system.database, async (client) => {
    for (const { table } of system.tables.toReversed()) {
      await client.query(`delete from public.${pg.escapeIdentifier(table)}`);
    }
    await client.query(`truncate migration.run, migration.part, migration.batch, migration.quarantine, migration.merged,
      migration.removed, migration.removal, migration.verification, migration.divergence restart identity`);
  });
}

/** Answers statements within one database. */
type Rows = (sql: string) => Promise<pg.QueryResultRow[]>;

/** What the ledger says of each table, however many batches and parts it took. */
export async function accountsOf(rows: Rows): Promise<unknown> {
  return [
    await rows(`select table_name, read, inserted, updated, unchanged, merged, quarantined, complete
                from migration.progress order by table_name`),
    await rows(
      'select table_name, locator, code, field, detail, payload from migration.quarantine order by 1, 2',
    ),
    await rows('select table_name, locator, winner, rule, identical from migration.merged order by 1, 2'),
  ];
}

/** A load whose signal says stop as soon as a few batches of a table are stored. */
export async function stoppedIn<T>(
  table: string,
  rows: Rows,
  load: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const watch = setInterval(async () => {
    const [found] = await rows(
      `select count(*)::int as n from migration.batch where table_name = ${pg.escapeLiteral(table)}`,
    ).catch(() => []);
    if (found?.n > 2) stop.abort(new Error('stopped'));
  }, 10);
  try {
    return await load(stop.signal);
  } finally {
    clearInterval(watch);
  }
}

/** Runs statements in a transaction of the administrator's that stays open, with its locks, until `release` or the end. */
export async function whileHolding<T>(
  platform: Platform,
  database: string,
  statements: readonly string[],
  use: (release: () => Promise<void>) => Promise<T>,
): Promise<T> {
  return asAdmin(platform, database, async (client) => {
    await client.query('begin');
    for (const statement of statements) await client.query(statement);
    try {
      return await use(async () => void (await client.query('rollback')));
    } finally {
      await client.query('rollback').catch(() => {});
    }
  });
}

/**
 * A candle, for `whileHolding`: a load whose COPY meets its uncommitted key waits.
 * @param at its place in key order, among the rows that are there now
 */
export async function candleInTheWay(platform: Platform, at: number): Promise<string> {
  return asAdmin(platform, 'trdinger', async (client) => {
    const { rows } = await client.query<{ values: string }>(
      `select format('%L, %L, %L', symbol, timeframe, timestamp) as values from ohlcv_data
       order by symbol, timeframe, timestamp limit 1 offset $1`,
      [at],
    );
    return `insert into ohlcv_data (symbol, timeframe, timestamp, open, high, low, close, volume, source_symbol,
      source_timeframe) values (${rows[0]!.values}, 1, 1, 1, 1, 1, '', '')`;
  });
}

/** Process id of the one server process of ours in a database that waits for a lock. */
export async function waitingBackend(platform: Platform, database: string): Promise<number> {
  return asAdmin(platform, database, async (client) => {
    let found: number | undefined;
    await until('waiting for a lock', async () => {
      const { rows } = await client.query<{ pid: number }>(
        `select pid from pg_stat_activity
         where datname = $1 and wait_event_type = 'Lock' and application_name like 'cutover%'`,
        [database],
      );
      found = rows[0]?.pid;
      return found !== undefined;
    });
    return found!;
  });
}

/** Waits until no server process of ours is left in a database, that of a killed loader included. */
export async function noBackend(platform: Platform, database: string): Promise<void> {
  await asAdmin(platform, database, (client) =>
    until('end of all sessions', async () => {
      const { rowCount } = await client.query(
        `select from pg_stat_activity where datname = $1 and application_name like 'cutover%'`,
        [database],
      );
      return rowCount === 0;
    }),
  );
}

/** Waits until `holds` answers true. */
export async function until(what: string, holds: () => Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`${what} did not happen within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
