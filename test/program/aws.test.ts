import * as pulumi from '@pulumi/pulumi';
import { beforeAll, describe, expect, test } from 'vitest';
import { AwsPlatform } from '../../stacks/aws/index.ts';
import { type Answers, type GraphNode, graphOf, SECRET } from '../../stacks/graph.ts';
import type { Platform } from '../../stacks/platform.ts';
import { parseSettings } from '../../stacks/settings.ts';

// What these tests don't prove: that AWS takes these inputs. The types of its provider and its documents are all there is.

const NETWORK = {
  vpcId: 'vpc-1',
  privateSubnetIds: ['subnet-a', 'subnet-b'],
  clusterSecurityGroupId: 'sg-nodes',
  oidcProviderArn: 'arn:aws:iam::123456789012:oidc-provider/oidc.example/id/A1',
  oidcProviderUrl: 'https://oidc.example/id/A1',
};
const IMAGE = `example/jobs@sha256:${'0'.repeat(64)}`;
const PASSWORD = 'password-in-clear';

const PROD = {
  platform: 'aws',
  createNamespace: false,
  environment: 'prod',
  image: IMAGE,
  kubernetes: { timescale: { image: IMAGE } },
  systems: {
    'lightning-talk': { source: 's3://legacy/lightning-talk/' },
    trdinger: { source: 'pvc://legacy/trdinger' },
  },
  aws: { network: NETWORK, alarmEmail: 'ops@example.com' },
};
const DEV = {
  ...PROD,
  environment: 'dev',
  protect: false,
  systems: { harca: { source: 'sample' } },
  aws: { networkStack: 'org/network/dev' },
};

/** What the masked graph does not show: the logins as Secrets Manager gets them. */
const logins: unknown[] = [];

/** What AWS would answer. */
const answers: Answers = (type, name, inputs) => {
  const arn = `arn:${name}`;
  if (type === 'aws:rds/instance:Instance') return { arn, address: `${name}.example` };
  if (type === 'aws:secretsmanager/secretVersion:SecretVersion') logins.push(inputs.secretString);
  if (type === 'aws:elasticache/replicationGroup:ReplicationGroup')
    return { configurationEndpointAddress: 'redis.example' };
  if (type === 'aws:s3/bucket:Bucket') return { arn: 'arn:aws:s3:::archives-1', bucket: 'archives-1' };
  if (type === 'random:index/randomId:RandomId') return { hex: `<${name}>` };
  if (type === 'random:index/randomPassword:RandomPassword') return { result: PASSWORD };
  if (type === 'pulumi:pulumi:StackReference') return { outputs: NETWORK };
  return { arn, name: inputs.name ?? name };
};

class Timescale extends pulumi.ComponentResource {
  constructor() {
    super('test:index:Timescale', 'timescale');
  }
}

async function graph(config: Readonly<Record<string, unknown>>, stack = 'prod', preview = false) {
  const settings = parseSettings(config);
  const server: Platform['timescale'] = {
    host: pulumi.output('timescale.example'),
    port: pulumi.output(5432),
    authority: { secret: 'timescale-ca', key: 'ca.crt' },
    admin: { kind: 'secret', name: 'timescale-superuser' },
  };
  const { nodes, outputs } = await graphOf(
    () => {
      let wal: unknown;
      const platform = new AwsPlatform('aws', {
        settings,
        namespace: 'cutover',
        serviceAccounts: {
          jobs: 'cutover-administrator',
          metrics: 'cutover-metrics',
          timescale: 'timescale',
        },
        timescale: (given) => {
          wal = given;
          return { timescale: server, backups: { timescale: 'WAL in S3' }, ready: [new Timescale()] };
        },
      });
      return {
        platform,
        server,
        wal,
        values: pulumi.output({
          ...valuesOf(platform),
          wal: platform.wal,
          backups: platform.backups,
          archive: platform.archive,
          annotations: platform.annotations,
        }),
      };
    },
    { stack, answers, preview },
  );
  // In a preview nothing is known, and this would wait for ever.
  const values = preview ? undefined : await knownOf(outputs.values);
  const of = (type: string, name?: string) =>
    nodes.filter((node) => node.type.endsWith(`:${type}`) && (name === undefined || node.name === name));
  return { ...outputs, nodes, values, of, the: (type: string, name: string) => of(type, name)[0]! };
}

const knownOf = <T>(output: pulumi.Output<T>) => new Promise<T>((resolve) => void output.apply(resolve));

