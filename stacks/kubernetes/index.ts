import * as pulumi from '@pulumi/pulumi';
import type { AdminLogin, Platform, PostgresServer, RedisCluster as RedisServer } from '../platform.ts';
import { LEAST_RETENTION, type Settings } from '../settings.ts';
import { DatabaseCluster } from './database-cluster.ts';
import { POSTGRES_IMAGE, timescaleImage } from './images.ts';
import { Operators } from './operators.ts';
import { postgresSettings, timescaleSettings } from './parameters.ts';
import { RedisCluster } from './redis/index.ts';

export interface KubernetesPlatformArgs {
  /** Of platform `kubernetes`. */
  readonly settings: Settings;
  /** It must be there already. */
  readonly namespace: pulumi.Input<string>;
}

/**
 * A platform that needs a Kubernetes cluster and nothing else: PostgreSQL and TimescaleDB by CloudNativePG, each with a
 * replica, and a Redis cluster. Its sizes are those of `settings.kubernetes`: by default four database pods of 1 CPU
 * and 2 GiB with volumes of 20 GiB, and six Redis pods of 512 MiB with volumes of 2 GiB.
 *
 * @example
 * const platform = new KubernetesPlatform('platform', { settings, namespace: namespace.metadata.name }, { provider });
 */
export class KubernetesPlatform extends pulumi.ComponentResource implements Platform {
  readonly postgres: PostgresServer & { readonly admin: AdminLogin };
  readonly replica: PostgresServer;
  readonly timescale: PostgresServer & { readonly admin: AdminLogin };
  readonly redis: RedisServer;
  readonly backups: Readonly<Record<string, pulumi.Input<string>>>;
  readonly ready: readonly pulumi.Resource[];

  constructor(name: string, args: KubernetesPlatformArgs, opts?: pulumi.ComponentResourceOptions) {
    super('cutover:kubernetes:KubernetesPlatform', name, {}, opts);
    const { settings, namespace } = args;
    const { kubernetes, protect } = settings;
    const { storageClass, backups } = kubernetes;
    const operators = new Operators(
      'operators',
      { operators: kubernetes.operators, archives: backups.objectStore !== undefined },
      { parent: this },
    );
    const child = { parent: this, dependsOn: [...operators.ready] };
    const common = {
      namespace,
      storageClass,
      protect,
      backups: {
        objectStore: backups.objectStore,
        retentionDays: backups.retentionDays ?? LEAST_RETENTION[settings.environment],
      },
    };
    const postgres = new DatabaseCluster(
      'postgres',
      {
        ...common,
        ...kubernetes.postgres,
        image: POSTGRES_IMAGE,
        settings: postgresSettings(kubernetes.postgres.memory),
      },
      child,
    );
    const timescale = new DatabaseCluster(
      'timescale',
      {
        ...common,
        ...kubernetes.timescale,
        image: timescaleImage(settings, { parent: this }),
        settings: timescaleSettings(kubernetes.timescale.memory),
      },
      child,
    );
    const redis = new RedisCluster('redis', { ...kubernetes.redis, namespace, storageClass, protect }, child);

    this.postgres = postgres.server;
    this.replica = postgres.replica;
    this.timescale = timescale.server;
    this.redis = redis;
    this.backups = {
      postgres: postgres.backups,
      timescale: timescale.backups,
      redis: 'none: an append-only file on the volume of each node',
    };
    this.ready = [postgres.ready, timescale.ready, redis.ready];
    this.registerOutputs({ backups: this.backups });
  }
}
