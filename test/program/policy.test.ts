import { describe, expect, it } from 'vitest';
import { stackGraph } from '../../stacks/graph-files.ts';
import { UNKNOWN } from '../../stacks/policies/values.ts';
import {
  checkAll,
  checkEarly,
  described,
  fromGraph,
  type PolicyOptions,
  type PolicyResource,
  RULES,
  STACK_RULES,
} from '../../stacks/policy.ts';

const PROD: PolicyOptions = { environment: 'prod', protect: true };
const DEV: PolicyOptions = { environment: 'dev', protect: true };

/** Resources that violate nothing. */
const GOOD = {
  rds: {
    type: 'aws:rds/instance:Instance',
    props: {
      storageEncrypted: true,
      kmsKeyId: 'arn:aws:kms:key',
      publiclyAccessible: false,
      deletionProtection: true,
      skipFinalSnapshot: false,
      finalSnapshotIdentifier: 'final',
      backupRetentionPeriod: 30,
      multiAz: true,
    },
    protect: true,
  },
  rdsReplica: {
    type: 'aws:rds/instance:Instance',
    props: {
      replicateSourceDb: 'primary',
      storageEncrypted: true,
      kmsKeyId: 'arn:aws:kms:key',
      publiclyAccessible: false,
      deletionProtection: true,
      skipFinalSnapshot: true,
    },
    protect: true,
  },
  redis: {
    type: 'aws:elasticache/replicationGroup:ReplicationGroup',
    props: {
      atRestEncryptionEnabled: true,
      kmsKeyId: 'arn:aws:kms:key',
      transitEncryptionEnabled: true,
      authToken: '[secret]',
      automaticFailoverEnabled: true,
      replicasPerNodeGroup: 1,
      snapshotRetentionLimit: 30,
    },
    protect: true,
  },
  bucket: { type: 'aws:s3/bucket:Bucket', props: {}, protect: true, dependsOn: ['aws:kms/key:Key key'] },
  encryption: {
    type: 'aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration',
    props: {
      rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: 'aws:kms', kmsMasterKeyId: 'key' } }],
    },
    dependsOn: ['aws:s3/bucket:Bucket bucket', 'aws:kms/key:Key key'],
  },
  accessBlock: {
    type: 'aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock',
    props: {
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    },
    dependsOn: ['aws:s3/bucket:Bucket bucket'],
  },
  key: { type: 'aws:kms/key:Key', props: {}, protect: true },
  group: {
    type: 'aws:ec2/securityGroup:SecurityGroup',
    props: { ingress: [{ cidrBlocks: ['10.0.0.0/8'] }] },
  },
  groupRule: {
    type: 'aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule',
    props: { referencedSecurityGroupId: 'sg-1' },
  },
  service: { type: 'kubernetes:core/v1:Service', props: { spec: { ports: [{ port: 5432 }] } } },
  cnpg: {
    type: 'kubernetes:postgresql.cnpg.io/v1:Cluster',
    props: { spec: { instances: 2, plugins: [{ name: 'barman', isWALArchiver: true }] } },
    protect: true,
  },
  objectStore: {
    type: 'kubernetes:barmancloud.cnpg.io/v1:ObjectStore',
    props: { spec: { retentionPolicy: '30d' } },
  },
  claim: { type: 'kubernetes:core/v1:PersistentVolumeClaim', props: {}, protect: true },
  job: {
    type: 'kubernetes:batch/v1:Job',
    props: {
      metadata: { labels: { 'cutover.dev/job': 'verify', 'cutover.dev/store': 'harca' } },
      spec: { activeDeadlineSeconds: 60, template: { spec: pod() } },
    },
  },
  redisNodes: {
    type: 'kubernetes:apps/v1:StatefulSet',
    props: {
      spec: {
        replicas: 6,
        template: {
          spec: { ...pod(), containers: [{ ...pod().containers[0]!, command: ['redis-server'] }] },
        },
      },
    },
    protect: true,
  },
  redisConf: {
    type: 'kubernetes:core/v1:ConfigMap',
    props: {
      data: {
        conf: 'port 0\ntls-port 6379\ntls-replication yes\ntls-cluster yes\ncluster-enabled yes\ninclude /auth/auth.conf\n',
      },
    },
  },
  cronJob: {
    type: 'kubernetes:batch/v1:CronJob',
    props: { spec: { jobTemplate: { spec: { template: { spec: pod() } } } } },
  },
  binding: {
    type: 'kubernetes:core/v1:ConfigMap',
    name: 'harca-binding',
    props: { data: { PHASE: 'cut-over', READ_FROM: 'database', WRITE_TO: 'both' } },
    dependsOn: ['kubernetes:batch/v1:Job job'],
  },
} as const satisfies Record<string, Omit<PolicyResource, 'name'> & { name?: string }>;

