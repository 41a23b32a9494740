import { join, resolve } from 'node:path';
import { withDownloads } from './downloads.ts';
import { budgetsOf, type CommonOptions, paceOptionsOf, processesOf, sourcesOf } from './options.ts';
import type { NamedStep } from './plan.ts';
import type { Platform } from './platform.ts';
import { formatReport } from './print.ts';
import { type Connections, type Report, writeReport } from './report.ts';
import { exitCodeOf, runSteps } from './run.ts';
import { s3Place } from './s3.ts';
import { Secrets } from './secrets.ts';
import { databaseUrl } from './steps/context.ts';
import { systemsNamed } from './systems/index.ts';

/** Runs steps for the systems that the options name. */
export async function runFor(
  options: CommonOptions,
  steps: readonly NamedStep[],
  platform: Platform,
  signal: AbortSignal,
): Promise<Report> {
  const home = resolve(options.home);
  const systems = systemsNamed(options.system);
  const budget = budgetsOf(options);
  const sources = withDownloads(sourcesOf(options));
  const archive = options.archive ? s3Place(options.archive) : undefined;
  const processes = processesOf(options);
  const secrets = await Secrets.open(home, platform.folder);
  const contextFor = (system: (typeof systems)[number]) => ({
    system,
    platform,
    home,
    secrets,
    sources,
    batchRows: options.batchRows,
    threads: options.threads,
    partRows: options.partRows,
    processes,
    pace: paceOptionsOf(options, processes),
    indexConnections: options.indexConnections,
    budget: budget(system.name),
    dryRun: options.dryRun ?? false,
    final: options.final,
    reload: options.reload,
    archive,
    out: options.out === undefined ? undefined : resolve(options.out),
    signal,
    log: progressLine(options),
  });
  const report = await runSteps(systems, steps, contextFor);
  // Who mounted a folder has them all; and a Job is not given every password.
  if (platform.folder === undefined) {
    report.connections = connectionsOf(
      platform,
      systems.map((system) => contextFor(system)),
    );
  }
  return report;
}

function connectionsOf(
  platform: Platform,
  contexts: Omit<Parameters<typeof databaseUrl>[0], 'report'>[],
): Connections {
  const { postgres, replica, timescale, redis } = platform;
  const databases = contexts.map((context) => {
    const url = (kind: 'owner' | 'readonly' | 'readwrite') =>
      databaseUrl({ ...context, report: undefined as never }, kind);
    return [
      context.system.name,
      { owner: url('owner'), readonly: url('readonly'), readwrite: url('readwrite') },
    ];
  });
  return { postgres, replica: replica ?? null, timescale, redis, databases: Object.fromEntries(databases) };
}

/** Progress goes to stderr, and only where a person sees it. */
function progressLine(options: CommonOptions): (line: string) => void {
  if (options.json || !process.stderr.isTTY) return () => {};
  return (line) => process.stderr.write(`\r\x1b[K${line}`);
}

/**
 * Prints the result, writes the report, sets the exit code.
 * @param result what is printed with `--json`
 * @param shown what is printed without it
 */
export async function tell(
  options: CommonOptions,
  report: Report,
  result: unknown,
  shown: Report = report,
): Promise<void> {
  if (process.stderr.isTTY && !options.json) process.stderr.write('\r\x1b[K');
  if (options.json) console.log(JSON.stringify(result, null, 2));
  else console.log(formatReport(shown));
  // The report of the whole load is that of the process which leads.
  const own = processesOf(options)?.own;
  await writeReport(join(resolve(options.home), 'reports', own ? `last-${own}.json` : 'last.json'), report);
  if (options.report !== undefined) await writeReport(resolve(options.report), report);
  if (options.json) {
    for (const [name, { error }] of Object.entries(report.systems)) {
      if (error) console.error(`${name}: ${error.message}${error.fix ? `\n${error.fix}` : ''}`);
    }
  }
  process.exitCode = exitCodeOf(report);
}