const valuesOf = ({ postgres, replica, redis }: AwsPlatform) => ({
  postgres: {
    host: postgres.host,
    port: postgres.port,
    authority: postgres.authority,
    admin: postgres.admin,
  },
  replica: { host: replica.host, port: replica.port, authority: replica.authority },
  redis: { host: redis.host, port: redis.port, tls: redis.tls, password: redis.password },
});

const listed = (nodes: readonly GraphNode[]) =>
  nodes.map(({ type, name }) => `${type.split(':').pop()} ${name}`).sort();

let prod: Awaited<ReturnType<typeof graph>>;
let dev: Awaited<ReturnType<typeof graph>>;
beforeAll(async () => {
  prod = await graph(PROD);
  dev = await graph(DEV, 'dev');
}, 60_000);

const WITHOUT_ALARMS = [
  'Platform aws',
  'Bucket aws-archives',
  'BucketLifecycleConfiguration aws-archives',
  'BucketOwnershipControls aws-archives',
  'BucketPolicy aws-archives',
  'BucketPublicAccessBlock aws-archives',
  'BucketServerSideEncryptionConfiguration aws-archives',
  'BucketVersioning aws-archives',
  'Instance aws-postgres',
  'Instance aws-replica-1',
  'Key aws-alarms',
  'Key aws-data',
  'LogGroup aws-postgres',
  'LogGroup aws-replica-1',
  'ParameterGroup aws-postgres',
  'ParameterGroup aws-redis',
  'Plan aws-backups',
  'RandomId aws-postgres',
  'RandomId aws-redis',
  'RandomPassword aws-postgres',
  'RandomPassword aws-redis',
  'ReplicationGroup aws-redis',
  'Role aws-backups',
  'Role aws-jobs',
  'Role aws-metrics',
  'Role aws-timescale',
  'RolePolicy aws-jobs',
  'RolePolicy aws-metrics',
  'RolePolicy aws-timescale',
  'RolePolicyAttachment aws-backups-rds',
  'RolePolicyAttachment aws-backups-s3',
  'Secret aws-postgres-login',
  'Secret aws-redis-auth',
  'SecretVersion aws-postgres-login',
  'SecurityGroup aws-postgres',
  'SecurityGroup aws-redis',
  'SecurityGroupIngressRule aws-postgres',
  'SecurityGroupIngressRule aws-redis',
  'Selection aws-backups',
  'Snapshot aws-postgres-before-load',
  'SubnetGroup aws-postgres',
  'SubnetGroup aws-redis',
  'Timescale timescale',
  'Topic aws-alarms',
  'Vault aws-backups',
];
const NODES = ['0001-001', '0001-002', '0002-001', '0002-002', '0003-001', '0003-002'];
const ALARMS = [
  'postgres-connections',
  'postgres-disk',
  'replica-1-connections',
  'replica-1-disk',
  'replica-1-lag',
  'replica-1-stopped',
  ...NODES.flatMap((node) => ['evictions', 'lag', 'memory'].map((part) => `redis-${node}-${part}`)),
];
const alarmsOf = (...systems: string[]) =>
  [...ALARMS, ...systems.flatMap((system) => [`${system}-error-rate`, `${system}-query-time`])].map(
    (alarm) => `MetricAlarm aws-${alarm}`,
  );

describe('exactly these resources', () => {
  test('of prod', () => {
    expect(listed(prod.nodes)).toEqual(
      [...WITHOUT_ALARMS, ...alarmsOf('lightning-talk', 'trdinger'), 'TopicSubscription aws-alarms'].sort(),
    );
  });

  test("of dev, whose network is another stack's and which nobody gets mail of", () => {
    expect(listed(dev.nodes)).toEqual(
      [...WITHOUT_ALARMS, ...alarmsOf('harca'), 'StackReference org/network/dev'].sort(),
    );
    expect(dev.the('SubnetGroup', 'aws-postgres').inputs.subnetIds).toEqual(NETWORK.privateSubnetIds);
    expect(dev.the('SecurityGroup', 'aws-redis').inputs.vpcId).toBe('vpc-1');
  });

  test('all of them in a preview too: none is made of what only AWS knows', async () => {
    for (const [config, made] of [
      [PROD, prod],
      [DEV, dev],
    ] as const) {
      const { nodes } = await graph(config, 'prod', true);
      expect(listed(nodes)).toEqual(listed(made.nodes));
    }
  });

  test('below the component, all of them', () => {
    const outside = prod.nodes.filter(({ parent }) => parent !== 'cutover:aws:Platform aws');
    expect(listed(outside)).toEqual(['Platform aws', 'Timescale timescale']);
  });

  test('tagged with project, stack and environment, whatever can be', () => {
    const resources = prod.nodes.filter(({ type }) => type.startsWith('aws:'));
    const untagged = resources.filter(({ inputs }) => inputs.tags === undefined);
    expect(listed(untagged).map((label) => label.split(' ')[0])).toEqual([
      'BucketLifecycleConfiguration',
      'BucketOwnershipControls',
      'BucketPolicy',
      'BucketPublicAccessBlock',
      'BucketServerSideEncryptionConfiguration',
      'BucketVersioning',
      'RolePolicy',
      'RolePolicy',
      'RolePolicy',
      'RolePolicyAttachment',
      'RolePolicyAttachment',
      'SecretVersion',
      'Selection',
      'TopicSubscription',
    ]);
    for (const { inputs } of resources.filter((resource) => !untagged.includes(resource)))
      expect(inputs.tags).toEqual({ project: 'cutover', stack: 'prod', environment: 'prod' });
  });
});

