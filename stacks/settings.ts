import { z } from 'zod';
import { STORES, SYSTEMS, storeOf } from '../jobs/systems/index.ts';
import { Refusal } from './refusal.ts';

/** The phases of a migration, in their order; `rolled-back` can be reached from each. */
export const PHASES = [
  'prepare',
  'load',
  'dual-write',
  'shadow-read',
  'cut-over',
  'clean',
  'rolled-back',
] as const;
export type Phase = (typeof PHASES)[number];

/** Phases in which an application reads or writes the database: nobody gets there without a proof. */
export const GATED_PHASES: readonly Phase[] = ['dual-write', 'shadow-read', 'cut-over', 'clean'];

/** Least days that backups are kept, by environment. */
export const LEAST_RETENTION = { dev: 7, prod: 30 } as const;

/** Where a legacy store lies. */
export type Source =
  /** The sample in the jobs' image. */
  | { readonly kind: 'sample' }
  /** A folder of a PersistentVolumeClaim in the stack's namespace. It is mounted read-only. */
  | { readonly kind: 'pvc'; readonly claim: string; readonly path: string }
  | { readonly kind: 's3'; readonly url: string };

/** A name of Kubernetes: RFC 1123 label. */
const NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const QUANTITY = /^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$/;

const name = z.string().regex(NAME, 'is not a name of Kubernetes: lower-case letters, digits and -');
const quantity = z.string().regex(QUANTITY, 'is not a quantity of Kubernetes, such as 20Gi');
const digest = z
  .string()
  .regex(/^[^\s@]+@sha256:[0-9a-f]{64}$/, 'is not an image by its digest: REPOSITORY@sha256:…');