function pod() {
  return {
    securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        args: ['job', 'verify'],
        env: [
          { name: 'CUTOVER_HOME', value: '/var/lib/cutover' },
          { name: 'PASSWORD_FILE', value: '/run/password' },
          { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'x', key: 'password' } } },
        ],
        resources: { limits: { cpu: '1', memory: '1Gi' } },
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
      },
    ],
    volumes: [{ name: 'tmp', emptyDir: {} }],
  };
}

type Kind = keyof typeof GOOD;
const ALL: PolicyResource[] = Object.entries(GOOD).map(([name, each]) => ({ name, ...each }));

/** The good resources, one of them changed at a path of its inputs. */
function changed(kind: Kind, path: string, value: unknown): PolicyResource[] {
  return ALL.map((each) => {
    if (each.name !== nameOf(kind)) return each;
    const copy: object = structuredClone(each);
    const keys = path.split('.');
    const last = keys.pop()!;
    const target = keys.reduce((from, key) => from[key] as Json, copy as Json);
    if (value === undefined) delete target[last];
    else target[last] = value;
    return copy as PolicyResource;
  });
}
type Json = Record<string, unknown>;

const nameOf = (kind: Kind) => (kind === 'binding' ? 'harca-binding' : kind);
const without = (kind: Kind) => ALL.filter(({ name }) => name !== nameOf(kind));
const namesOf = (resources: readonly PolicyResource[], options = PROD) =>
  checkAll(resources, options).map(({ rule, resource, message }) => [
    rule.name,
    resource.split(' ')[1],
    message,
  ]);

const CONF = GOOD.redisConf.props.data.conf;
const POD = 'props.spec.template.spec';
const CONTAINER = `${POD}.containers.0`;

