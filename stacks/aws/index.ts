import * as aws from '@pulumi/aws';
import * as pulumi from '@pulumi/pulumi';
import type { Platform } from '../platform.ts';
import type { Settings } from '../settings.ts';
import { accessOf } from './access.ts';
import { alarmsOf } from './alarms.ts';
import { backupOf } from './backup.ts';
import { contextOf } from './context.ts';
import { networkOf } from './network.ts';
import { postgresOf } from './postgres.ts';
import { redisOf } from './redis.ts';
import { storageOf } from './storage.ts';

/** Where TimescaleDB on the cluster archives its WAL. */
export interface WalArchive {
  /** `s3://bucket/prefix` */
  readonly url: pulumi.Output<string>;
  /** Annotations of the pods' service account, which give it the role that may write there. */
  readonly serviceAccountAnnotations: Readonly<Record<string, pulumi.Input<string>>>;
}

export interface AwsPlatformArgs {
  readonly settings: Settings;
  /** The stack's namespace on the cluster. The Secret `redis-auth` is made there. */
  readonly namespace: pulumi.Input<string>;
  /** Makes TimescaleDB on the cluster, as RDS has none. Its `backups` and `ready` are added to the platform's. */
  readonly timescale: (wal: WalArchive) => Pick<Platform, 'timescale' | 'backups' | 'ready'>;
  /** Names of service accounts in the namespace, each of which may take one role; `*` is any sequence of characters. */
  readonly serviceAccounts: {
    /** Of the Jobs that administer servers, read legacy stores and write archives. */
    readonly jobs: string;
    /** Of the CronJobs that publish how fast the hot queries are. */
    readonly metrics: string;
    /** Of TimescaleDB's pods, which write its WAL. CloudNativePG names it after the cluster. */
    readonly timescale: string;
  };
}

/**
 * The platform on AWS: PostgreSQL 17 on RDS, Redis on ElastiCache, archives in S3, backups, alarms, and the roles of the
 * pods. The VPC and the cluster are there already. `docs/costs.md` says what it costs a month.
 *
 * All that holds data is encrypted with one key of the stack, protected from Pulumi by `settings.protect` and from
 * everybody by the deletion protection of AWS, where it has one; its last state goes into a final snapshot.
 *
 * @example
 * new AwsPlatform('platform', {
 *   settings,
 *   namespace: namespace.metadata.name,
 *   serviceAccounts: { jobs: 'cutover-administrator', metrics: 'cutover-metrics', timescale: 'timescale' },
 *   timescale: (wal) => new TimescaleCluster('timescale', { settings, wal }),
 * }, { providers: { kubernetes: provider } });
 */
export class AwsPlatform extends pulumi.ComponentResource implements Platform {
  readonly postgres: Platform['postgres'];
  readonly replica: NonNullable<Platform['replica']>;
  readonly timescale: Platform['timescale'];
  readonly redis: NonNullable<Platform['redis']>;
  readonly backups: Platform['backups'];
  readonly annotations: NonNullable<Platform['annotations']>;
  readonly archive: pulumi.Output<string>;
  readonly wal: WalArchive;
  /** ARN of the topic that all alarms go to. */
  readonly alarmTopic: pulumi.Output<string>;
  readonly ready: Platform['ready'];

  constructor(name: string, args: AwsPlatformArgs, opts?: pulumi.ComponentResourceOptions) {
    super('cutover:aws:Platform', name, {}, opts);
    const { settings, namespace } = args;
    const context = contextOf(name, settings, this);
    const network = networkOf(settings.aws, context.own);
    const key = new aws.kms.Key(
      `${name}-data`,
      {
        description: 'Databases, archives and backups of cutover',
        enableKeyRotation: true,
        deletionWindowInDays: 30,
        tags: context.tags,
      },
      context.kept,
    );
    const postgres = postgresOf(context, network, key);
    const redis = redisOf(context, network, key, namespace);
    const storage = storageOf(context, key);
    const vault = backupOf(context, key, postgres, storage);
    const access = accessOf(context, network, {
      key,
      storage,
      secretArn: postgres.secretArn,
      namespace,
      accounts: args.serviceAccounts,
    });
    this.wal = { url: storage.wal, serviceAccountAnnotations: access.timescale };
    const timescale = args.timescale(this.wal);

    this.postgres = {
      ...postgres.server,
      admin: { kind: 'secrets-manager', arn: postgres.secretArn },
    };
    this.replica = postgres.replica;
    this.timescale = timescale.timescale;
    this.redis = redis.redis;
    this.archive = storage.snapshots;
    this.annotations = { administrator: access.jobs, metrics: access.metrics };
    this.alarmTopic = alarmsOf(context, network, postgres, redis.cluster).arn;
    const days = context.retentionDays;
    this.backups = {
      ...timescale.backups,
      postgres: pulumi.interpolate`RDS ${postgres.primary.identifier}: any point in time of the last ${days} days`,
      beforeFirstLoad: pulumi.interpolate`RDS snapshot ${postgres.beforeLoad.dbSnapshotIdentifier}`,
      redis: pulumi.interpolate`ElastiCache ${redis.cluster.replicationGroupId}: a snapshot a day, ${days} days`,
      vault: pulumi.interpolate`AWS Backup ${vault.name}: PostgreSQL and the archives, daily, ${days} days`,
      archives: storage.snapshots,
      wal: storage.wal,
    };
    this.ready = [...postgres.ready, ...redis.ready, ...storage.ready, ...access.ready, ...timescale.ready];
    this.registerOutputs({
      backups: this.backups,
      archive: this.archive,
      alarmTopic: this.alarmTopic,
    });
  }
}
