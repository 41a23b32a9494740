import * as aws from '@pulumi/aws';
import * as pulumi from '@pulumi/pulumi';
import { METRICS } from './access.ts';
import type { Context } from './context.ts';
import { accountOf, type Network } from './network.ts';
import { MAX_CONNECTIONS, SLOW_QUERY_MS } from './parameters.ts';
import type { Postgres } from './postgres.ts';

interface Alarm {
  readonly namespace: string;
  readonly metric: string;
  readonly dimensions: Readonly<Record<string, pulumi.Input<string>>>;
  /** What each five minutes are summed up by. */
  readonly statistic: 'Maximum' | 'Minimum' | 'Average' | 'Sum' | 'p95';
  readonly sign: '>' | '<';
  readonly threshold: number;
  /** Times five minutes that it must last. Default: 1. */
  readonly periods?: number;
  /** What it means, and what to do. */
  readonly text: string;
}

const SIGNS = { '>': 'GreaterThanThreshold', '<': 'LessThanThreshold' } as const;

/**
 * Alarms and the topic that they go to. The thresholds of queries, errors, connections and disk are lightning-talk's
 * (its plan, "Alerting Thresholds"); Jobs and applications publish `QueryMilliseconds` (milliseconds) and `ErrorRate`
 * (percent) with the dimension `System`, the name of the store, as CloudWatch has no such metrics of RDS.
 */
export function alarmsOf(
  context: Context,
  network: Network,
  postgres: Postgres,
  cluster: aws.elasticache.ReplicationGroup,
) {
  const { name, own, tags, settings } = context;
  const topic = topicOf(context, network);
  const alarms: Readonly<Record<string, Alarm>> = {
    ...ofSystems(Object.keys(settings.systems)),
    ...ofPostgres(postgres, settings.aws.postgres.storageGiB),
    ...ofRedis(cluster, settings.aws.redis),
  };
  for (const [part, { statistic, ...alarm }] of Object.entries(alarms)) {
    new aws.cloudwatch.MetricAlarm(
      `${name}-${part}`,
      {
        alarmDescription: alarm.text,
        namespace: alarm.namespace,
        metricName: alarm.metric,
        dimensions: alarm.dimensions,
        ...(statistic === 'p95' ? { extendedStatistic: statistic } : { statistic }),
        comparisonOperator: SIGNS[alarm.sign],
        threshold: alarm.threshold,
        period: 300,
        evaluationPeriods: alarm.periods ?? 1,
        treatMissingData: 'notBreaching',
        alarmActions: [topic.arn],
        okActions: [topic.arn],
        tags,
      },
      own,
    );
  }
  return topic;
}

function topicOf({ name, own, tags, settings }: Context, network: Network) {
  const { partition, account } = accountOf(network);
  const key = new aws.kms.Key(
    `${name}-alarms`,
    {
      description: 'Alarms on their way to people',
      enableKeyRotation: true,
      // CloudWatch may not use AWS's own key of SNS: alarms would get lost without a word.
      policy: pulumi.jsonStringify({
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Principal: { AWS: pulumi.interpolate`arn:${partition}:iam::${account}:root` },
            Action: 'kms:*',
            Resource: '*',
          },
          {
            Effect: 'Allow',
            Principal: { Service: 'cloudwatch.amazonaws.com' },
            Action: ['kms:Decrypt', 'kms:GenerateDataKey*'],
            Resource: '*',
            Condition: { StringEquals: { 'aws:SourceAccount': account } },
          },
        ],
      }),
      tags,
    },
    own,
  );
  const topic = new aws.sns.Topic(`${name}-alarms`, { kmsMasterKeyId: key.arn, tags }, own);
  const { alarmEmail } = settings.aws;
  if (alarmEmail !== undefined)
    new aws.sns.TopicSubscription(
      `${name}-alarms`,
      { topic: topic.arn, protocol: 'email', endpoint: alarmEmail },
      own,
    );
  return topic;
}

const ofSystems = (systems: readonly string[]): Record<string, Alarm> =>
  Object.fromEntries(
    systems.flatMap((system): [string, Alarm][] => [
      [
        `${system}-query-time`,
        {
          namespace: METRICS,
          metric: 'QueryMilliseconds',
          dimensions: { System: system },
          statistic: 'p95',
          sign: '>',
          threshold: SLOW_QUERY_MS,
          text: `One query of ${system} in twenty takes more than ${SLOW_QUERY_MS} ms: look in pg_stat_statements`,
        },
      ],
      [
        `${system}-error-rate`,
        {
          namespace: METRICS,
          metric: 'ErrorRate',
          dimensions: { System: system },
          statistic: 'Average',
          sign: '>',
          threshold: 1,
          text: `More than 1 % of the queries of ${system} fail: consider the phase rolled-back`,
        },
      ],
    ]),
  );