describe('PostgreSQL', () => {
  const common = {
    autoMinorVersionUpgrade: true,
    caCertIdentifier: 'rds-ca-rsa2048-g1',
    copyTagsToSnapshot: true,
    deletionProtection: true,
    enabledCloudwatchLogsExports: ['postgresql'],
    instanceClass: 'db.m7g.large',
    kmsKeyId: 'arn:aws-data',
    maintenanceWindow: 'sun:17:30-sun:18:30',
    parameterGroupName: 'aws-postgres',
    performanceInsightsEnabled: true,
    performanceInsightsKmsKeyId: 'arn:aws-data',
    port: 5432,
    publiclyAccessible: false,
    storageEncrypted: true,
    tags: { project: 'cutover', stack: 'prod', environment: 'prod' },
    vpcSecurityGroupIds: ['aws-postgres-id'],
  };

  test('is a protected Multi-AZ instance of 17, restorable for 30 days, whose password RDS does not manage', () => {
    const { inputs, protect } = prod.the('Instance', 'aws-postgres');
    expect(inputs).toEqual({
      ...common,
      allocatedStorage: 100,
      backupRetentionPeriod: 30,
      backupWindow: '16:00-17:00',
      dbSubnetGroupName: 'aws-postgres',
      deleteAutomatedBackups: false,
      engine: 'postgres',
      engineVersion: '17',
      finalSnapshotIdentifier: 'cutover-prod-postgres-final-<aws-postgres>',
      identifier: 'cutover-prod-postgres-<aws-postgres>',
      multiAz: true,
      password: SECRET,
      skipFinalSnapshot: false,
      storageType: 'gp3',
      username: 'postgres',
    });
    expect(protect).toBe(true);
  });

  test('its login is in Secrets Manager, under the key of the data, and new only once the server takes it', () => {
    expect(prod.the('RandomPassword', 'aws-postgres')).toMatchObject({
      inputs: { length: 40, special: false },
      protect: true,
    });
    const login = prod.of('Secret', 'aws-postgres-login');
    expect(login).toMatchObject([{ type: 'aws:secretsmanager/secret:Secret', protect: true }]);
    expect(login[0]!.inputs).toEqual({
      name: 'cutover-prod-postgres-login-<aws-postgres>',
      description: 'Administrator of PostgreSQL',
      kmsKeyId: 'arn:aws-data',
      recoveryWindowInDays: 30,
      tags: { project: 'cutover', stack: 'prod', environment: 'prod' },
    });
    expect(JSON.parse(pulumi.runtime.unwrapRpcSecret(logins[0]))).toEqual({
      username: 'postgres',
      password: PASSWORD,
    });
    const version = prod.the('SecretVersion', 'aws-postgres-login');
    expect(version.inputs).toEqual({ secretId: 'aws-postgres-login-id', secretString: SECRET });
    expect(version.dependsOn).toEqual([
      'aws:rds/instance:Instance aws-postgres',
      'aws:secretsmanager/secret:Secret aws-postgres-login',
      'random:index/randomPassword:RandomPassword aws-postgres',
    ]);
  });

  test('a replica makes no final snapshot, which RDS refuses, and comes after the snapshot, which holds the primary', () => {
    const replica = prod.the('Instance', 'aws-replica-1');
    expect(replica.inputs).toEqual({
      ...common,
      identifier: 'cutover-prod-replica-1-<aws-postgres>',
      replicateSourceDb: 'cutover-prod-postgres-<aws-postgres>',
      skipFinalSnapshot: true,
    });
    expect(replica.protect).toBe(true);
    expect(replica.dependsOn).toContain('aws:rds/snapshot:Snapshot aws-postgres-before-load');
  });

  test('has as many replicas as config says', async () => {
    const { of } = await graph({ ...PROD, aws: { ...PROD.aws, postgres: { replicas: 3 } } });
    expect(of('Instance').map(({ name }) => name)).toEqual([
      'aws-postgres',
      'aws-replica-1',
      'aws-replica-2',
      'aws-replica-3',
    ]);
  });

  test('final snapshots have names of one creation: what replaces the instance replaces their random part', () => {
    const { inputs } = prod.the('RandomId', 'aws-postgres');
    expect(inputs.keepers).toEqual({ engine: 'postgres', username: 'postgres', kmsKeyId: 'arn:aws-data' });
    expect(prod.the('RandomId', 'aws-redis').inputs.keepers).toEqual({
      kmsKeyId: 'arn:aws-data',
      subnetGroupName: 'aws-redis',
    });
  });

  test('static parameters wait for a reboot, dynamic ones do not, and TLS is forced', () => {
    const { family, parameters } = prod.the('ParameterGroup', 'aws-postgres').inputs;
    expect(family).toBe('postgres17');
    const of = (method: string) =>
      Object.fromEntries(
        (parameters as { name: string; value: string; applyMethod: string }[])
          .filter(({ applyMethod }) => applyMethod === method)
          .map(({ name, value }) => [name, value]),
      );
    expect(of('pending-reboot')).toEqual({
      'rds.force_ssl': '1',
      shared_preload_libraries: 'pg_stat_statements',
      max_connections: '200',
    });
    expect(of('immediate')).toEqual({
      default_text_search_config: 'pg_catalog.english',
      log_min_duration_statement: '100',
      maintenance_work_mem: '262144',
      max_parallel_maintenance_workers: '4',
      track_io_timing: '1',
    });
  });

  test('a snapshot is there before the first load', () => {
    const snapshot = prod.the('Snapshot', 'aws-postgres-before-load');
    expect(snapshot.inputs).toMatchObject({
      dbInstanceIdentifier: 'cutover-prod-postgres-<aws-postgres>',
      dbSnapshotIdentifier: 'cutover-prod-postgres-before-load-<aws-postgres>',
    });
    expect(snapshot.protect).toBe(true);
  });

  test('its log is kept 30 days, in a group that is there before RDS makes one that is kept for ever', () => {
    for (const server of ['postgres', 'replica-1']) {
      expect(prod.the('LogGroup', `aws-${server}`).inputs).toMatchObject({
        name: `/aws/rds/instance/cutover-prod-${server}-<aws-postgres>/postgresql`,
        retentionInDays: 30,
      });
      expect(prod.the('Instance', `aws-${server}`).dependsOn).toContain(
        `aws:cloudwatch/logGroup:LogGroup aws-${server}`,
      );
    }
  });

  test('in dev backups are kept a week, and without protection nothing hinders a tear-down', () => {
    const { inputs, protect } = dev.the('Instance', 'aws-postgres');
    expect(inputs).toMatchObject({
      backupRetentionPeriod: 7,
      deletionProtection: false,
      skipFinalSnapshot: false,
      multiAz: true,
    });
    expect(protect).toBeUndefined();
    expect(dev.nodes.filter((node) => node.protect)).toEqual([]);
  });
});