/** Rule, resource, path of what is changed, new value (none: taken away), what is said. */
const SEEDED: [string, Kind, string, unknown, string][] = [
  ['encrypted-stores', 'rds', 'props.storageEncrypted', false, 'storageEncrypted must be true'],
  ['encrypted-stores', 'rds', 'props.storageEncrypted', undefined, 'storageEncrypted must be true'],
  ['encrypted-stores', 'rds', 'props.kmsKeyId', undefined, 'kmsKeyId must be given'],
  [
    'encrypted-stores',
    'redis',
    'props.atRestEncryptionEnabled',
    undefined,
    'atRestEncryptionEnabled must be true',
  ],
  [
    'encrypted-stores',
    'encryption',
    'props.rules.0.applyServerSideEncryptionByDefault.sseAlgorithm',
    'AES256',
    'rules.0.applyServerSideEncryptionByDefault.sseAlgorithm must be "aws:kms" or "aws:kms:dsse"',
  ],
  ['private-stores', 'rds', 'props.publiclyAccessible', true, 'publiclyAccessible must be false'],
  ['private-stores', 'rdsReplica', 'props.publiclyAccessible', undefined, 'publiclyAccessible must be false'],
  ['private-stores', 'accessBlock', 'props.blockPublicPolicy', false, 'blockPublicPolicy must be true'],
  ['protected-stores', 'rds', 'protect', undefined, 'is without the option protect'],
  ['protected-stores', 'claim', 'protect', false, 'is without the option protect'],
  ['protected-stores', 'rds', 'props.deletionProtection', undefined, 'deletionProtection must be true'],
  ['protected-stores', 'rds', 'props.skipFinalSnapshot', true, 'skipFinalSnapshot must be false'],
  [
    'protected-stores',
    'rds',
    'props.finalSnapshotIdentifier',
    undefined,
    'finalSnapshotIdentifier must be given',
  ],
  ['protected-stores', 'bucket', 'props.forceDestroy', true, 'forceDestroy must be false'],
  ['backups', 'rds', 'props.backupRetentionPeriod', 29, 'backupRetentionPeriod must be at least 30'],
  [
    'backups',
    'redis',
    'props.snapshotRetentionLimit',
    undefined,
    'snapshotRetentionLimit must be at least 30',
  ],
  ['backups', 'objectStore', 'props.spec.retentionPolicy', '4w', 'spec.retentionPolicy must be at least 30d'],
  [
    'backups',
    'objectStore',
    'props.spec.retentionPolicy',
    undefined,
    'spec.retentionPolicy must be at least 30d',
  ],
  ['backups', 'cnpg', 'props.spec.plugins', undefined, 'spec.plugins must have one with isWALArchiver'],
  ['replicated-stores', 'rds', 'props.multiAz', false, 'multiAz must be true'],
  ['replicated-stores', 'cnpg', 'props.spec.instances', 1, 'spec.instances must be at least 2'],
  ['replicated-redis', 'redis', 'props.replicasPerNodeGroup', 0, 'replicasPerNodeGroup must be at least 1'],
  [
    'replicated-redis',
    'redis',
    'props.automaticFailoverEnabled',
    undefined,
    'automaticFailoverEnabled must be true',
  ],
  [
    'closed-redis',
    'redis',
    'props.transitEncryptionEnabled',
    undefined,
    'transitEncryptionEnabled must be true',
  ],
  [
    'closed-redis',
    'redis',
    'props.transitEncryptionMode',
    'preferred',
    'transitEncryptionMode must be required',
  ],
  ['closed-redis', 'redis', 'props.authToken', undefined, 'authToken must be given'],
  [
    'closed-redis',
    'redisConf',
    'props.data.conf',
    CONF.replace('port 0', 'port 6379'),
    'data.conf must have port 0',
  ],
  [
    'closed-redis',
    'redisConf',
    'props.data.conf',
    CONF.replace('tls-port 6379', ''),
    'data.conf must have tls-port',
  ],
  [
    'closed-redis',
    'redisConf',
    'props.data.conf',
    CONF.replace(/include .*/, ''),
    'data.conf must have include, aclfile or requirepass',
  ],
  ['replicated-redis', 'redisNodes', 'props.spec.replicas', 3, 'spec.replicas must be at least 6'],
  ['closed-networks', 'group', 'props.ingress.0.cidrBlocks', ['0.0.0.0/0'], 'is open to 0.0.0.0/0 or ::/0'],
  [
    'closed-networks',
    'group',
    'props.egress',
    [{ ipv6CidrBlocks: ['::/0'] }],
    'is open to 0.0.0.0/0 or ::/0',
  ],
  ['closed-networks', 'groupRule', 'props.cidrIpv4', '128.0.0.0/1', 'is open to 0.0.0.0/0 or ::/0'],
  ['internal-services', 'service', 'props.spec.type', 'LoadBalancer', 'spec.type must be ClusterIP'],
  ['internal-services', 'service', 'props.spec.type', 'NodePort', 'spec.type must be ClusterIP'],
  ['internal-services', 'service', 'props.spec.externalIPs', ['10.0.0.1'], 'spec.externalIPs must be absent'],
  [
    'restricted-pods',
    'job',
    `${POD}.securityContext.runAsNonRoot`,
    undefined,
    'containers[0] runAsNonRoot must be true',
  ],
  [
    'restricted-pods',
    'job',
    `${CONTAINER}.securityContext.runAsUser`,
    0,
    'containers[0] runAsUser must be above 0',
  ],
  [
    'restricted-pods',
    'job',
    `${POD}.securityContext.seccompProfile`,
    undefined,
    'containers[0] seccompProfile.type must be "RuntimeDefault" or "Localhost"',
  ],
  [
    'restricted-pods',
    'job',
    `${CONTAINER}.securityContext.privileged`,
    true,
    'containers[0] securityContext.privileged must be false',
  ],
  [
    'restricted-pods',
    'job',
    `${CONTAINER}.securityContext.allowPrivilegeEscalation`,
    undefined,
    'containers[0] securityContext.allowPrivilegeEscalation must be false',
  ],
  [
    'restricted-pods',
    'job',
    `${CONTAINER}.securityContext.readOnlyRootFilesystem`,
    undefined,
    'containers[0] securityContext.readOnlyRootFilesystem must be true',
  ],
  [
    'restricted-pods',
    'job',
    `${CONTAINER}.securityContext.capabilities`,
    undefined,
    'containers[0] securityContext.capabilities.drop must have "ALL"',
  ],
  ['restricted-pods', 'job', `${POD}.hostNetwork`, true, 'containers[0] hostNetwork must be false'],
  [
    'restricted-pods',
    'job',
    `${POD}.volumes.0.hostPath`,
    { path: '/' },
    'containers[0] volumes must have no hostPath',
  ],
  [
    'limited-containers',
    'cronJob',
    'props.spec.jobTemplate.spec.template.spec.containers.0.resources',
    undefined,
    'containers[0] resources.limits.cpu must be given',
  ],
  [
    'limited-containers',
    'job',
    `${CONTAINER}.resources.limits.memory`,
    undefined,
    'containers[0] resources.limits.memory must be given',
  ],
  [
    'no-clear-secrets',
    'job',
    `${CONTAINER}.args.1`,
    '--postgres=postgresql://a:b@c/d',
    'containers[0] args must have no credential',
  ],
  [
    'no-clear-secrets',
    'job',
    `${CONTAINER}.args.1`,
    '[secret]',
    'containers[0] args must have no credential',
  ],
  [
    'no-clear-secrets',
    'job',
    `${CONTAINER}.env.0.value`,
    'rediss://:b@c',
    'containers[0] env CUTOVER_HOME must come from a Secret',
  ],
  [
    'no-clear-secrets',
    'job',
    `${CONTAINER}.env.0.value`,
    '[secret]',
    'containers[0] env CUTOVER_HOME must come from a Secret',
  ],
  [
    'no-clear-secrets',
    'job',
    `${CONTAINER}.env.2.value`,
    'hunter2',
    'containers[0] env PASSWORD must come from a Secret',
  ],
  ['no-clear-secrets', 'binding', 'props.data.URL', 'postgresql://a:b@c/d', 'data.URL has a credential'],
  [
    'awaited-jobs',
    'job',
    'props.spec.ttlSecondsAfterFinished',
    0,
    'spec.ttlSecondsAfterFinished must be absent',
  ],
  ['awaited-jobs', 'job', 'props.spec.podFailurePolicy', {}, 'spec.podFailurePolicy must be absent'],
  ['awaited-jobs', 'job', 'props.spec.backoffLimitPerIndex', 1, 'spec.backoffLimitPerIndex must be absent'],
  [
    'awaited-jobs',
    'job',
    'props.spec.activeDeadlineSeconds',
    undefined,
    'spec.activeDeadlineSeconds must be given',
  ],
  ['proved-bindings', 'binding', 'dependsOn', undefined, 'depends on no Job that verifies harca'],
  [
    'proved-bindings',
    'job',
    'props.metadata.labels',
    { 'cutover.dev/job': 'load', 'cutover.dev/store': 'harca' },
    '',
  ],
  [
    'proved-bindings',
    'job',
    'props.metadata.labels',
    { 'cutover.dev/job': 'verify', 'cutover.dev/store': 'trdinger' },
    '',
  ],
  ['closed-buckets', 'encryption', 'dependsOn', [], 'has no BucketServerSideEncryptionConfiguration'],
  ['closed-buckets', 'accessBlock', 'dependsOn', [], 'has no BucketPublicAccessBlock'],
  [
    'protected-keys',
    'key',
    'protect',
    undefined,
    "is without the option protect, and aws:s3/bucket:Bucket bucket can't be read without it",
  ],
];

