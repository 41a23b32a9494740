import { fileURLToPath } from 'node:url';
import { CutoverError } from '../jobs/errors.ts';
import type { Platform } from '../jobs/platform.ts';
import type { Run } from './case.ts';
import { runChild } from './child.ts';
import { isProgram } from './programs.ts';

/** What `bench/job.ts` is asked to do, on its stdin. */
export interface JobRequest {
  /** Where the mapping comes from: a module, and the name under which it exports a `SystemMapping`. */
  readonly system: { readonly module: string; readonly name: string };
  /** Names of steps of the plan, in order. */
  readonly steps: readonly string[];
  readonly platform: Platform;
  /** Folder of the snapshots. */
  readonly home: string;
  /** Folder of the roles' passwords, where several homes go to one database. */
  readonly secrets: string;
  /** Folder with the legacy store; only `backup` reads it. */
  readonly source: string;
  /** Rows a transaction; default: that of the command line. */
  readonly batchRows?: number;
}

/** What one step took: a line of the job's stdout, as JSON. */
export interface StepTime {
  readonly step: string;
  readonly seconds: number;
  /** Peak resident set of the process until then, in bytes. */
  readonly rss: number;
}

/** A line before them: the time from the start of the process until the first step, which is nobody's work. */
export interface StartTime {
  readonly startup: number;
}

const JOB = fileURLToPath(new URL('job.ts', import.meta.url));

/** A Node to run jobs with, and what to call it. */
export interface NodeBinary {
  readonly path: string;
  readonly name: string;
}

/** This very Node, and that of CUTOVER_BENCH_NODE, so that two stand side by side. */
export async function nodes(): Promise<NodeBinary[]> {
  const own = { path: process.execPath, name: `Node ${process.versions.node}` };
  const other = process.env.CUTOVER_BENCH_NODE;
  if (!other) return [own];
  if (!(await isProgram(other))) {
    throw new CutoverError(
      'usage',
      `CUTOVER_BENCH_NODE is ${other}, which is no program`,
      'Name a Node binary.',
    );
  }
  const { stdout } = await runChild(other, ['--version']);
  return [own, { path: other, name: `Node ${stdout.trim().replace(/^v/, '')}` }];
}

/**
 * Runs steps of a system as a process of its own.
 * @returns the seconds of the last step alone, and the peak of the process
 * @throws CutoverError when a step fails
 */
export async function runJob(request: JobRequest, node = process.execPath): Promise<Run> {
  const { stdout } = await runChild(node, ['--import', 'tsx', JOB], { input: JSON.stringify(request) });
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as StepTime;
}