describe('Redis', () => {
  test('is a protected cluster of 3 shards with a replica each, TLS, a token and encryption', () => {
    const { inputs, protect } = prod.the('ReplicationGroup', 'aws-redis');
    expect(inputs).toEqual({
      atRestEncryptionEnabled: true,
      authToken: SECRET,
      authTokenUpdateStrategy: 'SET',
      autoMinorVersionUpgrade: true,
      automaticFailoverEnabled: true,
      clusterMode: 'enabled',
      description: 'Sessions and caches of the migrated systems',
      engine: 'redis',
      engineVersion: '7.1',
      finalSnapshotIdentifier: 'cutover-prod-redis-final-<aws-redis>',
      kmsKeyId: 'arn:aws-data',
      maintenanceWindow: 'sun:17:30-sun:18:30',
      multiAzEnabled: true,
      nodeType: 'cache.t4g.small',
      numNodeGroups: 3,
      parameterGroupName: 'aws-redis',
      port: 6379,
      replicasPerNodeGroup: 1,
      replicationGroupId: 'cutover-prod-redis-<aws-redis>',
      securityGroupIds: ['aws-redis-id'],
      snapshotRetentionLimit: 30,
      snapshotWindow: '16:00-17:00',
      subnetGroupName: 'aws-redis',
      tags: { project: 'cutover', stack: 'prod', environment: 'prod' },
      transitEncryptionEnabled: true,
    });
    expect(protect).toBe(true);
  });

  test('drops no session: a full node refuses writes', () => {
    expect(prod.the('ParameterGroup', 'aws-redis').inputs).toMatchObject({
      family: 'redis7',
      parameters: [
        { name: 'cluster-enabled', value: 'yes' },
        { name: 'maxmemory-policy', value: 'noeviction' },
      ],
    });
  });

  test('the first token is SET: ROTATE would leave the way without one open', async () => {
    const rotated = (redis: object) => graph({ ...PROD, aws: { ...PROD.aws, redis } });
    await expect(rotated({ tokenStrategy: 'ROTATE' })).rejects.toThrow(
      'cutover:aws.redis.tokenStrategy is ROTATE',
    );
    const { the } = await rotated({ tokenStrategy: 'ROTATE', tokenGeneration: 2 });
    expect(the('ReplicationGroup', 'aws-redis').inputs.authTokenUpdateStrategy).toBe('ROTATE');
    expect(the('RandomPassword', 'aws-redis').inputs.keepers).toEqual({ generation: '2' });
  });

  test('its token is in a Secret, which gets a new one only after the cluster', () => {
    const secret = prod.the('Secret', 'aws-redis-auth');
    expect(secret.inputs).toMatchObject({
      metadata: { name: 'redis-auth', namespace: 'cutover' },
      stringData: SECRET,
    });
    expect(secret.dependsOn).toContain('aws:elasticache/replicationGroup:ReplicationGroup aws-redis');
  });
});