/** On inputs as they are written; that an engine asks the rules is shown by no test here. */
describe('rules', () => {
  it('say nothing of good resources', () => {
    expect(namesOf(ALL)).toEqual([]);
  });

  it.each(SEEDED)('%s: %s %s = %j', (rule, kind, path, value, message) => {
    const found = namesOf(changed(kind, path, value));
    const at =
      rule === 'proved-bindings' ? 'harca-binding' : rule === 'closed-buckets' ? 'bucket' : nameOf(kind);
    expect(found).toContainEqual([rule, at, message || 'depends on no Job that verifies harca']);
    expect(new Set(found.map(([name]) => name))).toEqual(new Set([rule]));
  });

  it('are each seeded', () => {
    const names = [...RULES, ...STACK_RULES].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(new Set(SEEDED.map(([name]) => name))).toEqual(new Set(names));
  });

  it('let pass what only an update will know, and nothing else that is missing', () => {
    const unknown = ALL.map((each) => ({
      ...each,
      props: Object.fromEntries(Object.keys(each.props).map((key) => [key, UNKNOWN])),
    }));
    // A Job whose labels are not known proves nothing.
    expect(namesOf(unknown.filter(({ name }) => name !== 'job' && name !== 'harca-binding'))).toEqual([]);
    const empty = ALL.map((each) => ({ ...each, props: {} }));
    const silent = empty.filter(
      ({ name, type }) => !namesOf(empty).some(([, at]) => at === name) && !OPEN.includes(type),
    );
    expect(silent).toEqual([]);
  });

  it('don’t take a pod that is a secret as a whole', () => {
    expect(namesOf(changed('job', 'props.spec', '[secret]'))).toContainEqual([
      'restricted-pods',
      'job',
      'spec.template.spec.containers must be given, and not be a secret as a whole',
    ]);
  });

  it('look at init containers too', () => {
    const found = namesOf(
      changed('job', `${POD}.initContainers`, [{ ...pod().containers[0], resources: {} }]),
    );
    expect(found).toContainEqual([
      'limited-containers',
      'job',
      'initContainers[0] resources.limits.cpu must be given',
    ]);
  });
});

