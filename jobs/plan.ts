import { backup } from './steps/backup.ts';
import type { Step, StepContext } from './steps/context.ts';
import { indexes } from './steps/indexes.ts';
import { inspect } from './steps/inspect.ts';
import { load } from './steps/load.ts';
import { preflight } from './steps/preflight.ts';
import { provision } from './steps/provision.ts';
import { schema } from './steps/schema.ts';
import { verify } from './steps/verify.ts';

export interface PlannedStep {
  readonly name: string;
  /** One sentence for `--help` and the documentation. */
  readonly what: string;
  /** Steps of the same system that must have ended well before. */
  readonly after: readonly string[];
  readonly run: Step;
}

/**
 * The one list of what is done to a system and in which order. Systems don't wait for each other. The local runner, the
 * Pulumi program and the documentation read it; no step knows its neighbours.
 */
export const PLAN: readonly PlannedStep[] = [
  {
    name: 'inspect',
    what: 'Look at the legacy store: sizes, unknown parts, hazards, estimates',
    after: [],
    run: inspect,
  },
  {
    name: 'backup',
    what: 'Take a stable snapshot of the legacy store; dump a target that holds other rows',
    after: ['inspect'],
    run: backup,
  },
  {
    name: 'preflight',
    what: 'Check versions, extensions, privileges and disk',
    after: ['backup'],
    run: preflight,
  },
  {
    name: 'provision',
    what: 'Make the database and its roles',
    after: ['preflight'],
    run: provision,
  },
  {
    name: 'schema',
    what: 'Apply the numbered SQL and fingerprint the catalog',
    after: ['provision'],
    run: schema,
  },
  { name: 'load', what: 'Load the snapshot, exactly once', after: ['schema', 'backup'], run: load },
  { name: 'index', what: 'Build indexes, aggregates and statistics', after: ['load'], run: indexes },
  {
    name: 'verify',
    what: 'Compare every field of every row, under a role of its own',
    after: ['index'],
    run: async (context: StepContext) => void (await verify(context)),
  },
];

export type JobName = 'provision' | 'backup' | 'load' | 'verify';
export const JOBS: readonly { name: JobName; after: readonly JobName[] }[] = [
  { name: 'provision', after: [] },
  { name: 'backup', after: ['provision'] },
  { name: 'load', after: ['provision', 'backup'] },
  { name: 'verify', after: ['load'] },
];
