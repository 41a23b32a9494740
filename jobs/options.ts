import { readFile, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { z } from 'zod';
import type { Processes } from './engine/follow.ts';
import { type PaceOptions, parseWindow, type Window } from './engine/pace.ts';
import { CutoverError } from './errors.ts';
import { type Platform, readPlatform } from './platform.ts';
import { readPlatformFolder } from './platform-folder.ts';
import { writeReport } from './report.ts';
import { isS3, type S3Place, s3Place } from './s3.ts';
import type { SourceOptions } from './sources/locate.ts';
import { DATABASES, STORES, SYSTEMS } from './systems/index.ts';

/** What the command line says, as commander gives it. */
export interface CommonOptions {
  system: string[];
  source: string[];
  home: string;
  json?: boolean;
  report?: string;
  quarantineBudget: string[];
  batchRows: number;
  threads: number;
  partRows: number;
  /** Of `load` only, as the next one. */
  processes?: number;
  process?: number;
  maxRowsPerSecond?: number;
  window?: Window;
  indexConnections?: number;
  dryRun?: boolean;
  final?: number;
  reload?: boolean;
  /** Of `export` only. */
  out?: string;
  postgres?: string;
  replica?: string;
  timescale?: string;
  redis?: string;
  redisCa?: string;
  platform?: string;
  archive?: string;
  /** Of `measure` only. */
  publish?: boolean;
}

const several = (value: string, earlier: string[]) => [...earlier, value];

function positive(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1)
    throw new InvalidArgumentError('It must be a whole number above 0.');
  return number;
}

function notNegative(value: string): number {
  const number = Number(value);
  if (!/^\d+$/.test(value)) throw new InvalidArgumentError('It must be a whole number from 0.');
  return number;
}

function hours(value: string): Window {
  const window = parseWindow(value);
  if (window === undefined) throw new InvalidArgumentError('It must be like 01:00-05:00.');
  return window;
}

/** As many as the machine runs at once; more than a few only make the server wait for its own locks. */
function threadsHere(): number {
  return Math.min(4, availableParallelism());
}

/** The options that all commands share. */
export function withCommonOptions(command: Command): Command {
  return command
    .option(
      '--system <name...>',
      'only these systems',
      (value: string, earlier: string[]) => [...earlier, ...value.split(',')],
      [],
    )
    .option(
      '--source <dir|system=path|database=url>',
      'a folder with one folder a system, one store (either may be s3://BUCKET/PREFIX), or a living database of one (harca-db); may be repeated',
      several,
      [],
    )
    .addOption(
      new Option('--home <dir>', 'folder of cache, data, snapshots, state and reports')
        .default('.cutover')
        .env('CUTOVER_HOME'),
    )
    .option('--json', 'print the report as JSON')
    .option('--report <file>', 'also write the report to a file, mode 0600')
    .option(
      '--quarantine-budget <[system=]n>',
      'records in quarantine that are tolerated (default 0); may be repeated',
      several,
      [],
    )
    .option('--batch-rows <n>', 'rows a transaction', positive, 10_000)
    .option(
      '--threads <n>',
      'threads that load or compare the parts of a large table',
      positive,
      threadsHere(),
    )
    .option('--part-rows <n>', 'rows that a part has at least', positive, 50_000)
    .option('--max-rows-per-second <n>', 'of each system, for servers that others use too', positive)
    .option('--window <hh:mm-hh:mm>', 'write only within these hours of local time', hours)
    .option(
      '--index-connections <n>',
      'indexes that are built side by side (default: by the processes that the server allows, at most 4)',
      positive,
    )
    .option('--dry-run', 'do everything but commit')
    .option(
      '--final <generation>',
      'part of the final sync of a cut-over, which is done once for each',
      positive,
    )
    .option(
      '--reload',
      'load every row again, over what was written to the target since, also after a cut-over',
    )
    .addOption(
      new Option('--postgres <url>', 'PostgreSQL primary, instead of the embedded one').env(
        'CUTOVER_POSTGRES_URL',
      ),
    )
    .addOption(new Option('--replica <url>', 'a streaming replica of it').env('CUTOVER_REPLICA_URL'))
    .addOption(new Option('--timescale <url>', 'server with TimescaleDB').env('CUTOVER_TIMESCALE_URL'))
    .addOption(new Option('--redis <url,…>', 'nodes of a Redis cluster').env('CUTOVER_REDIS_URL'))
    .addOption(
      new Option('--redis-ca <file>', 'PEM file of the authority that signed their certificates').env(
        'CUTOVER_REDIS_CA',
      ),
    )
    .addOption(
      new Option('--platform <dir>', 'folder with a folder a server (Service Binding), instead of URLs').env(
        'CUTOVER_PLATFORM',
      ),
    )
    .addOption(
      new Option('--archive <s3://bucket/prefix>', 'where backup also puts the snapshots').env(
        'CUTOVER_ARCHIVE',
      ),
    );
}

