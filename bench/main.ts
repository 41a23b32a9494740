import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { runProgram } from '../jobs/command-line.ts';
import { CutoverError } from '../jobs/errors.ts';
import { withLock } from '../stacks/embedded/lock.ts';
import type { Bench, MakeCase } from './case.ts';
import { plotGrowth } from './growth-plot.ts';
import { type Figures, figuresOf, formatCase } from './print.ts';
import { runCase } from './run.ts';
import { HOME, headOf, startServer, stopServer } from './server.ts';

const CASES = fileURLToPath(new URL('cases', import.meta.url));

interface Options {
  rows?: number;
  case: string[];
  runs: number;
  json?: boolean;
  keep?: boolean;
  plot?: string;
}

await runProgram((interrupted) =>
  new Command('bench')
    .description('Time the data path beside other ways to do the same, in one run on one machine')
    .exitOverride()
    .showHelpAfterError('(--help lists the options)')
    .option('--rows <n>', "rows of each case, instead of the case's own size", positive)
    .option('--case <name...>', 'only these cases; default: all of them', [])
    .option('--runs <n>', 'rounds that count; one more warms up', positive, 5)
    .option('--json', 'print the figures as JSON, and nothing else')
    .option('--keep', 'leave the server running; `npm run down -- --home .cutover-bench` stops it')
    .option('--plot <file>', 'draw what the case `growth` measured, as SVG')
    .allowExcessArguments(false)
    .action((options: Options) => bench(options, interrupted)),
);

function positive(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1)
    throw new InvalidArgumentError('It must be a whole number above 0.');
  return number;
}

async function bench(options: Options, signal: AbortSignal): Promise<void> {
  const names = await casesNamed(options.case);
  if (options.plot !== undefined && !names.includes('growth')) {
    throw new CutoverError(
      'usage',
      '--plot draws the case growth, which is not asked for',
      'Add --case growth.',
    );
  }
  // What is under way goes to stderr, so that stdout has results alone.
  const log = (line: string) => console.error(line);
  const print = options.json ? () => {} : (line: string) => console.log(line);
  await mkdir(HOME, { recursive: true });
  const figures: Figures[] = [];
  await withLock(join(HOME, 'bench.lock'), { log, signal }, async () => {
    try {
      const platform = await startServer(log, signal);
      print(await headOf(platform, availableParallelism()));
      const folder = join(HOME, 'stores');
      await mkdir(folder, { recursive: true });
      for (const name of names) {
        figures.push(
          ...(await runNamed(name, { platform, folder, rows: options.rows, log }, options, print, signal)),
        );
      }
    } finally {
      if (!options.keep) await stopServer();
    }
  }).catch((error) => {
    // A child that was interrupted too has failed, which is not the reason.
    throw signal.aborted ? signal.reason : error;
  });
  if (options.plot !== undefined) await writeFile(options.plot, plotGrowth(figures));
  if (options.json) console.log(JSON.stringify(figures, null, 2));
}

async function runNamed(
  name: string,
  bench: Bench,
  { runs }: Options,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<Figures[]> {
  const { make } = (await import(pathToFileURL(join(CASES, `${name}.ts`)).href)) as { make: MakeCase };
  const made = await make(bench);
  try {
    const results = await runCase(made, { rounds: runs, log: bench.log, signal });
    print(`\n${formatCase(made, results)}`);
    return figuresOf(made, results);
  } finally {
    await made.close();
  }
}

/** All cases when none is named. @throws CutoverError `usage` for one that is not there */
async function casesNamed(names: readonly string[]): Promise<readonly string[]> {
  const all = (await readdir(CASES))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.slice(0, -3))
    .sort();
  const unknown = names.filter((name) => !all.includes(name));
  if (unknown.length > 0) {
    throw new CutoverError('usage', `unknown case ${unknown.join(', ')}`, `The cases are ${all.join(', ')}.`);
  }
  return names.length === 0 ? all : names;
}