function ofPostgres({ primary, replicas }: Postgres, storageGiB: number): Record<string, Alarm> {
  const of = (instance: aws.rds.Instance) => ({
    namespace: 'AWS/RDS',
    dimensions: { DBInstanceIdentifier: instance.identifier },
  });
  const servers = { postgres: primary, ...numbered('replica', replicas) };
  return Object.fromEntries([
    ...Object.entries(servers).flatMap(([server, instance]): [string, Alarm][] => [
      [
        `${server}-connections`,
        {
          ...of(instance),
          metric: 'DatabaseConnections',
          statistic: 'Maximum',
          sign: '>',
          threshold: 0.8 * MAX_CONNECTIONS,
          text: `More than 80 % of the ${MAX_CONNECTIONS} connections are in use: look for a pool that leaks`,
        },
      ],
      [
        `${server}-disk`,
        {
          ...of(instance),
          metric: 'FreeStorageSpace',
          statistic: 'Minimum',
          sign: '<',
          // bytes
          threshold: 0.15 * storageGiB * 1024 ** 3,
          text: 'The disk is more than 85 % full: raise cutover:aws.postgres.storageGiB',
        },
      ],
    ]),
    ...Object.entries(numbered('replica', replicas)).flatMap(([server, instance]): [string, Alarm][] => [
      [
        `${server}-lag`,
        {
          ...of(instance),
          metric: 'ReplicaLag',
          // Of an idle primary, RDS reports the age of its last WAL file, up to five minutes: only a lag that never
          // falls in ten is one.
          statistic: 'Minimum',
          periods: 2,
          sign: '>',
          threshold: 60,
          text: 'The replica is more than 60 s behind: look for long queries on it',
        },
      ],
      [
        `${server}-stopped`,
        {
          ...of(instance),
          metric: 'ReplicaLag',
          statistic: 'Maximum',
          periods: 2,
          // RDS reports -1 where nothing is replicated.
          sign: '<',
          threshold: 0,
          text: 'The replica gets nothing any more: look at its replication state and at the log of PostgreSQL',
        },
      ],
    ]),
  ]);
}

/** ElastiCache has these figures by node only. */
function ofRedis(
  cluster: aws.elasticache.ReplicationGroup,
  { shards, replicasPerShard }: { readonly shards: number; readonly replicasPerShard: number },
): Record<string, Alarm> {
  const nodes = Array.from({ length: shards }, (_, shard) =>
    Array.from(
      { length: 1 + replicasPerShard },
      (_, node) => `${String(shard + 1).padStart(4, '0')}-${String(node + 1).padStart(3, '0')}`,
    ),
  ).flat();
  return Object.fromEntries(
    nodes.flatMap((node): [string, Alarm][] => {
      const of = {
        namespace: 'AWS/ElastiCache',
        dimensions: { CacheClusterId: pulumi.interpolate`${cluster.replicationGroupId}-${node}` },
      };
      return [
        [
          `redis-${node}-memory`,
          {
            ...of,
            metric: 'DatabaseMemoryUsagePercentage',
            statistic: 'Maximum',
            sign: '>',
            threshold: 80,
            text: 'More than 80 % of the memory is used; when it is full, writes fail: take a larger nodeType',
          },
        ],
        [
          `redis-${node}-evictions`,
          {
            ...of,
            metric: 'Evictions',
            statistic: 'Sum',
            sign: '>',
            threshold: 0,
            text: 'Keys were dropped for want of memory, sessions perhaps: is maxmemory-policy still noeviction?',
          },
        ],
        [
          `redis-${node}-lag`,
          {
            ...of,
            metric: 'ReplicationLag',
            statistic: 'Maximum',
            sign: '>',
            threshold: 60,
            text: 'The replica is more than 60 s behind: a failover would lose what it has not got',
          },
        ],
      ];
    }),
  );
}

const numbered = <T>(part: string, all: readonly T[]): Record<string, T> =>
  Object.fromEntries(all.map((each, index) => [`${part}-${index + 1}`, each]));