describe('archives and backups', () => {
  test('the bucket is versioned, encrypted with the key, private, and its policy refuses what is not TLS', () => {
    const the = (type: string) => prod.the(type, 'aws-archives').inputs;
    expect(prod.the('Bucket', 'aws-archives')).toMatchObject({
      protect: true,
      inputs: { forceDestroy: false },
    });
    expect(the('BucketVersioning')).toMatchObject({ versioningConfiguration: { status: 'Enabled' } });
    expect(the('BucketServerSideEncryptionConfiguration').rules).toEqual([
      {
        applyServerSideEncryptionByDefault: { sseAlgorithm: 'aws:kms', kmsMasterKeyId: 'arn:aws-data' },
        bucketKeyEnabled: true,
      },
    ]);
    expect(the('BucketPublicAccessBlock')).toEqual({
      bucket: 'archives-1',
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    });
    expect(the('BucketOwnershipControls').rule).toEqual({ objectOwnership: 'BucketOwnerEnforced' });
    expect(the('BucketPolicy').policy).toMatchObject({
      Statement: [
        {
          Effect: 'Deny',
          Principal: '*',
          Action: 's3:*',
          Resource: ['arn:aws:s3:::archives-1', 'arn:aws:s3:::archives-1/*'],
          Condition: { Bool: { 'aws:SecureTransport': 'false' } },
        },
      ],
    });
  });

  test('what S3 and AWS Backup refuse at once, or before the other, is made in turn', () => {
    expect(prod.the('BucketPolicy', 'aws-archives').dependsOn).toContain(
      'aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock aws-archives',
    );
    for (const part of [
      prod.the('BucketLifecycleConfiguration', 'aws-archives'),
      prod.the('Selection', 'aws-backups'),
    ])
      expect(part.dependsOn).toContain('aws:s3/bucketVersioning:BucketVersioning aws-archives');
  });

  test('what was deleted or overwritten there can be had back for as long as backups are kept', () => {
    expect(prod.the('BucketLifecycleConfiguration', 'aws-archives').inputs.rules).toEqual([
      {
        id: 'deleted',
        status: 'Enabled',
        filter: {},
        noncurrentVersionExpiration: { noncurrentDays: 30 },
        expiration: { expiredObjectDeleteMarker: true },
      },
      {
        id: 'unfinished',
        status: 'Enabled',
        filter: {},
        abortIncompleteMultipartUpload: { daysAfterInitiation: 7 },
      },
    ]);
  });

  test('a vault gets the database and the bucket every day, and leaves the retention of RDS alone', () => {
    expect(prod.the('Vault', 'aws-backups')).toMatchObject({
      protect: true,
      inputs: { kmsKeyArn: 'arn:aws-data', forceDestroy: false },
    });
    expect(prod.the('Plan', 'aws-backups').inputs.rules).toEqual([
      {
        ruleName: 'daily',
        targetVaultName: 'aws-backups',
        schedule: 'cron(0 20 * * ? *)',
        startWindow: 60,
        lifecycle: { deleteAfter: 30 },
      },
    ]);
    const selection = prod.the('Selection', 'aws-backups');
    expect(selection.inputs.resources).toEqual(['arn:aws-postgres', 'arn:aws:s3:::archives-1']);
    expect(selection.dependsOn).toEqual(
      expect.arrayContaining([
        'aws:iam/rolePolicyAttachment:RolePolicyAttachment aws-backups-rds',
        'aws:iam/rolePolicyAttachment:RolePolicyAttachment aws-backups-s3',
      ]),
    );
  });

  test('more days than AWS keeps are refused, and fewer than the environment asks', async () => {
    const kept = (retentionDays: number) =>
      graph({ ...PROD, aws: { ...PROD.aws, backups: { retentionDays } } });
    await expect(kept(36)).rejects.toThrow('is more than 35');
    await expect(kept(29)).rejects.toThrow('it is at least 30');
    const { the } = await kept(35);
    expect(the('Instance', 'aws-postgres').inputs.backupRetentionPeriod).toBe(35);
    expect(the('ReplicationGroup', 'aws-redis').inputs.snapshotRetentionLimit).toBe(35);
    expect(the('Plan', 'aws-backups').inputs.rules).toMatchObject([{ lifecycle: { deleteAfter: 35 } }]);
  });
});