/** Types whose inputs may be left out: their defaults are good, or other resources say it. */
const OPEN: readonly string[] = [
  GOOD.bucket.type,
  GOOD.key.type,
  GOOD.group.type,
  GOOD.groupRule.type,
  GOOD.service.type,
  GOOD.claim.type,
  GOOD.binding.type,
];

describe('options', () => {
  it('dev keeps backups for 7 days, and volume snapshots do', () => {
    expect(namesOf(changed('rds', 'props.backupRetentionPeriod', 7), DEV)).toEqual([]);
    expect(namesOf(changed('rds', 'props.backupRetentionPeriod', 6), DEV)).toEqual([
      ['backups', 'rds', 'backupRetentionPeriod must be at least 7'],
    ]);
    expect(
      namesOf(changed('cnpg', 'props.spec', { instances: 2, backup: { volumeSnapshot: {} } }), DEV),
    ).toEqual([]);
    expect(namesOf(changed('cnpg', 'props.spec', { instances: 2 }), DEV)).toEqual([
      ['backups', 'cnpg', 'spec.backup must be given'],
    ]);
  });

  it('a stack without protection may lose its stores, and is as closed as any', () => {
    const loose = ALL.map((each) => ({
      ...each,
      protect: false,
      props: each.props && {
        ...each.props,
        deletionProtection: false,
        skipFinalSnapshot: true,
        forceDestroy: true,
      },
    }));
    expect(namesOf(loose, { environment: 'prod', protect: false })).toEqual([]);
    expect(namesOf(loose).length).toBeGreaterThan(5);
  });
});

describe('the switch of an application', () => {
  const switched = (data: unknown) =>
    namesOf([
      ...without('binding'),
      { type: GOOD.binding.type, name: 'harca-binding', props: { data }, dependsOn: [] },
    ]);
  const refused = [['proved-bindings', 'harca-binding', 'depends on no Job that verifies harca']];

  it.each([
    [{ READ_FROM: 'file', WRITE_TO: 'file' }, []],
    [{ READ_FROM: 'file', WRITE_TO: 'both', PHASE: 'rolled-back' }, []],
    [{ READ_FROM: 'database', WRITE_TO: 'both', PHASE: 'rolled-back' }, refused],
    [{ READ_FROM: 'file', WRITE_TO: 'both', PHASE: 'dual-write' }, refused],
    [{ READ_FROM: 'file', WRITE_TO: 'both' }, refused],
    [{ READ_FROM: 'file' }, refused],
    [{ WRITE_TO: 'file' }, refused],
    [{ result: 'equal' }, []],
  ])('without a proof: %j', (data, expected) => {
    expect(switched(data)).toEqual(expected);
  });

  it('is asked before it is made', () => {
    const binding = GOOD.binding;
    expect(checkEarly(binding, without('binding'), PROD)).toEqual([]);
    expect(checkEarly(binding, without('job'), PROD).map(({ rule }) => rule.name)).toEqual([
      'proved-bindings',
    ]);
  });

  it('is seen in our own graph, when its dependency is cut', async () => {
    const resources = fromGraph(await stackGraph('external'));
    const cut = resources.map((each) =>
      each.name === 'harca-binding'
        ? { ...each, dependsOn: each.dependsOn?.filter((label) => !label.startsWith('kubernetes:batch')) }
        : each,
    );
    const options = { environment: 'dev', protect: true } as const;
    expect(checkAll(resources, options)).toEqual([]);
    expect(namesOf(cut, options)).toEqual(refused);
  });
});

it('violations are described with the reason and the fix of their rule, once', () => {
  const text = described(checkAll(changed('rds', 'props', {}), PROD));
  expect(text).toContain('  aws:rds/instance:Instance rds: storageEncrypted must be true');
  expect(text.match(/Turn encryption on/g)).toHaveLength(1);
});
