import type * as k8s from '@pulumi/kubernetes';
import type * as pulumi from '@pulumi/pulumi';
import type { RoleKind } from '../jobs/database.ts';
import type { SystemMapping } from '../jobs/engine/mapping.ts';
import type { JobName } from '../jobs/plan.ts';
import type { MaintenanceArgs } from './maintenance.ts';
import { PHASE_RULES } from './phases.ts';
import { PLATFORM_FOLDER, type PlatformFolder } from './platform-folder.ts';
import type { JobPodArgs } from './pods.ts';
import type { Roles } from './roles.ts';
import type { Settings, SystemSettings } from './settings.ts';
import type { Verification } from './verification.ts';

const HOME = '/var/lib/cutover';
const S3_CREDENTIALS = '/run/cutover/s3';
const SAMPLE = '/app/test/legacy';

/** A home for what keeps nothing. */
const SCRATCH = { mountPath: HOME, volume: { emptyDir: { sizeLimit: '64Mi' } } };

/** The database roles that each job logs in with; an administrator's login is given to the first two alone. */
const ROLES_OF: Readonly<Record<JobName, readonly RoleKind[]>> = {
  provision: ['owner', 'migrator', 'verifier', 'readonly', 'readwrite', 'admin'],
  backup: [],
  load: ['owner', 'migrator'],
  verify: ['verifier'],
  recheck: ['verifier'],
};

/** One legacy store, the systems that it is moved to, and their roles. */
export interface Store {
  readonly name: string;
  readonly systems: readonly SystemMapping[];
  readonly settings: SystemSettings;
  readonly roles: Roles;
}

export interface JobPodsArgs {
  /** Image of the jobs, by its digest. */
  readonly image: pulumi.Input<string>;
  readonly settings: Settings;
  /** Where the platform wants the snapshots put. */
  readonly archive?: pulumi.Input<string> | undefined;
  readonly folder: PlatformFolder;
  readonly accounts: {
    /** Of what reaches secrets and object stores outside the cluster. */
    readonly administrator: k8s.core.v1.ServiceAccount;
    /** Of what only reaches databases. */
    readonly plain: k8s.core.v1.ServiceAccount;
    /** Of what publishes figures, where they have a place to go to. */
    readonly metrics?: k8s.core.v1.ServiceAccount | undefined;
  };
}

/** What each job of the plan is given: its command, the logins it needs and no other, and the volumes it works on. */
export class JobPods {
  constructor(private readonly args: JobPodsArgs) {}

  /** `provision`, which is for all stores. It leaves nothing behind. */
  provision(stores: readonly Store[]): JobPodArgs {
    return this.#pod('provision', stores, [SCRATCH]);
  }