describe('who gets in', () => {
  test("the cluster's nodes, at one port a server, and nobody else", () => {
    for (const group of prod.of('SecurityGroup')) {
      expect(group.inputs).not.toHaveProperty('ingress');
      expect(group.inputs).not.toHaveProperty('egress');
    }
    const rules = prod.of('SecurityGroupIngressRule').map(({ inputs: { tags, ...rule } }) => rule);
    expect(rules).toEqual(
      Object.entries({ postgres: 5432, redis: 6379 }).map(([part, port]) => ({
        securityGroupId: `aws-${part}-id`,
        referencedSecurityGroupId: 'sg-nodes',
        ipProtocol: 'tcp',
        fromPort: port,
        toPort: port,
      })),
    );
    for (const { nodes } of [prod, dev]) expect(JSON.stringify(nodes)).not.toMatch(/0\.0\.0\.0\/0|::\/0/);
  });

  const trustOf = (account: string) => ({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { Federated: NETWORK.oidcProviderArn },
        Action: 'sts:AssumeRoleWithWebIdentity',
        Condition: {
          StringEquals: { 'oidc.example/id/A1:aud': 'sts.amazonaws.com' },
          StringLike: { 'oidc.example/id/A1:sub': `system:serviceaccount:cutover:${account}` },
        },
      },
    ],
  });

  const objects = (bucket: string, prefix: string, actions: string[], list: object = {}) => [
    {
      Effect: 'Allow',
      Action: actions,
      Resource: [`arn:aws:s3:::${bucket}/${prefix}`, `arn:aws:s3:::${bucket}/${prefix}/*`],
    },
    {
      Effect: 'Allow',
      Action: 's3:ListBucket',
      Resource: `arn:aws:s3:::${bucket}`,
      ...list,
    },
  ];
  const below = (prefix: string) => ({ Condition: { StringLike: { 's3:prefix': [prefix, `${prefix}/*`] } } });
  const useKey = {
    Effect: 'Allow',
    Action: ['kms:Decrypt', 'kms:GenerateDataKey'],
    Resource: 'arn:aws-data',
  };
  const WRITE = ['s3:GetObject', 's3:PutObject', 's3:AbortMultipartUpload'];

  test('the role of the Jobs: the login, the snapshots, and of the legacy stores’ buckets these alone, to read', () => {
    expect(prod.the('Role', 'aws-jobs').inputs.assumeRolePolicy).toEqual(trustOf('cutover-administrator'));
    expect(prod.the('RolePolicy', 'aws-jobs').inputs.policy).toEqual({
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Action: 'secretsmanager:GetSecretValue', Resource: 'arn:aws-postgres-login' },
        useKey,
        ...objects('archives-1', 'snapshots', WRITE),
        ...objects('legacy', 'lightning-talk', ['s3:GetObject'], below('lightning-talk')),
      ],
    });
  });

  test('the role of what publishes metrics: those of one namespace, and nothing else', () => {
    expect(prod.the('Role', 'aws-metrics').inputs.assumeRolePolicy).toEqual(trustOf('cutover-metrics'));
    expect(prod.the('RolePolicy', 'aws-metrics').inputs.policy).toEqual({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Action: 'cloudwatch:PutMetricData',
          Resource: '*',
          Condition: { StringEquals: { 'cloudwatch:namespace': 'cutover' } },
        },
      ],
    });
  });

  test("an archive of one's own is where the Jobs may write then", async () => {
    const { the } = await graph({ ...PROD, archive: 's3://ours/cutover' });
    expect(the('RolePolicy', 'aws-jobs').inputs.policy).toMatchObject({
      Statement: expect.arrayContaining(objects('ours', 'cutover', WRITE)),
    });
    expect(JSON.stringify(the('RolePolicy', 'aws-jobs').inputs)).not.toContain('archives-1');
  });

  test('the role of TimescaleDB: its WAL only, and its own service account only', () => {
    expect(prod.the('Role', 'aws-timescale').inputs.assumeRolePolicy).toEqual(trustOf('timescale'));
    expect(prod.the('RolePolicy', 'aws-timescale').inputs.policy).toEqual({
      Version: '2012-10-17',
      Statement: [
        useKey,
        ...objects('archives-1', 'wal', [
          's3:GetObject',
          's3:PutObject',
          's3:DeleteObject',
          's3:AbortMultipartUpload',
        ]),
      ],
    });
  });

  test('no secret is in clear in any input', () => {
    for (const { nodes } of [prod, dev]) {
      expect(JSON.stringify(nodes)).not.toContain(PASSWORD);
      for (const { inputs } of nodes) expect([undefined, SECRET]).toContain(inputs.password);
    }
  });
});

