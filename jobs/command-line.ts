import { join, resolve } from 'node:path';
import { Command, CommanderError } from 'commander';
import { CutoverError, ExitCode } from './errors.ts';
import { budgetsOf, type CommonOptions, platformOf, sourcesOf, withCommonOptions } from './options.ts';
import { PLAN, type PlannedStep } from './plan.ts';
import type { Platform } from './platform.ts';
import { formatReport, withoutPasswords } from './print.ts';
import { type Connections, type Report, type SystemDivergence, writeReport } from './report.ts';
import { exitCodeOf, runSteps } from './run.ts';
import { writeSample } from './sample/index.ts';
import { Secrets } from './secrets.ts';
import { cleanup } from './steps/cleanup.ts';
import { databaseUrl } from './steps/context.ts';
import { exportLegacy, requireEmpty } from './steps/export.ts';
import { quarantine } from './steps/quarantine.ts';
import { reindex } from './steps/reindex.ts';
import { replay } from './steps/replay.ts';
import { status } from './steps/status.ts';
import { DivergenceError } from './steps/verify.ts';
import { systemsNamed } from './systems/index.ts';

/** Commands that act on systems but are no part of the plan. */
const OTHERS: readonly PlannedStep[] = [
  { name: 'replay', what: 'Try the quarantined records again', after: [], run: replay },
  {
    name: 'quarantine',
    what: 'List the records that were set aside, with their reasons',
    after: [],
    run: quarantine,
  },
  {
    name: 'cleanup',
    what: 'Remove older snapshots and dumps once the current snapshot is proved; never a legacy file',
    after: [],
    run: cleanup,
  },
  {
    name: 'export',
    what: 'Write the target back in the legacy form, and prove it equal to the snapshot',
    after: [],
    run: exportLegacy,
  },
  {
    name: 'reindex',
    what: 'Build every index anew while the application goes on, and refresh the statistics',
    after: [],
    run: reindex,
  },
  {
    name: 'status',
    what: 'Say what the ledger knows: progress, quarantine, last proof',
    after: [],
    run: status,
  },
];

/** Every step that a command runs. */
export const STEPS: readonly PlannedStep[] = [...PLAN, ...OTHERS];

const NEEDS_SOURCE = new Set(['inspect', 'backup', 'cleanup']);
/** These print the differences that they found. */
const PROOFS = new Set(['verify', 'export']);

/** All commands of a job. The local runner adds those that start and stop servers. */
export function makeProgram(interrupted: AbortSignal): Command {
  const program = new Command('cutover')
    .description('Moves legacy data onto a database platform and proves it equal to its source')
    .exitOverride()
    .showHelpAfterError('(--help lists the options)');
  for (const step of STEPS) {
    const command = withCommonOptions(program.command(step.name).description(step.what));
    if (step.run === exportLegacy) command.requiredOption('--out <dir>', 'a new or empty folder');
    command.action(async (options: CommonOptions) => {
      if (NEEDS_SOURCE.has(step.name) && options.source.length === 0) {
        throw new CutoverError(
          'usage',
          `${step.name} needs a legacy store`,
          'Name it: --source DIR or --source SYSTEM=PATH.',
        );
      }
      if (options.out !== undefined) await requireEmpty(resolve(options.out));
      const divergences: SystemDivergence[] = [];
      const noticing: PlannedStep = {
        ...step,
        run: (context) =>
          step.run(context).catch((error) => {
            if (error instanceof DivergenceError) {
              divergences.push(
                ...error.divergences.map((each) => ({ system: context.system.name, ...each })),
              );
            }
            throw error;
          }),
      };
      const report = await runFor(options, [noticing], await platformFor(step, options), interrupted);
      await tell(options, report, PROOFS.has(step.name) ? divergences : withoutPasswords(report));
    });
  }
  program
    .command('sample')
    .description('Write legacy data of all systems, with every hazard in it')
    .requiredOption('--out <dir>', 'where to')
    .option('--seed <n>', 'the same seed makes the same bytes', Number, 1)
    .option(
      '--rows <table=n>',
      'ordinary rows of a table or collection; may be repeated',
      (value: string, earlier: string[]) => [...earlier, value],
      [],
    )
    .action(async (options: { out: string; seed: number; rows: string[] }) => {
      const { out, seed } = options;
      if (!Number.isInteger(seed)) throw new CutoverError('usage', '--seed is no whole number');
      const manifest = await writeSample({ out: resolve(out), seed, rows: rowsOf(options.rows) });
      const budgets = Object.entries(manifest.quarantined).map(
        ([system, n]) => `--quarantine-budget ${system}=${n}`,
      );
      console.log(`Wrote ${resolve(out)}. Some of its records are bad on purpose; to accept them:`);
      console.log(`npm start -- --source ${resolve(out)} ${budgets.join(' ')}`);
    });
  return program;
}

