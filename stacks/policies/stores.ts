import { LEAST_RETENTION } from '../settings.ts';
import {
  at,
  atLeast,
  exactly,
  given,
  isUnknown,
  listAt,
  notTrue,
  oneOf,
  type PolicyOptions,
  type PolicyResource,
  type Rule,
  type StackRule,
  unmet,
  type Wish,
} from './values.ts';

const RDS = 'aws:rds/instance:Instance';
const ELASTICACHE = 'aws:elasticache/replicationGroup:ReplicationGroup';
const BUCKETS = ['aws:s3/bucket:Bucket', 'aws:s3/bucketV2:BucketV2'];
const ENCRYPTIONS = [
  'aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration',
  'aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2',
];
const ACCESS_BLOCK = 'aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock';
const KEY = 'aws:kms/key:Key';
const CNPG = 'kubernetes:postgresql.cnpg.io/v1:Cluster';
const OBJECT_STORE = 'kubernetes:barmancloud.cnpg.io/v1:ObjectStore';

/** What holds data, and is not to go by mistake. */
const PROTECTED: readonly string[] = [
  RDS,
  ELASTICACHE,
  ...BUCKETS,
  'aws:backup/vault:Vault',
  'aws:rds/snapshot:Snapshot',
  CNPG,
  'kubernetes:apps/v1:StatefulSet',
  'kubernetes:core/v1:Namespace',
  'kubernetes:core/v1:PersistentVolumeClaim',
];

/** What a stack would miss if it were replaced or deleted: the data, what it is encrypted with, and logins. */
export const STORES: readonly string[] = [
  ...PROTECTED,
  KEY,
  'kubernetes:core/v1:PersistentVolume',
  'random:index/randomPassword:RandomPassword',
];

/** A copy that RDS makes of its primary: it takes over how that is encrypted and kept. */
const isReplica = ({ props }: PolicyResource) =>
  props.replicateSourceDb !== undefined && props.replicateSourceDb !== null;

const byType =
  (wishes: Readonly<Record<string, Readonly<Record<string, Wish>>>>): Rule['check'] =>
  ({ type, props }) =>
    unmet(props, wishes[type] ?? {});

/** Whole days of CloudNativePG's retention: `30d`, `4w`, `1m`, https://cloudnative-pg.io/docs/current/backup_recovery. */
function daysOf(value: unknown): number {
  const [, count, unit] = /^([1-9]\d*)([dwm])$/.exec(String(value)) ?? [];
  return unit === undefined ? 0 : Number(count) * { d: 1, w: 7, m: 30 }[unit]!;
}

const retention = ({ environment }: PolicyOptions): Wish => {
  const least = LEAST_RETENTION[environment];
  return { text: `at least ${least}d`, holds: (value) => daysOf(value) >= least };
};