describe('alarms', () => {
  const alarm = (name: string) => {
    const { metricName, namespace, dimensions, comparisonOperator, threshold, statistic, extendedStatistic } =
      prod.the('MetricAlarm', `aws-${name}`).inputs;
    return [
      `${namespace} ${metricName}`,
      dimensions,
      statistic ?? extendedStatistic,
      comparisonOperator,
      threshold,
    ];
  };
  const over = 'GreaterThanThreshold';

  test("lightning-talk's thresholds: queries over 100 ms, errors over 1 %, connections over 80 %, disk over 85 %", () => {
    const system = { System: 'lightning-talk' };
    const instance = { DBInstanceIdentifier: 'cutover-prod-postgres-<aws-postgres>' };
    expect(alarm('lightning-talk-query-time')).toEqual([
      'cutover QueryMilliseconds',
      system,
      'p95',
      over,
      100,
    ]);
    expect(alarm('lightning-talk-error-rate')).toEqual(['cutover ErrorRate', system, 'Average', over, 1]);
    expect(alarm('postgres-connections')).toEqual([
      'AWS/RDS DatabaseConnections',
      instance,
      'Maximum',
      over,
      160,
    ]);
    expect(alarm('postgres-disk')).toEqual([
      'AWS/RDS FreeStorageSpace',
      instance,
      'Minimum',
      'LessThanThreshold',
      0.15 * 100 * 2 ** 30,
    ]);
  });

  test('a replica that is behind, and one that has stopped: RDS says -1 of it', () => {
    const replica = { DBInstanceIdentifier: 'cutover-prod-replica-1-<aws-postgres>' };
    expect(alarm('replica-1-lag')).toEqual(['AWS/RDS ReplicaLag', replica, 'Minimum', over, 60]);
    expect(alarm('replica-1-stopped')).toEqual([
      'AWS/RDS ReplicaLag',
      replica,
      'Maximum',
      'LessThanThreshold',
      0,
    ]);
  });

  test.each(NODES)('memory, evictions and lag of node %s of Redis', (node) => {
    const at = { CacheClusterId: `cutover-prod-redis-<aws-redis>-${node}` };
    expect(alarm(`redis-${node}-memory`)).toEqual([
      'AWS/ElastiCache DatabaseMemoryUsagePercentage',
      at,
      'Maximum',
      over,
      80,
    ]);
    expect(alarm(`redis-${node}-evictions`)).toEqual(['AWS/ElastiCache Evictions', at, 'Sum', over, 0]);
    expect(alarm(`redis-${node}-lag`)).toEqual(['AWS/ElastiCache ReplicationLag', at, 'Maximum', over, 60]);
  });

  test('all go to a topic, encrypted with a key that CloudWatch may use', () => {
    for (const { inputs } of prod.of('MetricAlarm'))
      expect(inputs).toMatchObject({ alarmActions: ['arn:aws-alarms'], okActions: ['arn:aws-alarms'] });
    expect(prod.the('Topic', 'aws-alarms').inputs.kmsMasterKeyId).toBe('arn:aws-alarms');
    expect(JSON.parse(prod.the('Key', 'aws-alarms').inputs.policy as string).Statement).toEqual([
      {
        Effect: 'Allow',
        Principal: { AWS: 'arn:aws:iam::123456789012:root' },
        Action: 'kms:*',
        Resource: '*',
      },
      {
        Effect: 'Allow',
        Principal: { Service: 'cloudwatch.amazonaws.com' },
        Action: ['kms:Decrypt', 'kms:GenerateDataKey*'],
        Resource: '*',
        Condition: { StringEquals: { 'aws:SourceAccount': '123456789012' } },
      },
    ]);
    expect(prod.the('TopicSubscription', 'aws-alarms').inputs).toEqual({
      topic: 'arn:aws-alarms',
      protocol: 'email',
      endpoint: 'ops@example.com',
    });
  });

  test('keys are renewed every year, and the one of the data can’t be lost by a slip', () => {
    for (const key of prod.of('Key')) expect(key.inputs.enableKeyRotation).toBe(true);
    expect(prod.the('Key', 'aws-data')).toMatchObject({
      protect: true,
      inputs: { deletionWindowInDays: 30 },
    });
  });
});

