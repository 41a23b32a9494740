import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { runFor, tell } from '../../jobs/command.ts';
import { makeProgram, runProgram, STEPS } from '../../jobs/command-line.ts';
import {
  budgetsOf,
  type CommonOptions,
  forgetStart,
  lastStart,
  namedPlatform,
  rememberStart,
  sourcesOf,
  withCommonOptions,
} from '../../jobs/options.ts';
import { type NamedStep, PLAN } from '../../jobs/plan.ts';
import { formatConnections, withoutPasswords } from '../../jobs/print.ts';
import { checkRedis } from '../../jobs/redis.ts';
import { locateStore } from '../../jobs/sources/locate.ts';
import { storeOf, systemsNamed } from '../../jobs/systems/index.ts';
import { down, up } from './index.ts';

const SAMPLE = fileURLToPath(new URL('../../test/legacy', import.meta.url));

type LocalOptions = CommonOptions & { showSecrets?: boolean };

const stepsNamed = (...names: string[]) => STEPS.filter((step) => names.includes(step.name));

/** The stages that lightning-talk's migration plan names. */
const STAGES: readonly { name: string; what: string; steps: readonly NamedStep[] }[] = [
  {
    name: 'prepare',
    what: 'Start the servers, look at the legacy stores, take the snapshots, make databases, roles and tables',
    steps: stepsNamed('inspect', 'backup', 'preflight', 'provision', 'schema'),
  },
  {
    name: 'execute',
    what: 'Load the snapshots and build the indexes',
    steps: stepsNamed('load', 'index'),
  },
  { name: 'verify', what: 'Compare every field of every row', steps: stepsNamed('verify') },
  {
    name: 'cleanup',
    what: 'Remove older snapshots and dumps once the current ones are proved; never a legacy file',
    steps: stepsNamed('cleanup'),
  },
];

/** Runs steps on the servers that the options name, else on this machine's own, which are started where they don't run. */
async function runLocally(
  options: LocalOptions,
  steps: readonly NamedStep[],
  interrupted: AbortSignal,
): Promise<void> {
  const home = resolve(options.home);
  const given = options.source.length > 0;
  if (!given) Object.assign(options, await usualSource(home, options));
  await checkOptions(options);
  const log = options.json ? () => {} : (line: string) => console.log(line);
  const named = namedPlatform(options, true);
  if (named) await checkRedis(named);
  const platform = named ?? (await up({ home, log, signal: interrupted }));
  const report = await runFor(options, steps, platform, interrupted);
  if (given && report.ok && !options.dryRun) await rememberStart(home, options);
  await tell(options, report, options.showSecrets ? report : withoutPasswords(report));
  if (options.json || !report.connections) return;
  console.log(`\n${formatConnections(report.connections, options.showSecrets ?? false)}`);
  if (!named)
    console.log(
      '\nThe servers go on running. `npm run down` stops them, `npm run down -- --purge` also deletes their data.',
    );
}

/** Without --source: what the last start in this home was given, else the sample. What is given counts more. */
async function usualSource(
  home: string,
  { system, quarantineBudget }: CommonOptions,
): Promise<Pick<CommonOptions, 'source' | 'system' | 'quarantineBudget'>> {
  const last = await lastStart(home);
  if (last) {
    return {
      source: last.source,
      system: system.length > 0 ? system : last.system,
      quarantineBudget: [...last.quarantineBudget, ...quarantineBudget],
    };
  }
  // The sample's bad records are bad on purpose: its own manifest says how many.
  const manifest = JSON.parse(await readFile(join(SAMPLE, 'sample.json'), 'utf8'));
  const { quarantined } = manifest as { quarantined: Record<string, number> };
  const planted = Object.entries(quarantined).map(([name, n]) => `${name}=${n}`);
  return { source: [SAMPLE], system, quarantineBudget: [...planted, ...quarantineBudget] };
}

/** A mistake in the options is told before any server is started. */
async function checkOptions(options: CommonOptions): Promise<void> {
  budgetsOf(options);
  const sources = sourcesOf(options);
  for (const system of systemsNamed(options.system)) {
    const store = storeOf(system);
    // One in an object store is looked at when it is here.
    if (!sources.objects?.has(store)) await locateStore(store, system.source, sources);
  }
}

/** The commands of a job, and those that start and stop the embedded servers. */
await runProgram((interrupted) => {
  const program = makeProgram(interrupted);
  const local = (command: Command, steps: readonly NamedStep[]) =>
    withCommonOptions(command)
      .option('--show-secrets', 'print passwords')
      .action((options: LocalOptions) => runLocally(options, steps, interrupted));
  local(program.command('start'), PLAN).description(
    'Start real servers on this machine and run the whole plan; without --source, on the sample data',
  );
  const migrate = program
    .command('migrate')
    .description('The plan in stages, each with what the last start was given');
  for (const { name, what, steps } of STAGES) local(migrate.command(name), steps).description(what);
  program
    .command('down')
    .description('Stop the servers that start has started, and nothing else')
    .option('--home <dir>', 'as for start', process.env.CUTOVER_HOME ?? '.cutover')
    .option('--purge', 'also delete their data')
    .action(async (options: { home: string; purge?: boolean }) => {
      const { stopped } = await down({
        home: resolve(options.home),
        purge: options.purge ?? false,
        log: console.log,
      });
      // A start after a purge begins like the first one.
      if (options.purge) await forgetStart(resolve(options.home));
      console.log(stopped.length === 0 ? 'Nothing was running.' : `Stopped ${stopped.join(', ')}.`);
    });
  return program;
});