const s3Url = z
  .string()
  .regex(/^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/[^?#]*)?$/, 'is not s3://BUCKET/PREFIX');
const whole = (least: number) => z.number().int('is no whole number').min(least, `is less than ${least}`);

const source = z.string().transform((value, context): Source => {
  if (value === 'sample') return { kind: 'sample' };
  if (s3Url.safeParse(value).success) return { kind: 's3', url: value };
  const [, claim, , path = ''] = /^pvc:\/\/([^/]+)(\/(.*))?$/.exec(value) ?? [];
  if (claim !== undefined && NAME.test(claim) && !path.split('/').includes('..'))
    return { kind: 'pvc', claim, path };
  context.addIssue('is not sample, pvc://CLAIM/PATH or s3://BUCKET/PREFIX');
  return z.NEVER;
});

/** A table goes in 200 parts at most, a few for each thread: more pods would wait for each other. */
const MOST_PODS = 16;

const system = z.strictObject({
  source,
  /** A greater one says: take a new snapshot. A program can't hash what lies on a volume or in S3. */
  sourceGeneration: whole(1).default(1),
  phase: z.enum(PHASES).default('prepare'),
  /** Records in quarantine that the gate tolerates. */
  quarantineBudget: whole(0).default(0),
  /** false: loads without a proof, which ends at the phase `load`. */
  verify: z.boolean().default(true),
  /** true: the file is the truth again, and is loaded over what was written to a database that was cut over. */
  reload: z.boolean().default(false),
  /** Pods that load it together; only the large tables of an SQLite store are loaded so. */
  loadPods: whole(1).max(MOST_PODS, `is more than ${MOST_PODS}`).default(1),
  /** Room for snapshots and dumps. */
  storage: quantity.default('5Gi'),
});

/** Where CloudNativePG puts base backups and write-ahead log. */
const objectStore = z.strictObject({
  url: s3Url,
  /** Default: AWS S3. */
  endpoint: z.url({ protocol: /^https$/, error: 'is not an https:// URL' }).optional(),
  region: z.string().min(1).optional(),
  /** Secret in the namespace with the keys `access-key-id` and `secret-access-key`; none where the pods' role is enough. */
  credentialsSecret: name.optional(),
});
export type ObjectStore = z.infer<typeof objectStore>;

const databaseCluster = (storage: string) =>
  z.strictObject({
    instances: whole(2).default(2),
    storage: quantity.default(storage),
    cpu: quantity.default('1'),
    memory: quantity.default('2Gi'),
  });

const kubernetes = z.strictObject({
  /** Context of the kubeconfig; default: the current one. */
  context: z.string().min(1).optional(),
  storageClass: name.optional(),
  /**
   * CloudNativePG, its Barman Cloud plugin where there is an object store, and cert-manager: `install` their Helm
   * charts, or `present` on the cluster already, the first two in the namespace `cnpg-system`.
   */
  operators: z.enum(['install', 'present']).default('install'),
  postgres: databaseCluster('20Gi').prefault({}),
  timescale: databaseCluster('20Gi')
    .extend({
      /** PostgreSQL 17 with TimescaleDB and pgvector; default: `stacks/kubernetes/timescale`, built and pushed to imageRepository. */
      image: digest.optional(),
    })
    .prefault({}),
  redis: z.strictObject({ storage: quantity.default('2Gi'), memory: quantity.default('512Mi') }).prefault({}),
  backups: z
    .strictObject({ objectStore: objectStore.optional(), retentionDays: whole(0).optional() })
    .prefault({}),
});

const subnet = z.string().regex(/^subnet-[0-9a-z]+$/, 'is not the id of a subnet');

const aws = z.strictObject({
  /** Stack with the outputs vpcId, privateSubnetIds, clusterSecurityGroupId, oidcProviderArn, oidcProviderUrl. */
  networkStack: z.string().min(1).optional(),
  network: z
    .strictObject({
      vpcId: z.string().regex(/^vpc-[0-9a-z]+$/, 'is not the id of a VPC'),
      privateSubnetIds: z.array(subnet).min(2, 'has fewer than 2 subnets, which Multi-AZ needs'),
      /** Security group of the cluster's nodes: the only one that reaches the databases. */
      clusterSecurityGroupId: z.string().regex(/^sg-[0-9a-z]+$/, 'is not the id of a security group'),
      /** The cluster's OIDC provider, for IAM roles of service accounts. */
      oidcProviderArn: z
        .string()
        .regex(/^arn:aws[a-z-]*:iam::\d{12}:oidc-provider\/.+/, 'is not the ARN of an OIDC provider'),
      oidcProviderUrl: z.string().regex(/^(https:\/\/)?[^/\s]+\/.+/, "is not the provider's URL"),
    })
    .optional(),
  postgres: z
    .strictObject({
      instanceClass: z.string().regex(/^db\./, 'is not a class such as db.m7g.large').default('db.m7g.large'),
      storageGiB: whole(20).default(100),
      replicas: whole(1).default(1),
    })
    .prefault({}),
  redis: z
    .strictObject({
      nodeType: z
        .string()
        .regex(/^cache\./, 'is not a type such as cache.t4g.small')
        .default('cache.t4g.small'),
      shards: whole(3).default(3),
      replicasPerShard: whole(1).default(1),
      /** A greater one makes a new token. */
      tokenGeneration: whole(1).default(1),
      /** How ElastiCache takes it: SET replaces what was there, ROTATE also goes on accepting the one before. */
      tokenStrategy: z.enum(['SET', 'ROTATE']).default('SET'),
    })
    .prefault({}),
  timescale: z.enum(['kubernetes', 'rds']).default('kubernetes'),
  backups: z
    .strictObject({
      retentionDays: whole(0).max(35, 'is more than 35, the most that RDS and ElastiCache keep').optional(),
    })
    .prefault({}),
  alarmEmail: z.email('is not an e-mail address').optional(),
});

const postgresUrl = z.string().refine(
  (value) => {
    if (!/^postgres(ql)?:\/\/[^/]/.test(value) || !URL.canParse(value)) return false;
    const { username, password } = new URL(value);
    return username !== '' && password !== '';
  },
  // The value is not repeated: it has a password.
  { error: 'is not postgresql://USER:PASSWORD@HOST:PORT/DATABASE' },
);
const pem = z.string().includes('-----BEGIN CERTIFICATE-----', { error: 'is not a certificate in PEM form' });
const externalServer = z.strictObject({ url: postgresUrl, ca: pem });

const external = z.strictObject({
  context: z.string().min(1).optional(),
  storageClass: name.optional(),
  postgres: externalServer,
  replica: externalServer.optional(),
  timescale: externalServer.optional(),
  redis: z
    .strictObject({
      url: z
        .string()
        .regex(/^rediss:\/\/[^/@\s]+:[^/@\s]+@[^/\s]+$/, 'is not rediss://USER:PASSWORD@HOST:PORT'),
      ca: pem.optional(),
    })
    .optional(),
});

const settings = z
  .strictObject({
    platform: z.enum(['kubernetes', 'aws', 'external']),
    environment: z.enum(['dev', 'prod']).default('dev'),
    namespace: name.default('cutover'),
    /** false: the namespace is there already, for instance with the volume of a source. */
    createNamespace: z.boolean().default(true),
    /** Image of the jobs by its digest; CI gives it. */
    image: digest.optional(),
    /** Repository that the image is built for and pushed to, where none is given. */
    imageRepository: z
      .string()
      .regex(/^[^\s@]+$/, 'is not a repository')
      .optional(),
    /** false: `pulumi destroy` may delete what holds data. */
    protect: z.boolean().default(true),
    systems: z
      .partialRecord(z.enum(STORES as [string, ...string[]]), system)
      .refine((systems) => Object.keys(systems).length > 0, {
        error: 'names no system',
        // One that is misspelt is told by its name.
        when: ({ issues }) => issues.length === 0,
      }),
    kubernetes: kubernetes.prefault({}),
    aws: aws.prefault({}),
    external: external.optional(),
    /** Where the snapshots are also put; on aws, the platform makes a bucket. */
    archive: s3Url.optional(),
    /** How jobs reach S3; default: AWS, with the role of their service account. */
    s3: z
      .strictObject({
        endpoint: z.url({ protocol: /^https$/, error: 'is not an https:// URL' }).optional(),
        region: z.string().min(1).optional(),
        /** Secret in the namespace whose key `credentials` is a credentials file of AWS. */
        credentialsSecret: name.optional(),
      })
      .prefault({}),
  })
  // Also where some keys are wrong, so that one look tells all.
  .superRefine(
    (all, { addIssue }) => {
      for (const [path, message] of contradictions(all)) addIssue({ code: 'custom', path, message });
    },
    { when: ({ value }) => typeof value === 'object' && value !== null },
  );

/** What no key is wrong about by itself. A key that is wrong, or missing, is told elsewhere. */
function* contradictions(all: Partial<Parsed>): Iterable<[path: string[], message: string]> {
  if (all.image === undefined && all.imageRepository === undefined)
    yield [['image'], 'is missing: give an image by its digest, or imageRepository to build one'];
  if (all.image !== undefined && all.imageRepository !== undefined)
    yield [['imageRepository'], 'is given beside image: one of them decides what runs'];
  for (const [name, system] of Object.entries(all.systems ?? {})) {
    if (system?.verify === false && GATED_PHASES.includes(system.phase))
      yield [
        ['systems', name, 'verify'],
        `is false in phase ${system.phase}: no application gets data that was not proved`,
      ];
    if (all.createNamespace === true && system?.source?.kind === 'pvc')
      yield [
        ['systems', name, 'source'],
        'is a claim in a namespace that is yet to be made: make both first, and say createNamespace: false',
      ];
    if (system !== undefined && system.loadPods > 1 && !isSqlite(name))
      yield [
        ['systems', name, 'loadPods'],
        `is ${system.loadPods}, but its tables come from files: only those of an SQLite store are loaded by several pods`,
      ];
    if (all.environment === 'prod' && system?.source?.kind === 'sample')
      yield [['systems', name, 'source'], 'is the sample, in prod'];
  }
  if (all.platform === 'external' && all.external === undefined)
    yield [['external'], 'is missing: the servers of platform external'];
  if (all.platform === 'aws' && all.aws) yield* contradictionsOfAws(all.aws);
  if (all.platform !== 'kubernetes' && all.platform !== 'aws') return;
  yield* contradictionsOfBackups(all);
  if (all.kubernetes && all.kubernetes.timescale?.image === undefined && all.imageRepository === undefined)
    yield [
      ['kubernetes', 'timescale', 'image'],
      'is missing: give the image of TimescaleDB by its digest, or imageRepository to build one',
    ];
}

const isSqlite = (store: string) =>
  SYSTEMS.some((system) => storeOf(system) === store && system.source.kind === 'sqlite');

function* contradictionsOfAws(aws: Partial<Parsed['aws']>): Iterable<[string[], string]> {
  if ((aws.network === undefined) === (aws.networkStack === undefined))
    yield [['aws', 'network'], 'or aws.networkStack must be given, and not both'];
  if (aws.timescale === 'rds')
    yield [
      ['aws', 'timescale'],
      'is rds, which has no TimescaleDB: use kubernetes, the cluster that the jobs run on',
    ];
  if (aws.redis?.tokenStrategy === 'ROTATE' && aws.redis.tokenGeneration === 1)
    yield [
      ['aws', 'redis', 'tokenStrategy'],
      'is ROTATE for the first token, which would leave the way in without one open: use SET',
    ];
}

function* contradictionsOfBackups(all: Partial<Parsed>): Iterable<[string[], string]> {
  const { environment = 'dev' } = all;
  const least = LEAST_RETENTION[environment];
  for (const platform of ['aws', 'kubernetes'] as const) {
    const days = all[platform]?.backups?.retentionDays;
    if (typeof days === 'number' && days < least)
      yield [[platform, 'backups', 'retentionDays'], `is ${days}; in ${environment} it is at least ${least}`];
  }
  if (environment === 'prod' && all.platform === 'kubernetes' && !all.kubernetes?.backups?.objectStore)
    yield [['kubernetes', 'backups', 'objectStore'], 'is missing: in prod, backups lie outside the cluster'];
}

type Parsed = z.infer<typeof settings>;
export type SystemSettings = Readonly<z.infer<typeof system>>;
export type KubernetesSettings = Parsed['kubernetes'];
export type AwsSettings = Parsed['aws'];
export type ExternalSettings = NonNullable<Parsed['external']>;
/** What a stack's config says, checked, with every default. It holds the passwords of `external` in clear. */
export type Settings = Readonly<Parsed>;

/** Every mistake in a stack's config, each with the path of its key. */
export class SettingsError extends Refusal {
  constructor(readonly mistakes: readonly { readonly path: string; readonly message: string }[]) {
    const lines = mistakes.map(({ path, message }) => `  cutover:${path} ${message}`);
    super(
      `The stack's config has ${mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`}:\n${lines.join('\n')}`,
    );
  }
}

/**
 * Checks a stack's config and adds the defaults.
 * @param config keys without the project's name, objects as objects
 * @throws SettingsError with all mistakes at once
 */
export function parseSettings(config: Readonly<Record<string, unknown>>): Settings {
  const result = settings.safeParse(config, { reportInput: true });
  if (result.success) return freeze(result.data);
  throw new SettingsError(result.error.issues.flatMap(mistakesOf));
}

function mistakesOf(issue: z.core.$ZodIssue): { path: string; message: string }[] {
  const at = issue.path.join('.');
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ path: [...issue.path, key].join('.'), message: 'is not known' }));
  return [{ path: at, message: messageOf(issue) }];
}

function messageOf(issue: z.core.$ZodIssue): string {
  const isMissing = issue.input === undefined ? 'is missing: it is' : 'is not';
  if (issue.code === 'invalid_type')
    return `${isMissing} of type ${issue.expected === 'record' ? 'object' : issue.expected}`;
  if (issue.code === 'invalid_value') return `${isMissing} one of ${issue.values.join(', ')}`;
  return issue.message;
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const each of Object.values(value)) freeze(each);
    Object.freeze(value);
  }
  return value;
}