describe('what it gives', () => {
  test('servers, with who vouches for them', () => {
    const authority = { imagePath: '/etc/ssl/certs/rds-global-bundle.pem' };
    expect(prod.values).toMatchObject({
      postgres: {
        host: 'aws-postgres.example',
        port: 5432,
        authority,
        admin: { kind: 'secrets-manager', arn: 'arn:aws-postgres-login' },
      },
      replica: { host: 'aws-replica-1.example', port: 5432, authority },
      redis: {
        host: 'redis.example',
        port: 6379,
        tls: true,
        password: { secret: 'redis-auth', key: 'password' },
      },
    });
    expect(prod.platform.redis.authority).toBeUndefined();
    expect(prod.platform.timescale).toBe(prod.server);
  });

  test('the token as a secret', async () => {
    const { passwordValue } = prod.platform.redis;
    expect(await pulumi.isSecret(passwordValue)).toBe(true);
  });

  test('roles, places and backups in clear', () => {
    const role = (arn: string) => ({ 'eks.amazonaws.com/role-arn': arn });
    expect(prod.values).toMatchObject({
      annotations: { administrator: role('arn:aws-jobs'), metrics: role('arn:aws-metrics') },
      archive: 's3://archives-1/snapshots',
      wal: { url: 's3://archives-1/wal', serviceAccountAnnotations: role('arn:aws-timescale') },
      backups: {
        timescale: 'WAL in S3',
        postgres: 'RDS cutover-prod-postgres-<aws-postgres>: any point in time of the last 30 days',
        beforeFirstLoad: 'RDS snapshot cutover-prod-postgres-before-load-<aws-postgres>',
        redis: 'ElastiCache cutover-prod-redis-<aws-redis>: a snapshot a day, 30 days',
        vault: 'AWS Backup aws-backups: PostgreSQL and the archives, daily, 30 days',
        archives: 's3://archives-1/snapshots',
        wal: 's3://archives-1/wal',
      },
    });
    expect(prod.wal).toBe(prod.platform.wal);
  });

  test('Jobs wait for the servers, the snapshot, the way there and the rights', async () => {
    const urns = await knownOf(pulumi.all(prod.platform.ready.map(({ urn }) => urn)));
    expect(urns.map((urn) => urn.replace(/^.*:(\w+)::/, '$1 ')).sort()).toEqual([
      'Bucket aws-archives',
      'BucketPolicy aws-archives',
      'BucketPublicAccessBlock aws-archives',
      'BucketServerSideEncryptionConfiguration aws-archives',
      'BucketVersioning aws-archives',
      'Instance aws-postgres',
      'Instance aws-replica-1',
      'ReplicationGroup aws-redis',
      'RolePolicy aws-jobs',
      'RolePolicy aws-metrics',
      'RolePolicy aws-timescale',
      'Secret aws-redis-auth',
      'SecretVersion aws-postgres-login',
      'SecurityGroupIngressRule aws-postgres',
      'SecurityGroupIngressRule aws-redis',
      'Snapshot aws-postgres-before-load',
      'Timescale timescale',
    ]);
  });
});
