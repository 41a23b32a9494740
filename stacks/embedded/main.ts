import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeProgram, runFor, runProgram, tell } from '../../jobs/command-line.ts';
import {
  type CommonOptions,
  lastStart,
  namedPlatform,
  rememberStart,
  withCommonOptions,
} from '../../jobs/options.ts';
import { PLAN } from '../../jobs/plan.ts';
import { formatConnections } from '../../jobs/print.ts';
import { down, up } from './index.ts';

const SAMPLE = fileURLToPath(new URL('../../test/legacy', import.meta.url));

/** The commands of a job, and those that start and stop the embedded servers. */
await runProgram((interrupted) => {
  const program = makeProgram(interrupted);
  withCommonOptions(program.command('start'))
    .description(
      'Start real servers on this machine and run the whole plan; without --source, on the sample data',
    )
    .option('--show-secrets', 'print passwords')
    .action(async (options: CommonOptions & { showSecrets?: boolean }) => {
      const home = resolve(options.home);
      if (options.source.length === 0)
        Object.assign(options, (await lastStart(home)) ?? (await sampleSource(options)));
      const log = options.json ? () => {} : (line: string) => console.log(line);
      const named = namedPlatform(options, true);
      const platform = named ?? (await up({ home, log, signal: interrupted }));
      const report = await runFor(options, PLAN, platform, interrupted);
      await rememberStart(home, options);
      await tell(options, report, report);
      if (options.json) return;
      console.log(`\n${formatConnections(report.connections!, options.showSecrets ?? false)}`);
      if (!named)
        console.log(
          '\nThe servers go on running. `npm run down` stops them, `npm run down -- --purge` also deletes their data.',
        );
    });
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
      console.log(stopped.length === 0 ? 'Nothing was running.' : `Stopped ${stopped.join(', ')}.`);
    });
  return program;
});

/** The sample, whose bad records are bad on purpose: its own manifest says how many. */
async function sampleSource(
  options: CommonOptions,
): Promise<Pick<CommonOptions, 'source' | 'quarantineBudget'>> {
  const manifest = JSON.parse(await readFile(join(SAMPLE, 'sample.json'), 'utf8')) as {
    quarantined: Record<string, number>;
  };
  const planted = Object.entries(manifest.quarantined).map(([system, n]) => `${system}=${n}`);
  return { source: [SAMPLE], quarantineBudget: [...planted, ...options.quarantineBudget] };
}
