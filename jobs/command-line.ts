import { resolve } from 'node:path';
import { Argument, Command, CommanderError } from 'commander';
import { figuresOf, publishFigures } from './cloudwatch.ts';
import { runFor, tell } from './command.ts';
import { CutoverError, ExitCode } from './errors.ts';
import { runJob } from './job.ts';
import {
  type CommonOptions,
  platformOf,
  requireSource,
  withCommonOptions,
  withProcesses,
} from './options.ts';
import { JOBS, type JobName, type NamedStep, PLAN, RECHECK } from './plan.ts';
import type { Platform } from './platform.ts';
import { withoutPasswords } from './print.ts';
import type { SystemDivergence } from './report.ts';
import { writeSample } from './sample/index.ts';
import { analyze } from './steps/analyze.ts';
import { cleanup } from './steps/cleanup.ts';
import { exportLegacy, requireEmpty } from './steps/export.ts';
import { load } from './steps/load.ts';
import { measure } from './steps/measure.ts';
import { quarantine } from './steps/quarantine.ts';
import { reindex } from './steps/reindex.ts';
import { replay } from './steps/replay.ts';
import { status } from './steps/status.ts';
import { DivergenceError } from './steps/verify.ts';

/** Commands that act on systems but are no part of the plan. */
const OTHERS: readonly NamedStep[] = [
  { name: 'replay', what: 'Try the quarantined records again', run: replay },
  {
    name: 'quarantine',
    what: 'List the records that were set aside, with their reasons',
    run: quarantine,
  },
  {
    name: 'cleanup',
    what: 'Remove older snapshots and dumps once the current snapshot is proved; never a legacy file',
    run: cleanup,
  },
  {
    name: 'export',
    what: 'Write the target back in the legacy form, and prove it equal to the snapshot',
    run: exportLegacy,
  },
  {
    name: 'reindex',
    what: 'Build every index anew while the application goes on, and refresh the statistics',
    run: reindex,
  },
  {
    name: 'analyze',
    what: 'Refresh the statistics that the planner goes by',
    run: analyze,
  },
  {
    name: 'measure',
    what: 'Time the hot queries: 95th percentile and error rate',
    run: measure,
  },
  {
    name: 'status',
    what: 'Say what the ledger knows: progress, quarantine, last proof',
    run: status,
  },
];

/** Every step that a command runs. */
export const STEPS: readonly NamedStep[] = [...PLAN, RECHECK, ...OTHERS];

const NEEDS_SOURCE = new Set(['inspect', 'backup', 'cleanup', 'recheck']);
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
    if (step.run === load) withProcesses(command);
    if (step.run === measure) command.option('--publish', 'also put the figures into CloudWatch');
    if (step.run === exportLegacy) command.requiredOption('--out <dir>', 'a new or empty folder');
    command.action(async (options: CommonOptions) => {
      if (NEEDS_SOURCE.has(step.name)) requireSource(step.name, options);
      if (options.out !== undefined) await requireEmpty(resolve(options.out));
      const divergences: SystemDivergence[] = [];
      const noticing: NamedStep = {
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
      if (options.publish) await publishFigures(figuresOf(report));
    });
  }
  const job = withCommonOptions(
    program
      .command('job')
      .description('Run the steps of one Kubernetes Job of the plan')
      .addArgument(new Argument('<name>', 'which').choices(JOBS.map(({ name }) => name))),
  );
  withProcesses(job).action((name: JobName, options: CommonOptions) => runJob(name, options, interrupted));
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
async function platformFor(step: NamedStep, options: CommonOptions): Promise<Platform> {
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