/** The options of several processes that load together. */
export function withProcesses(command: Command): Command {
  return command
    .option('--processes <n>', 'processes that load each system together, with one home', positive, 1)
    .option(
      '--process <i>',
      'which of them this is, from 0, which leads (default: JOB_COMPLETION_INDEX, as Kubernetes sets it)',
      notNegative,
    );
}

/** Which of several processes this is; undefined where it is alone. @throws CutoverError `usage` */
export function processesOf(
  { processes: all = 1, process: named, dryRun }: CommonOptions,
  variables: NodeJS.ProcessEnv = process.env,
): Processes | undefined {
  const wrong = (message: string, fix: string) => new CutoverError('usage', message, fix);
  const given = variables.JOB_COMPLETION_INDEX;
  // A Job of somebody's own may have numbered pods that each load something else.
  const own = named ?? (all > 1 && given ? (/^\d+$/.test(given) ? Number(given) : Number.NaN) : undefined);
  if (own === undefined && all === 1) return undefined;
  if (own === undefined) {
    throw wrong(
      '--process is missing: which of the --processes this is',
      `Number them from 0 to ${all - 1}: --process 0 leads. In an Indexed Job, Kubernetes sets JOB_COMPLETION_INDEX.`,
    );
  }
  if (!(own < all)) {
    throw wrong(
      `${named === undefined ? `JOB_COMPLETION_INDEX=${given}` : `--process ${named}`} is none of ${all} processes`,
      `They are numbered from 0 to ${all - 1}; --processes says how many there are.`,
    );
  }
  if (all > 1 && dryRun) {
    throw wrong(
      '--dry-run is for one process',
      'Leave --processes out: others would not see what is not committed.',
    );
  }
  return all > 1 ? { own, all } : undefined;
}

/** This process's share of the rate, and the hours. */
export function paceOptionsOf(options: CommonOptions, processes: Processes | undefined): PaceOptions {
  const { maxRowsPerSecond: rate, window } = options;
  return { maxRowsPerSecond: rate && rate / (processes?.all ?? 1), window };
}

/** The platform that the options name; undefined when they name none. @throws CutoverError `usage` for half of one */
export function namedPlatform(options: CommonOptions, needsRedis: boolean): Platform | undefined {
  // A variable that is set to nothing is one that is not set.
  const given = (value: string | undefined) => value || undefined;
  const [postgres, timescale, redis] = [options.postgres, options.timescale, options.redis].map(given);
  const replica = given(options.replica);
  const folder = given(options.platform);
  if (folder !== undefined) {
    if ([postgres, timescale, redis, replica].some((url) => url !== undefined)) {
      throw new CutoverError(
        'usage',
        'servers are named by --platform and by URLs',
        'Leave one out; the variables CUTOVER_POSTGRES_URL, … count as options.',
      );
    }
    return readPlatformFolder(resolve(folder));
  }
  if (postgres === undefined && timescale === undefined && redis === undefined) return undefined;
  for (const [name, url] of Object.entries({ postgres, timescale, replica })) {
    if (url !== undefined && !isPostgresUrl(url)) {
      throw new CutoverError(
        'usage',
        `--${name} is not a URL of a PostgreSQL server`,
        'It looks like postgresql://USER:PASSWORD@HOST:PORT/postgres?sslmode=verify-full&sslrootcert=CA.pem',
      );
    }
  }
  for (const url of [postgres, timescale, replica]) {
    if (url !== undefined) requireVerification(url);
  }
  for (const url of redis?.split(',') ?? []) {
    if (!(/^rediss?:\/\/[^/]+/.test(url) && URL.canParse(url))) {
      throw new CutoverError(
        'usage',
        '--redis is not a list of URLs of Redis nodes',
        'It looks like rediss://default:PASSWORD@HOST:PORT,…',
      );
    }
  }
  const server = postgres ?? timescale;
  if (server === undefined || (needsRedis && redis === undefined)) {
    throw new CutoverError(
      'usage',
      `--${server === undefined ? 'postgres' : 'redis'} is missing`,
      'Name all servers (--postgres URL --timescale URL --redis URL), or none to use the embedded ones.',
    );
  }
  return {
    postgres: server,
    replica,
    timescale: timescale ?? server,
    redis: redis?.split(',') ?? [],
    redisCa: given(options.redisCa),
  };
}

/** The named platform, else the one that runs in the home folder. */
export async function platformOf(options: CommonOptions): Promise<Platform> {
  const platform = namedPlatform(options, false) ?? (await readPlatform(resolve(options.home)));
  if (platform) return platform;
  throw new CutoverError(
    'prerequisite',
    `no servers are named, and none run in ${resolve(options.home)}`,
    'Run `npm start` to start the embedded ones, or name yours with --postgres URL --timescale URL.',
  );
}

/** @throws CutoverError `usage` when none is named */
export function requireSource(command: string, options: CommonOptions): void {
  if (options.source.length > 0) return;
  throw new CutoverError(
    'usage',
    `${command} needs a legacy store`,
    'Name it: --source DIR or --source SYSTEM=PATH.',
  );
}

