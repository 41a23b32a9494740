import * as aws from '@pulumi/aws';
import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import * as random from '@pulumi/random';
import type { RedisCluster } from '../platform.ts';
import { type Context, WINDOWS } from './context.ts';
import { admitCluster, type Network } from './network.ts';
import { REDIS_PARAMETERS } from './parameters.ts';

const PORT = 6379;
const SECRET = { secret: 'redis-auth', key: 'password' };

/** A Redis cluster on ElastiCache, with TLS and a token, which is also in the Secret `redis-auth` of the namespace. */
export function redisOf(
  context: Context,
  network: Network,
  key: aws.kms.Key,
  namespace: pulumi.Input<string>,
) {
  const { name, settings, tags, own, kept } = context;
  const { nodeType, shards, replicasPerShard, tokenGeneration, tokenStrategy } = settings.aws.redis;

  const subnets = new aws.elasticache.SubnetGroup(
    `${name}-redis`,
    { subnetIds: network.privateSubnetIds, tags },
    own,
  );
  const parameters = new aws.elasticache.ParameterGroup(
    `${name}-redis`,
    { family: 'redis7', parameters: REDIS_PARAMETERS, tags },
    own,
  );
  const { group: securityGroup, rule } = admitCluster(context, network, 'redis', PORT);

  const password = new random.RandomPassword(
    `${name}-redis`,
    // Letters and digits: ElastiCache refuses most other signs, and a URL needs no escapes for these.
    { length: 64, special: false, keepers: { generation: String(tokenGeneration) } },
    own,
  );
  const token = pulumi.secret(password.result);

  // As for PostgreSQL: what replaces the cluster when it changes gives a new one new names.
  const born = { kmsKeyId: key.arn, subnetGroupName: subnets.name };
  const id = new random.RandomId(`${name}-redis`, { byteLength: 4, keepers: born }, own);
  const cluster = new aws.elasticache.ReplicationGroup(
    `${name}-redis`,
    {
      ...born,
      replicationGroupId: pulumi.interpolate`cutover-${settings.environment}-redis-${id.hex}`,
      description: 'Sessions and caches of the migrated systems',
      engine: 'redis',
      engineVersion: '7.1',
      nodeType,
      port: PORT,
      parameterGroupName: parameters.name,
      clusterMode: 'enabled',
      numNodeGroups: shards,
      replicasPerNodeGroup: replicasPerShard,
      automaticFailoverEnabled: true,
      multiAzEnabled: true,
      atRestEncryptionEnabled: true,
      transitEncryptionEnabled: true,
      authToken: token,
      // ROTATE, which AWS takes where nothing is said, goes on accepting what was accepted before: for a first
      // token, everybody.
      authTokenUpdateStrategy: tokenStrategy,
      securityGroupIds: [securityGroup.id],
      autoMinorVersionUpgrade: true,
      maintenanceWindow: WINDOWS.maintenance,
      snapshotWindow: WINDOWS.backup,
      snapshotRetentionLimit: context.retentionDays,
      finalSnapshotIdentifier: pulumi.interpolate`cutover-${settings.environment}-redis-final-${id.hex}`,
      tags,
    },
    kept,
  );

  const secret = new k8s.core.v1.Secret(
    `${name}-redis-auth`,
    { metadata: { name: SECRET.secret, namespace }, stringData: { [SECRET.key]: token } },
    // A client may read a new token only once the cluster takes it.
    { ...own, dependsOn: [cluster] },
  );

  const redis: RedisCluster = {
    host: cluster.configurationEndpointAddress,
    port: pulumi.output(PORT),
    // Its certificates are from a public authority, which every client knows.
    tls: true,
    password: SECRET,
    passwordValue: token,
  };
  return { cluster, redis, ready: [cluster, secret, rule] };
}