export const STORE_RULES: readonly Rule[] = [
  {
    name: 'encrypted-stores',
    description:
      'Whoever gets at a disk or a snapshot must not get at the data. Turn encryption on, with a key of the stack.',
    check: byType({
      [RDS]: { storageEncrypted: exactly(true), kmsKeyId: given },
      [ELASTICACHE]: { atRestEncryptionEnabled: exactly(true), kmsKeyId: given },
      ...Object.fromEntries(
        ENCRYPTIONS.map((type) => [
          type,
          {
            'rules.0.applyServerSideEncryptionByDefault.sseAlgorithm': oneOf('aws:kms', 'aws:kms:dsse'),
            'rules.0.applyServerSideEncryptionByDefault.kmsMasterKeyId': given,
          },
        ]),
      ),
    }),
  },
  {
    name: 'private-stores',
    description:
      'Only the cluster reaches a store. Say publiclyAccessible: false, and block all public access.',
    check: byType({
      [RDS]: { publiclyAccessible: exactly(false) },
      [ACCESS_BLOCK]: {
        blockPublicAcls: exactly(true),
        blockPublicPolicy: exactly(true),
        ignorePublicAcls: exactly(true),
        restrictPublicBuckets: exactly(true),
      },
    }),
  },
  {
    name: 'protected-stores',
    description:
      'One wrong update would delete what took a migration to prove. Give it the option protect and deletion protection, ' +
      'or say cutover:protect false for a stack that may lose its data.',
    check: (resource, { protect }) => {
      if (!protect) return [];
      const { type, props } = resource;
      const option =
        PROTECTED.includes(type) && resource.protect !== true ? ['is without the option protect'] : [];
      if (BUCKETS.includes(type)) return [...option, ...unmet(props, { forceDestroy: notTrue })];
      if (type !== RDS) return option;
      return [
        ...option,
        ...unmet(props, {
          deletionProtection: exactly(true),
          // RDS refuses a final snapshot of a replica.
          ...(!isReplica(resource) && { skipFinalSnapshot: notTrue, finalSnapshotIdentifier: given }),
        }),
      ];
    },
  },
  {
    name: 'backups',
    description:
      `Backups go back ${LEAST_RETENTION.dev} days in dev and ${LEAST_RETENTION.prod} in prod, so that a mistake that is ` +
      'found late can be undone. Raise the days of backups.retentionDays.',
    check: (resource, options) => {
      const { type, props } = resource;
      const days = atLeast(LEAST_RETENTION[options.environment]);
      if (type === RDS && !isReplica(resource)) return unmet(props, { backupRetentionPeriod: days });
      if (type === ELASTICACHE) return unmet(props, { snapshotRetentionLimit: days });
      if (type === OBJECT_STORE) return unmet(props, { 'spec.retentionPolicy': retention(options) });
      if (type === CNPG) return archiving(props, options);
      return [];
    },
  },
  {
    name: 'replicated-stores',
    description: 'A store goes on when one node is lost. Give it a replica, and let it fail over by itself.',
    check: (resource) => {
      const { type, props } = resource;
      if (type === CNPG) return unmet(props, { 'spec.instances': atLeast(2) });
      if (type === RDS && !isReplica(resource)) return unmet(props, { multiAz: exactly(true) });
      return [];
    },
  },
];

/** Volume snapshots have no end of their own, and are no backup once the cluster's storage is lost: not enough for prod. */
function archiving(props: unknown, { environment }: PolicyOptions): string[] {
  if (isUnknown(at(props, 'spec.plugins'))) return [];
  if (listAt(props, 'spec.plugins').some((plugin) => at(plugin, 'isWALArchiver') === true)) return [];
  if (environment === 'prod') return ['spec.plugins must have one with isWALArchiver'];
  return unmet(props, { 'spec.backup': given });
}

const labelOf = ({ type, name }: PolicyResource) => `${type} ${name}`;

export const STORE_STACK_RULES: readonly StackRule[] = [
  {
    name: 'closed-buckets',
    description: 'A bucket is encrypted and private by resources beside it. Make both for each bucket.',
    check: (resource, all) => {
      if (!BUCKETS.includes(resource.type)) return [];
      const beside = (types: readonly string[]) =>
        all.some(({ type, dependsOn }) => types.includes(type) && dependsOn?.includes(labelOf(resource)));
      return [
        ...(beside(ENCRYPTIONS) ? [] : ['has no BucketServerSideEncryptionConfiguration']),
        ...(beside([ACCESS_BLOCK]) ? [] : ['has no BucketPublicAccessBlock']),
      ];
    },
  },
  {
    name: 'protected-keys',
    description: 'Without its key, a store is lost. Give the key of a store the option protect.',
    check: (resource, all, { protect }) => {
      if (!protect || resource.type !== KEY || resource.protect === true) return [];
      const store = all.find(
        (each) =>
          [...PROTECTED, ...ENCRYPTIONS].includes(each.type) && each.dependsOn?.includes(labelOf(resource)),
      );
      return store ? [`is without the option protect, and ${labelOf(store)} can't be read without it`] : [];
    },
  },
];