  /** The pod of one of a store's jobs. */
  ofStore(
    job: JobName,
    store: Store,
    home: k8s.core.v1.PersistentVolumeClaim,
    verification: Verification,
  ): JobPodArgs {
    const { name, settings } = store;
    const { source } = settings;
    const readsSource = job === 'backup' || job === 'recheck';
    const final = PHASE_RULES[settings.phase].jobs === 'final';
    const pod = this.#pod(
      job,
      [store],
      [
        { mountPath: HOME, volume: { persistentVolumeClaim: { claimName: home.metadata.name } } },
        ...(readsSource ? this.#s3Credentials() : []),
        ...(readsSource && source.kind === 'pvc'
          ? [
              {
                mountPath: '/source',
                readOnly: true,
                volume: { persistentVolumeClaim: { claimName: source.claim, readOnly: true } },
              },
            ]
          : []),
      ],
    );
    const from =
      source.kind === 's3'
        ? source.url
        : source.kind === 'pvc'
          ? `/source/${source.path}`
          : `${SAMPLE}/${name}`;
    return {
      ...pod,
      args: [
        ...pod.args,
        ...(readsSource ? ['--source', `${name}=${from}`] : []),
        ...(final ? ['--final', String(settings.sourceGeneration)] : []),
        ...(settings.reload ? ['--reload'] : []),
        ...(job === 'load' && settings.loadPods > 1 ? ['--processes', String(settings.loadPods)] : []),
        '--quarantine-budget',
        String(settings.quarantineBudget),
      ],
      env: {
        ...pod.env,
        ...(readsSource && this.#s3()),
        ...(job === 'verify' && {
          CUTOVER_RESULT_CONFIGMAP: verification.configMap.metadata.name,
          CUTOVER_PHASE: settings.phase,
          CUTOVER_GENERATION: String(settings.sourceGeneration),
        }),
      },
      ...(job === 'verify' && { serviceAccountName: verification.serviceAccount.metadata.name, token: true }),
    };
  }

  /** How a job reaches S3, and where it puts the snapshots. */
  #s3(): Record<string, pulumi.Input<string>> {
    const { archive = this.args.archive, s3 } = this.args.settings;
    return {
      ...(archive !== undefined && { CUTOVER_ARCHIVE: archive }),
      ...(s3.endpoint !== undefined && { AWS_ENDPOINT_URL_S3: s3.endpoint }),
      ...(s3.region !== undefined && { AWS_REGION: s3.region }),
      ...(s3.credentialsSecret !== undefined && {
        AWS_SHARED_CREDENTIALS_FILE: `${S3_CREDENTIALS}/credentials`,
      }),
    };
  }

  #s3Credentials(): JobPodArgs['volumes'] {
    const { credentialsSecret } = this.args.settings.s3;
    if (credentialsSecret === undefined) return [];
    const secret = { secretName: credentialsSecret, defaultMode: 0o440 };
    return [{ mountPath: S3_CREDENTIALS, readOnly: true, volume: { secret } }];
  }

  /** What a store's databases need again and again, as pods. */
  commands(store: Store): MaintenanceArgs['commands'] {
    const pod = (command: string, roles: readonly RoleKind[]): JobPodArgs => ({
      ...this.#podOf([store], roles, false, [SCRATCH]),
      args: [command, '--system', store.name],
    });
    const { metrics } = this.args.accounts;
    const measure = pod('measure', ['readonly']);
    return {
      analyze: pod('analyze', ['owner']),
      reindex: pod('reindex', ['owner', 'verifier']),
      ...(metrics && {
        measure: {
          ...measure,
          args: [...measure.args, '--publish'],
          serviceAccountName: metrics.metadata.name,
        },
      }),
    };
  }

  #pod(job: JobName, stores: readonly Store[], volumes: JobPodArgs['volumes']): JobPodArgs {
    const administers = job === 'provision' || job === 'backup';
    const reachesOut = administers || job === 'recheck';
    return {
      ...this.#podOf(stores, ROLES_OF[job], administers, volumes),
      ...(reachesOut && { serviceAccountName: this.args.accounts.administrator.metadata.name }),
      args: ['job', job, ...stores.flatMap(({ name }) => ['--system', name])],
    };
  }

  #podOf(
    stores: readonly Store[],
    roles: readonly RoleKind[],
    administers: boolean,
    volumes: JobPodArgs['volumes'],
  ): Omit<JobPodArgs, 'args'> {
    const projected = {
      sources: [
        ...this.args.folder.files(administers),
        // Without a key named, a Secret is projected whole.
        ...(roles.length > 0 ? stores.map((store) => store.roles.files(roles)) : []),
      ],
      // Readable for the pod's group alone.
      defaultMode: 0o440,
    };
    return {
      image: this.args.image,
      env: { CUTOVER_HOME: HOME, CUTOVER_PLATFORM: PLATFORM_FOLDER },
      serviceAccountName: this.args.accounts.plain.metadata.name,
      volumes: [...volumes, { mountPath: PLATFORM_FOLDER, readOnly: true, volume: { projected } }],
    };
  }
}
