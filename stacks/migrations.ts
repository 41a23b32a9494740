import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import type { SystemMapping } from '../jobs/engine/mapping.ts';
import { JOBS, type JobName } from '../jobs/plan.ts';
import { SYSTEMS, storeOf } from '../jobs/systems/index.ts';
import { Binding } from './bindings.ts';
import { JobPods, type Store } from './job-pods.ts';
import { Maintenance } from './maintenance.ts';
import { MigrationJob } from './migration-job.ts';
import { type JobSet, PHASE_RULES } from './phases.ts';
import type { Platform } from './platform.ts';
import { PlatformFolder } from './platform-folder.ts';
import { Roles } from './roles.ts';
import type { Settings } from './settings.ts';
import { Verification } from './verification.ts';

/** Service account of the jobs that reach secrets and object stores outside the cluster. */
export const ADMINISTRATOR = 'cutover-administrator';
/** And of those that publish how fast the hot queries are. */
export const METRICS = 'cutover-metrics';

const SQL = fileURLToPath(new URL('../sql', import.meta.url));

/** Jobs of a store in each phase; `provision` is for all stores and stands before them. */
const JOBS_OF: Readonly<Record<JobSet, readonly JobName[]>> = {
  none: [],
  backup: ['backup'],
  repeatable: ['backup', 'load', 'verify'],
  final: ['backup', 'load', 'verify', 'recheck'],
};

export interface MigrationsArgs {
  readonly namespace: pulumi.Input<string>;
  readonly platform: Platform;
  /** Image of the jobs, by its digest. */
  readonly image: pulumi.Input<string>;
  readonly settings: Settings;
}

/** What a reviewer reads of one store. */
export interface StoreOutputs {
  readonly phase: string;
  readonly sourceGeneration: number;
  /** What the last verification published; why there is none, where there is none. */
  readonly verification: pulumi.Output<Record<string, string>>;
}

/**
 * The plan as Kubernetes Jobs: `provision` once, then every store by itself, side by side, and behind each the binding that
 * its applications read.
 */
export class Migrations extends pulumi.ComponentResource {
  readonly roles: Readonly<Record<string, Roles>>;
  readonly outputs: Readonly<Record<string, StoreOutputs>>;
  readonly #pods: JobPods;