/** `inspect` looks at files only; everything else needs servers. */
async function platformFor(step: PlannedStep, options: CommonOptions): Promise<Platform> {
  if (step.name === 'inspect')
    return { postgres: 'postgresql://none', timescale: 'postgresql://none', redis: [] };
  return platformOf(options);
}

function rowsOf(values: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    values.map((value) => {
      const match = /^(\w+)=(\d+)$/.exec(value);
      if (!match) throw new CutoverError('usage', `--rows ${value} is not TABLE=N`);
      return [match[1]!, Number(match[2])];
    }),
  );
}

/** Runs steps for the systems that the options name. */
export async function runFor(
  options: CommonOptions,
  steps: readonly PlannedStep[],
  platform: Platform,
  signal: AbortSignal,
): Promise<Report> {
  const home = resolve(options.home);
  const systems = systemsNamed(options.system);
  const budget = budgetsOf(options);
  const sources = sourcesOf(options);
  const secrets = await Secrets.open(home);
  const contextFor = (system: (typeof systems)[number]) => ({
    system,
    platform,
    home,
    secrets,
    sources,
    batchRows: options.batchRows,
    budget: budget(system.name),
    dryRun: options.dryRun ?? false,
    out: options.out === undefined ? undefined : resolve(options.out),
    signal,
    log: progressLine(options),
  });
  const report = await runSteps(systems, steps, contextFor);
  report.connections = connectionsOf(
    platform,
    systems.map((system) => contextFor(system)),
  );
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

/** Prints the result, writes the report, sets the exit code. */
export async function tell(options: CommonOptions, report: Report, result: unknown): Promise<void> {
  if (process.stderr.isTTY && !options.json) process.stderr.write('\r\x1b[K');
  if (options.json) console.log(JSON.stringify(result, null, 2));
  else console.log(formatReport(report));
  await writeReport(join(resolve(options.home), 'reports', 'last.json'), report);
  if (options.report !== undefined) await writeReport(resolve(options.report), report);
  if (options.json) {
    for (const [name, { error }] of Object.entries(report.systems)) {
      if (error) console.error(`${name}: ${error.message}${error.fix ? `\n${error.fix}` : ''}`);
    }
  }
  process.exitCode = exitCodeOf(report);
}

/** Runs a program as the process: signals, errors and exit codes. */
export async function runProgram(make: (interrupted: AbortSignal) => Command): Promise<void> {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () =>
      controller.abort(
        new CutoverError('interrupted', `interrupted by ${name}`, 'Run the same command again: it resumes.'),
      ),
    );
  }
  try {
    await make(controller.signal).parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
    } else if (error instanceof CutoverError) {
      console.error(`error: ${error.message}${error.fix ? `\nfix: ${error.fix}` : ''}`);
      process.exitCode = error.exitCode;
    } else {
      // The stack only: other properties may hold a URL with its password.
      console.error(error instanceof Error ? error.stack : String(error));
      process.exitCode = ExitCode.internal;
    }
  }
}
