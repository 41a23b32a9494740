import { backup } from './steps/backup.ts';
import type { Step, StepContext } from './steps/context.ts';
import { indexes } from './steps/indexes.ts';
import { inspect } from './steps/inspect.ts';
import { load } from './steps/load.ts';
import { preflight } from './steps/preflight.ts';
import { provision } from './steps/provision.ts';
import { recheck } from './steps/recheck.ts';
import { schema } from './steps/schema.ts';
import { verify } from './steps/verify.ts';

/** The Kubernetes Jobs that the steps are gathered into: only the first two are given a login that may administer. */
export type JobName = 'provision' | 'backup' | 'load' | 'verify' | 'recheck';

/** A step of a system, whether it is in the plan or not. */
export interface NamedStep {
  readonly name: string;
  /** One sentence for `--help` and the documentation. */
  readonly what: string;
  readonly run: Step;
}

export interface PlannedStep extends NamedStep {
  readonly job: JobName;
  /** Steps of the same system that must have ended well before. */
  readonly after: readonly string[];
}

/**
 * The one list of what is done to a system and in which order. Systems don't wait for each other. The local runner, the
 * Pulumi program and the documentation read it; no step knows its neighbours.
 */
export const PLAN: readonly PlannedStep[] = [
  {
    name: 'preflight',
    what: 'Check versions, extensions and privileges',
    job: 'provision',
    after: [],
    run: preflight,
  },
  {
    name: 'inspect',
    what: 'Look at the legacy store: sizes, unknown parts, hazards, estimates',
    job: 'backup',
    after: [],
    run: inspect,
  },
  {
    name: 'backup',
    what: 'Take a stable snapshot of the legacy store; dump a target that holds other rows; check the disk',
    job: 'backup',
    after: ['inspect', 'preflight'],
    run: backup,
  },
  {
    name: 'provision',
    what: 'Make the database and its roles',
    job: 'provision',
    after: ['preflight'],
    run: provision,
  },
  {
    name: 'schema',
    what: 'Apply the numbered SQL and fingerprint the catalog',
    job: 'load',
    after: ['provision'],
    run: schema,
  },
  {
    name: 'load',
    what: 'Load the snapshot, exactly once',
    job: 'load',
    after: ['schema', 'backup'],
    run: load,
  },
  {
    name: 'index',
    what: 'Build indexes, aggregates and statistics',
    job: 'load',
    after: ['load'],
    run: indexes,
  },
  {
    name: 'verify',
    what: 'Compare every field of every row, under a role of its own',
    job: 'verify',
    after: ['index'],
    run: async (context: StepContext) => void (await verify(context)),
  },
];

/** The end of a cut-over's final sync, which has the steps of the plan before it. */
export const RECHECK: PlannedStep = {
  name: 'recheck',
  what: 'Look whether the living store still is what was proved, and close the database to further loads',
  job: 'recheck',
  after: ['verify'],
  run: recheck,
};

const STEPS = [...PLAN, RECHECK];

/** The steps of a Kubernetes Job, in their order. */
export const stepsOf = (name: JobName): PlannedStep[] => STEPS.filter(({ job }) => job === name);

/** A Kubernetes Job of the plan: `cutover job NAME`. */
export interface PlannedJob {
  readonly name: JobName;
  /** Names of its steps, in their order. */
  readonly steps: readonly string[];
  /** Jobs that must have ended well before: those of the steps that its own steps wait for. */
  readonly after: readonly JobName[];
}

/** The Jobs of the plan, each behind those that it waits for. */
export const JOBS: readonly PlannedJob[] = [...new Set(STEPS.map(({ job }) => job))].map((name) => {
  const own = stepsOf(name);
  const awaited = new Set(own.flatMap(({ after }) => after));
  const others = STEPS.filter((step) => step.job !== name && awaited.has(step.name));
  return { name, steps: own.map((step) => step.name), after: [...new Set(others.map(({ job }) => job))] };
});