/** The absolute path or URL of an object store, and the system that it is for where one is named. A folder may have an equals sign in its path. */
function splitSource(value: string): { name?: string; path: string } {
  const at = value.indexOf('=');
  const name = value.slice(0, at);
  const isNamed = at > 0 && !/[/\\.]/.test(name);
  // Not repeated in the message: it has a password.
  const place = isNamed ? value.slice(at + 1) : value;
  if (isS3(place)) return isNamed ? { name, path: place } : { path: place };
  if (/^\w+:\/\//.test(place) && !(isNamed && DATABASES.includes(name))) {
    throw new CutoverError(
      'usage',
      'a --source is a URL, but names no living database of a store',
      `The databases are ${DATABASES.join(', ')}: --source ${DATABASES[0]}=postgresql://…`,
    );
  }
  if (!isNamed) return { path: resolve(value) };
  return { name, path: resolve(place) };
}

export function sourcesOf(options: CommonOptions): SourceOptions {
  const folders: string[] = [];
  const buckets: string[] = [];
  const stores = new Map<string, string>();
  const databases = new Map<string, string>();
  for (const value of options.source) {
    const { name, path } = splitSource(value);
    if (name === undefined) (isS3(path) ? buckets : folders).push(path);
    else if (STORES.includes(name)) stores.set(name, path);
    else if (DATABASES.includes(name)) databases.set(name, databaseUrlOf(name, value));
    else {
      throw new CutoverError(
        'usage',
        `--source ${name}=…: unknown system ${name}`,
        `The systems are ${[...STORES, ...DATABASES].join(', ')}.`,
      );
    }
  }
  if (buckets.length + folders.length > 1 && buckets.length > 0) {
    throw new CutoverError(
      'usage',
      `--source ${buckets[0]} is one of several folders of stores`,
      'With an object store, name one of them, and single stores with --source SYSTEM=PATH.',
    );
  }
  const objects = new Map<string, S3Place>();
  for (const store of STORES) {
    const url =
      stores.get(store) ?? (buckets.length > 0 ? `${buckets[0]!.replace(/\/+$/, '')}/${store}` : '');
    if (!isS3(url)) continue;
    objects.set(store, s3Place(url));
    stores.set(store, join(resolve(options.home), 's3', store));
  }
  return { folders, stores, databases, ...(objects.size > 0 && { objects }) };
}

/** The URL in `NAME=URL`. */
function databaseUrlOf(name: string, value: string): string {
  const url = value.slice(name.length + 1);
  if (isPostgresUrl(url)) {
    requireVerification(url);
    return url;
  }
  throw new CutoverError(
    'usage',
    `--source ${name}=… is not a URL of a PostgreSQL database`,
    'It looks like postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full&sslrootcert=CA.pem',
  );
}

/** @throws CutoverError `usage` for a URL that lets anybody stand in for the server */
function requireVerification(url: string): void {
  if (!/[?&](sslmode=no-verify|uselibpqcompat=)/.test(url)) return;
  throw new CutoverError(
    'usage',
    'a URL switches the verification of certificates off',
    'Use sslmode=verify-full&sslrootcert=CA.pem.',
  );
}

const isPostgresUrl = (url: string) => /^postgres(ql)?:\/\/[^/]+/.test(url) && URL.canParse(url);

/** Budgets by system; without a name, for each of them. */
export function budgetsOf(options: CommonOptions): (system: string) => number {
  let common = 0;
  const own = new Map<string, number>();
  for (const value of options.quarantineBudget) {
    const match = /^(?:([\w-]+)=)?(\d+)$/.exec(value);
    if (!match || (match[1] && !SYSTEMS.some((system) => system.name === match[1]))) {
      throw new CutoverError(
        'usage',
        `--quarantine-budget ${value} is not [SYSTEM=]N`,
        'For example: --quarantine-budget trdinger=8',
      );
    }
    if (match[1]) own.set(match[1], Number(match[2]));
    else common = Number(match[2]);
  }
  return (system) => own.get(system) ?? common;
}

const remembered = z.object({
  source: z.array(z.string()),
  system: z.array(z.string()),
  quarantineBudget: z.array(z.string()),
});

/** Source, systems and budget of the last start that succeeded in this home, so that a start without options goes on with the same data. */
export async function lastStart(home: string): Promise<z.infer<typeof remembered> | undefined> {
  try {
    return remembered.parse(JSON.parse(await readFile(join(home, 'start.json'), 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export function forgetStart(home: string): Promise<void> {
  return rm(join(home, 'start.json'), { force: true });
}

export async function rememberStart(home: string, options: CommonOptions): Promise<void> {
  const { source, system, quarantineBudget } = options;
  const absolute = source.map((value) => {
    const { name, path } = splitSource(value);
    if (name !== undefined && DATABASES.includes(name)) return value;
    return name === undefined ? path : `${name}=${path}`;
  });
  // The URL of a database has a password.
  await writeReport(join(home, 'start.json'), { source: absolute, system, quarantineBudget });
}