  constructor(
    private readonly name: string,
    private readonly args: MigrationsArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super('cutover:jobs:Migrations', name, {}, opts);
    const { namespace, platform, settings } = args;
    const account = (name: string, annotations = {}) =>
      new k8s.core.v1.ServiceAccount(
        name,
        { metadata: { name, namespace, annotations }, automountServiceAccountToken: false },
        { parent: this },
      );
    this.#pods = new JobPods({
      image: args.image,
      settings,
      archive: platform.archive,
      folder: new PlatformFolder('platform', { namespace, platform }, { parent: this }),
      accounts: {
        administrator: account(ADMINISTRATOR, platform.annotations?.administrator),
        plain: account('cutover-job'),
        metrics: platform.annotations && account(METRICS, platform.annotations.metrics),
      },
    });
    this.#closePods();
    const stores: Store[] = Object.entries(settings.systems).map(([name, system]) => {
      const systems = SYSTEMS.filter((each) => storeOf(each) === name);
      const roles = new Roles(`${name}-roles`, { namespace, systems }, { parent: this });
      return { name, systems, settings: system!, roles };
    });
    this.roles = Object.fromEntries(stores.map(({ name, roles }) => [name, roles]));
    const provision = this.#provision(stores);
    this.outputs = Object.fromEntries(stores.map((store) => [store.name, this.#migrate(store, provision)]));
    this.registerOutputs({});
  }

  /** Nobody connects to a job. */
  #closePods(): void {
    new k8s.networking.v1.NetworkPolicy(
      `${this.name}-closed`,
      {
        metadata: { name: 'cutover-jobs', namespace: this.args.namespace },
        spec: { podSelector: { matchLabels: { 'cutover.dev/role': 'job' } }, policyTypes: ['Ingress'] },
      },
      { parent: this },
    );
  }

  #provision(stores: readonly Store[]): MigrationJob {
    return new MigrationJob(
      'provision',
      {
        namespace: this.args.namespace,
        pod: this.#pods.provision(stores),
        labels: { 'cutover.dev/job': 'provision' },
        trigger: { sql: sqlDigest(stores.flatMap(({ systems }) => systems)) },
        deadlineSeconds: 1800,
      },
      { parent: this, dependsOn: [...this.args.platform.ready] },
    );
  }

  #migrate(store: Store, provision: MigrationJob): StoreOutputs {
    const { namespace, platform } = this.args;
    const { name, settings, systems, roles } = store;
    const { phase, sourceGeneration } = settings;
    const { jobs: set, gated } = PHASE_RULES[phase];
    const home = this.#home(store);
    const verification = new Verification(`${name}-verification`, { namespace }, { parent: this });
    const made = new Map<JobName, MigrationJob>([['provision', provision]]);
    for (const job of JOBS_OF[set]) {
      if (job === 'verify' && !settings.verify) continue;
      const { after } = JOBS.find((each) => each.name === job)!;
      const before = after.map((each) => made.get(each)!);
      // A final job belongs to its generation: a greater one is another job, and nothing else makes it run again.
      const title = set === 'final' ? `${name}-final-${sourceGeneration}-${job}` : `${name}-${job}`;
      made.set(
        job,
        new MigrationJob(
          title,
          {
            namespace,
            pod: this.#pods.ofStore(job, store, home, verification),
            labels: { 'cutover.dev/job': job, 'cutover.dev/store': name },
            trigger: {
              generation: sourceGeneration,
              // A proof is as fresh as the phase that it lets in: of the store as it is when that begins.
              ...(job === 'backup' && gated && { phase }),
              sql: sqlDigest(systems),
              // What ran before it changed what it reads. Not so provision: another store's roles are none of its own.
              ...Object.fromEntries(
                after.filter((each) => each !== 'provision').map((each) => [each, made.get(each)!.trigger]),
              ),
            },
            once: set === 'final',
            // A difference does not go away by itself.
            ...(job === 'verify' && { backoffLimit: 0 }),
            ...(job === 'load' && { pods: settings.loadPods }),
          },
          { parent: this, dependsOn: before },
        ),
      );
    }
    const verify = made.get('verify');
    const proofs = [verify, made.get('recheck')].filter((job) => job !== undefined);
    new Binding(`${name}-binding`, { namespace, platform, systems, roles, phase, proofs }, { parent: this });
    const load = made.get('load');
    if (load) {
      new Maintenance(
        name,
        { namespace, commands: this.#pods.commands(store) },
        // There is nothing to measure or to build anew before.
        { parent: this, dependsOn: [verify ?? load] },
      );
    }
    return {
      phase,
      sourceGeneration,
      verification: verify
        ? verification.resultOf(verify.job)
        : pulumi.output({ result: `none in phase ${phase}` } as Record<string, string>),
    };
  }

  /** Snapshots, dumps and reports of a store: what its jobs share. */
  #home({ name, settings }: Store): k8s.core.v1.PersistentVolumeClaim {
    const { platform, kubernetes, external } = this.args.settings;
    const storageClassName = platform === 'external' ? external?.storageClass : kubernetes.storageClass;
    return new k8s.core.v1.PersistentVolumeClaim(
      `${name}-home`,
      {
        metadata: {
          name: `${name}-home`,
          namespace: this.args.namespace,
          // A claim whose class waits for its first pod is not bound before that pod, which waits for the claim.
          annotations: { 'pulumi.com/skipAwait': 'true' },
        },
        spec: {
          accessModes: ['ReadWriteOnce'],
          resources: { requests: { storage: settings.storage } },
          ...(storageClassName && { storageClassName }),
        },
      },
      { parent: this, protect: this.args.settings.protect },
    );
  }
}

/** SHA-256 of the numbered SQL of some systems, with that of roles and ledger. */
function sqlDigest(systems: readonly SystemMapping[]): string {
  const hash = createHash('sha256');
  for (const folder of ['ledger', 'roles', ...systems.map(({ name }) => name)]) {
    const files = readdirSync(join(SQL, folder), { recursive: true, withFileTypes: true });
    const paths = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name));
    for (const path of paths.sort()) hash.update(path.slice(SQL.length)).update(readFileSync(path));
  }
  return hash.digest('hex').slice(0, 16);
}
