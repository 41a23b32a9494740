import { readFileSync } from 'node:fs';
import * as pulumi from '@pulumi/pulumi';
import { beforeAll, describe, expect, it } from 'vitest';
import { type GraphNode, graphOf, SECRET } from '../../stacks/graph.ts';
import { DatabaseCluster } from '../../stacks/kubernetes/database-cluster.ts';
import { POSTGRES_IMAGE, REDIS_IMAGE } from '../../stacks/kubernetes/images.ts';
import { KubernetesPlatform } from '../../stacks/kubernetes/index.ts';
import { postgresSettings } from '../../stacks/kubernetes/parameters.ts';
import { mebibytes } from '../../stacks/kubernetes/quantity.ts';
import { parseSettings } from '../../stacks/settings.ts';

// These say what the program asks for. That CloudNativePG, cert-manager and Redis do what they are asked is not said.

const DIGEST = `sha256:${'a'.repeat(64)}`;
const PLANTED = 'planted-password';
const systems = { harca: { source: 'sample' } };
const store = {
  url: 's3://wal/cutover/',
  endpoint: 'https://s3.example.test',
  region: 'eu-central-1',
  credentialsSecret: 'wal-key',
};

const dev = { platform: 'kubernetes', imageRepository: 'registry.test/cutover', systems };
const prod = {
  platform: 'kubernetes',
  environment: 'prod',
  image: `registry.test/cutover@${DIGEST}`,
  createNamespace: false,
  systems: { harca: { source: 'pvc://legacy/harca' } },
  kubernetes: {
    storageClass: 'fast',
    postgres: { instances: 3, storage: '100Gi', cpu: '2', memory: '8Gi' },
    timescale: { image: `registry.test/timescale@${DIGEST}` },
    backups: { objectStore: store },
  },
};

async function programOf(config: Record<string, unknown>) {
  return graphOf(
    async () => {
      const settings = parseSettings(config);
      const platform = new KubernetesPlatform('platform', { settings, namespace: 'cutover' });
      const plain = (value: pulumi.Input<object | string>) =>
        new Promise<unknown>((resolve) => {
          pulumi.all([value]).apply(([known]) => resolve(known));
        });
      const { postgres, replica, timescale, redis, backups } = platform;
      return {
        servers: await plain({ postgres, replica, timescale }),
        redis: await plain({
          host: redis.host,
          port: redis.port,
          tls: redis.tls,
          authority: redis.authority,
        }),
        password: await plain(redis.password),
        secret: await pulumi.isSecret(redis.passwordValue),
        backups: await plain(backups),
        ready: await Promise.all(platform.ready.map(({ urn }) => plain(urn))),
      };
    },
    {
      stack: 'test',
      answers: (type) => {
        if (type.endsWith(':RandomPassword')) return { result: PLANTED };
        if (type.endsWith(':Image')) return { repoDigest: `registry.test/cutover-timescale@${DIGEST}` };
        return {};
      },
    },
  );
}

type Program = Awaited<ReturnType<typeof programOf>>;
const names = (nodes: readonly GraphNode[]) => nodes.map(({ type, name }) => `${type} ${name}`);
const find = (nodes: readonly GraphNode[], type: string, name: string): GraphNode => {
  const found = nodes.filter((node) => node.type.endsWith(type) && node.name === name);
  expect(found).toHaveLength(1);
  return found[0]!;
};
const inputs = (nodes: readonly GraphNode[], type: string, name: string): any =>
  find(nodes, type, name).inputs;

const ALWAYS = [
  'cutover:kubernetes:DatabaseCluster postgres',
  'cutover:kubernetes:DatabaseCluster timescale',
  'cutover:kubernetes:KubernetesPlatform platform',
  'cutover:kubernetes:Operators operators',
  'cutover:kubernetes:RedisCluster redis',
  'kubernetes:apps/v1:StatefulSet redis',
  'kubernetes:batch/v1:Job redis-create',
  'kubernetes:cert-manager.io/v1:Certificate redis-ca',
  'kubernetes:cert-manager.io/v1:Certificate redis-tls',
  'kubernetes:cert-manager.io/v1:Issuer redis-ca',
  'kubernetes:cert-manager.io/v1:Issuer redis-self-signed',
  'kubernetes:core/v1:ConfigMap redis-scripts',
  'kubernetes:core/v1:Secret redis-auth',
  'kubernetes:core/v1:Service redis',
  'kubernetes:core/v1:Service redis-nodes',
  'kubernetes:networking.k8s.io/v1:NetworkPolicy postgres',
  'kubernetes:networking.k8s.io/v1:NetworkPolicy redis',
  'kubernetes:networking.k8s.io/v1:NetworkPolicy timescale',
  'kubernetes:policy/v1:PodDisruptionBudget redis',
  'kubernetes:postgresql.cnpg.io/v1:Cluster postgres',
  'kubernetes:postgresql.cnpg.io/v1:Cluster timescale',
  'kubernetes:postgresql.cnpg.io/v1:ImageCatalog postgres',
  'kubernetes:postgresql.cnpg.io/v1:ImageCatalog timescale',
  'kubernetes:postgresql.cnpg.io/v1:ScheduledBackup postgres',
  'kubernetes:postgresql.cnpg.io/v1:ScheduledBackup timescale',
  'random:index/randomPassword:RandomPassword redis-auth',
];
const OPERATORS = [
  'kubernetes:helm.sh/v3:Release cert-manager',
  'kubernetes:helm.sh/v3:Release cloudnative-pg',
];
const ARCHIVE = [
  'kubernetes:barmancloud.cnpg.io/v1:ObjectStore postgres',
  'kubernetes:barmancloud.cnpg.io/v1:ObjectStore timescale',
];
const IMAGE = 'docker:index/image:Image timescale';
const PLUGIN = 'kubernetes:helm.sh/v3:Release plugin-barman-cloud';

let small: Program;
let large: Program;
beforeAll(async () => {
  small = await programOf(dev);
  large = await programOf(prod);
});

describe('KubernetesPlatform', () => {
  it('makes these and nothing else: operators installed, no object store, an image to build', () => {
    expect(names(small.nodes)).toEqual([...ALWAYS, ...OPERATORS, IMAGE].sort());
  });

  it('makes these and nothing else: operators installed, an object store, an image given', () => {
    expect(names(large.nodes)).toEqual([...ALWAYS, ...OPERATORS, ...ARCHIVE, PLUGIN].sort());
  });

  it('installs nothing where the operators are present', async () => {
    const present = await programOf({
      ...prod,
      kubernetes: { ...prod.kubernetes, operators: 'present' },
    });
    expect(names(present.nodes)).toEqual([...ALWAYS, ...ARCHIVE].sort());
  });

  it('gives every resource a parent, and its own kind to one component each', () => {
    const orphans = large.nodes.filter(({ parent }) => parent === undefined);
    expect(names(orphans)).toEqual(['cutover:kubernetes:KubernetesPlatform platform']);
    const parents = (name: string) => names(large.nodes.filter(({ parent }) => parent?.endsWith(` ${name}`)));
    expect(parents('postgres')).toEqual([
      'kubernetes:barmancloud.cnpg.io/v1:ObjectStore postgres',
      'kubernetes:networking.k8s.io/v1:NetworkPolicy postgres',
      'kubernetes:postgresql.cnpg.io/v1:Cluster postgres',
      'kubernetes:postgresql.cnpg.io/v1:ImageCatalog postgres',
      'kubernetes:postgresql.cnpg.io/v1:ScheduledBackup postgres',
    ]);
  });

  it('says how Jobs reach each server', () => {
    const server = (name: string, service: string) => ({
      host: `${name}-${service}.cutover.svc`,
      port: 5432,
      sslmode: 'verify-full',
      authority: { secret: `${name}-ca`, key: 'ca.crt' },
    });
    expect(small.outputs).toMatchObject({
      servers: {
        postgres: { ...server('postgres', 'rw'), admin: { kind: 'secret', name: 'postgres-superuser' } },
        replica: server('postgres', 'ro'),
        timescale: { ...server('timescale', 'rw'), admin: { kind: 'secret', name: 'timescale-superuser' } },
      },
      redis: {
        host: 'redis.cutover.svc',
        port: 6379,
        tls: true,
        authority: { secret: 'redis-tls', key: 'ca.crt' },
      },
      password: { secret: 'redis-auth', key: 'password' },
      secret: true,
    });
  });

  it('says what snapshots need and that they go back to no point in time, and where an archive is', () => {
    expect(small.outputs.backups).toMatchObject({
      postgres: expect.stringMatching(
        /^volume snapshots, nightly .* only where .* CSI driver .* VolumeSnapshotClass .* elsewhere none.* no point-in-time recovery/,
      ),
      redis: expect.stringMatching(/^none/),
    });
    expect(large.outputs.backups).toMatchObject({
      postgres:
        's3://wal/cutover/cutover/postgres: WAL, and base backups nightly at 03:00 UTC; any point in time of the last 30 days',
      timescale: expect.stringMatching(/^s3:\/\/wal\/cutover\/cutover\/timescale: /),
    });
  });

  it('is ready when both databases are, and Redis is a cluster', () => {
    expect(small.outputs.ready.map((urn) => String(urn).split('$').pop())).toEqual([
      'kubernetes:postgresql.cnpg.io/v1:Cluster::postgres',
      'kubernetes:postgresql.cnpg.io/v1:Cluster::timescale',
      'kubernetes:batch/v1:Job::redis-create',
    ]);
    for (const name of ['postgres', 'timescale'])
      expect(inputs(small.nodes, ':Cluster', name).metadata.annotations).toEqual({
        'pulumi.com/waitFor': 'condition=Ready',
      });
  });

  it('makes nothing that needs an operator before the operator', () => {
    for (const name of ['postgres', 'timescale', 'redis'])
      expect(
        find(large.nodes, name === 'redis' ? ':RedisCluster' : ':DatabaseCluster', name).dependsOn,
      ).toEqual(
        expect.arrayContaining([
          'kubernetes:helm.sh/v3:Release cert-manager',
          'kubernetes:helm.sh/v3:Release cloudnative-pg',
          PLUGIN,
        ]),
      );
    expect(find(large.nodes, ':Release', 'plugin-barman-cloud').dependsOn).toEqual(OPERATORS);
  });

  it('pins every chart and every image', () => {
    const charts = large.nodes.filter(({ type }) => type.endsWith(':Release'));
    expect(charts.map(({ inputs }) => `${inputs.chart} ${inputs.version}`)).toEqual([
      'cert-manager 1.21.1',
      'cloudnative-pg 0.29.0',
      'plugin-barman-cloud 0.7.0',
    ]);
    expect([POSTGRES_IMAGE, REDIS_IMAGE]).toEqual([
      expect.stringMatching(/@sha256:[0-9a-f]{64}$/),
      expect.stringMatching(/@sha256:[0-9a-f]{64}$/),
    ]);
  });

  it.each(['small', 'large'])('has no secret in clear: %s', (which) => {
    const { nodes } = which === 'small' ? small : large;
    expect(JSON.stringify(nodes)).not.toContain(PLANTED);
    expect(inputs(nodes, ':Secret', 'redis-auth')).toEqual({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'redis-auth', namespace: 'cutover' },
      stringData: SECRET,
    });
  });

  it('protects what holds data, unless told not to', async () => {
    const held = [
      'kubernetes:apps/v1:StatefulSet redis',
      'kubernetes:postgresql.cnpg.io/v1:Cluster postgres',
      'kubernetes:postgresql.cnpg.io/v1:Cluster timescale',
    ];
    const isProtected = ({ nodes }: Program) => names(nodes.filter(({ protect }) => protect));
    expect(isProtected(small)).toEqual(held);
    expect(isProtected(await programOf({ ...dev, protect: false }))).toEqual([]);
  });
});

describe('a database', () => {
  it('is this CloudNativePG cluster, by default', () => {
    const limits = { cpu: '1', memory: '2Gi' };
    expect(inputs(small.nodes, ':Cluster', 'postgres')).toEqual({
      apiVersion: 'postgresql.cnpg.io/v1',
      kind: 'Cluster',
      metadata: {
        name: 'postgres',
        namespace: 'cutover',
        annotations: { 'pulumi.com/waitFor': 'condition=Ready' },
      },
      spec: {
        instances: 2,
        imageCatalogRef: {
          apiGroup: 'postgresql.cnpg.io',
          kind: 'ImageCatalog',
          name: 'postgres',
          major: 17,
        },
        enableSuperuserAccess: true,
        bootstrap: {
          initdb: {
            encoding: 'UTF8',
            localeProvider: 'builtin',
            builtinLocale: 'C.UTF-8',
            localeCollate: 'C',
            localeCType: 'C.UTF-8',
            dataChecksums: true,
          },
        },
        postgresql: {
          shared_preload_libraries: ['pg_trgm'],
          parameters: {
            shared_buffers: '512MB',
            effective_cache_size: '1536MB',
            maintenance_work_mem: '256MB',
            max_parallel_maintenance_workers: '4',
            default_text_search_config: 'pg_catalog.english',
            max_connections: '200',
          },
          pg_hba: ['hostssl all all all scram-sha-256', 'host all all all reject'],
        },
        storage: { size: '20Gi' },
        resources: { requests: limits, limits },
        affinity: {
          enablePodAntiAffinity: true,
          podAntiAffinityType: 'preferred',
          topologyKey: 'kubernetes.io/hostname',
        },
        backup: { volumeSnapshot: { online: true } },
      },
    });
  });

  it('archives by the plugin, where settings name an object store, and has the sizes that they say', () => {
    const { spec } = inputs(large.nodes, ':Cluster', 'postgres');
    expect(spec).toMatchObject({
      instances: 3,
      storage: { size: '100Gi', storageClass: 'fast' },
      resources: { requests: { cpu: '2', memory: '8Gi' }, limits: { cpu: '2', memory: '8Gi' } },
      plugins: [
        {
          name: 'barman-cloud.cloudnative-pg.io',
          isWALArchiver: true,
          parameters: { barmanObjectName: 'postgres' },
        },
      ],
    });
    expect(spec.postgresql.parameters.shared_buffers).toBe('2048MB');
    expect(spec).not.toHaveProperty('backup');
    expect(inputs(large.nodes, ':ObjectStore', 'postgres').spec).toEqual({
      retentionPolicy: '30d',
      configuration: {
        destinationPath: 's3://wal/cutover/cutover',
        endpointURL: 'https://s3.example.test',
        s3Credentials: {
          accessKeyId: { name: 'wal-key', key: 'access-key-id' },
          secretAccessKey: { name: 'wal-key', key: 'secret-access-key' },
        },
        wal: { compression: 'gzip', maxParallel: 2 },
        data: { compression: 'gzip' },
      },
      instanceSidecarConfiguration: {
        env: [{ name: 'AWS_DEFAULT_REGION', value: 'eu-central-1' }],
        resources: {
          requests: { cpu: '100m', memory: '256Mi' },
          limits: { cpu: '1', memory: '512Mi' },
        },
      },
    });
  });

  it('is backed up at once and each night, by what it has', () => {
    const common = { schedule: '0 0 3 * * *', immediate: true, cluster: { name: 'timescale' } };
    expect(inputs(small.nodes, ':ScheduledBackup', 'timescale').spec).toEqual({
      ...common,
      method: 'volumeSnapshot',
    });
    expect(inputs(large.nodes, ':ScheduledBackup', 'timescale').spec).toEqual({
      ...common,
      method: 'plugin',
      pluginConfiguration: { name: 'barman-cloud.cloudnative-pg.io' },
    });
    expect(find(large.nodes, ':ScheduledBackup', 'timescale').dependsOn).toEqual([
      'kubernetes:postgresql.cnpg.io/v1:Cluster timescale',
    ]);
  });

  it('keeps backups for 7 days in dev, or as many as settings say', async () => {
    const kept = async (backups: object) => {
      const { nodes } = await programOf({ ...dev, kubernetes: { backups } });
      return inputs(nodes, ':ObjectStore', 'postgres').spec.retentionPolicy;
    };
    expect(await kept({ objectStore: { url: 's3://wal' } })).toBe('7d');
    expect(await kept({ objectStore: { url: 's3://wal' }, retentionDays: 14 })).toBe('14d');
  });

  it('with TimescaleDB loads it, and runs the image that is given, or the one that is built', () => {
    const { postgresql } = inputs(small.nodes, ':Cluster', 'timescale').spec;
    expect(postgresql.shared_preload_libraries).toEqual(['timescaledb', 'pg_trgm']);
    expect(postgresql.parameters).toMatchObject({ 'timescaledb.telemetry_level': 'off' });
    const catalog = (nodes: readonly GraphNode[], name: string) =>
      inputs(nodes, ':ImageCatalog', name).spec.images;
    expect(catalog(small.nodes, 'timescale')).toEqual([
      { major: 17, image: `registry.test/cutover-timescale@${DIGEST}` },
    ]);
    expect(catalog(large.nodes, 'timescale')).toEqual([
      { major: 17, image: `registry.test/timescale@${DIGEST}` },
    ]);
    expect(catalog(small.nodes, 'postgres')).toEqual([{ major: 17, image: POSTGRES_IMAGE }]);
  });

  it('admits Jobs, applications, its own instances and the operator, and nobody else', () => {
    const instances = { podSelector: { matchLabels: { 'cnpg.io/cluster': 'postgres' } } };
    expect(inputs(small.nodes, ':NetworkPolicy', 'postgres').spec).toEqual({
      ...instances,
      policyTypes: ['Ingress'],
      ingress: [
        {
          from: [
            {
              podSelector: {
                matchExpressions: [{ key: 'cutover.dev/role', operator: 'In', values: ['job', 'app'] }],
              },
            },
          ],
          ports: [{ port: 5432 }],
        },
        { from: [instances], ports: [{ port: 5432 }, { port: 8000 }] },
        {
          from: [
            {
              namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'cnpg-system' } },
              podSelector: { matchLabels: { 'app.kubernetes.io/name': 'cloudnative-pg' } },
            },
          ],
          ports: [{ port: 5432 }, { port: 8000 }],
        },
      ],
    });
    // Whoever is not admitted by then would be, while the first instance starts.
    expect(find(small.nodes, ':Cluster', 'postgres').dependsOn).toEqual([
      'kubernetes:networking.k8s.io/v1:NetworkPolicy postgres',
      'kubernetes:postgresql.cnpg.io/v1:ImageCatalog postgres',
    ]);
  });

  it('on AWS writes its WAL under a role of its service account, without a key', async () => {
    const annotations = { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::123456789012:role/wal' };
    const { nodes } = await graphOf(
      () => {
        new DatabaseCluster('timescale', {
          namespace: 'cutover',
          image: POSTGRES_IMAGE,
          ...{ instances: 2, storage: '20Gi', cpu: '1', memory: '2Gi' },
          settings: postgresSettings('2Gi'),
          backups: { objectStore: { url: pulumi.output('s3://wal') }, retentionDays: 30 },
          serviceAccountAnnotations: annotations,
          protect: true,
        });
      },
      { stack: 'test' },
    );
    expect(inputs(nodes, ':Cluster', 'timescale').spec.serviceAccountTemplate).toEqual({
      metadata: { annotations },
    });
    expect(inputs(nodes, ':ObjectStore', 'timescale').spec.configuration).toMatchObject({
      destinationPath: 's3://wal/cutover',
      s3Credentials: { inheritFromIAMRole: true },
    });
  });
});

describe('Redis', () => {
  const redisConf = (nodes: readonly GraphNode[]): string[] =>
    inputs(nodes, ':ConfigMap', 'redis-scripts').data['redis.conf'].split('\n');
  const pod = (type: string, name: string) => inputs(small.nodes, type, name).spec.template.spec;

  it('speaks TLS only, asks for a password that lies in a file, and drops no key', () => {
    expect(redisConf(small.nodes)).toEqual(
      expect.arrayContaining([
        ...['port 0', 'tls-port 6379', 'tls-replication yes', 'tls-cluster yes', 'tls-auth-clients no'],
        ...['cluster-enabled yes', 'cluster-preferred-endpoint-type hostname', 'appendonly yes'],
        ...['include /auth/auth.conf', 'maxmemory-policy noeviction', 'maxmemory 307mb'],
      ]),
    );
  });

  it('is these six nodes', () => {
    const labels = { 'app.kubernetes.io/name': 'redis' };
    const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
    const mount = (name: string) => ({ name, mountPath: `/${name}`, readOnly: true });
    const secret = (name: string, secretName: string, ...keys: string[]) => ({
      name,
      secret: { secretName, defaultMode: 0o440, items: keys.map((key) => ({ key, path: key })) },
    });
    expect(inputs(large.nodes, ':StatefulSet', 'redis').spec).toEqual({
      serviceName: 'redis-nodes',
      replicas: 6,
      podManagementPolicy: 'Parallel',
      selector: { matchLabels: labels },
      template: {
        metadata: { labels, annotations: { 'cutover.dev/scripts': expect.stringMatching(/^[0-9a-f]{64}$/) } },
        spec: {
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          securityContext: {
            ...{ runAsNonRoot: true, runAsUser: 999, runAsGroup: 999, fsGroup: 999 },
            fsGroupChangePolicy: 'OnRootMismatch',
            seccompProfile: { type: 'RuntimeDefault' },
          },
          affinity: {
            podAntiAffinity: {
              preferredDuringSchedulingIgnoredDuringExecution: [
                {
                  weight: 100,
                  podAffinityTerm: {
                    labelSelector: { matchLabels: labels },
                    topologyKey: 'kubernetes.io/hostname',
                  },
                },
              ],
            },
          },
          containers: [
            {
              name: 'redis',
              image: REDIS_IMAGE,
              command: [
                ...['redis-server', '/scripts/redis.conf', '--cluster-announce-ip', '$(POD_IP)'],
                ...['--cluster-announce-hostname', '$(POD_NAME).$(REDIS_DOMAIN)'],
              ],
              env: [
                field('POD_NAME', 'metadata.name'),
                field('POD_IP', 'status.podIP'),
                { name: 'REDIS_NODES', value: '6' },
                { name: 'REDIS_DOMAIN', value: 'redis-nodes.cutover.svc' },
              ],
              ports: [
                { name: 'redis', containerPort: 6379 },
                { name: 'bus', containerPort: 16379 },
              ],
              readinessProbe: {
                exec: { command: ['/scripts/ready.sh'] },
                periodSeconds: 5,
                timeoutSeconds: 5,
              },
              livenessProbe: { tcpSocket: { port: 'redis' }, periodSeconds: 10, failureThreshold: 6 },
              resources: {
                requests: { cpu: '100m', memory: '512Mi' },
                limits: { cpu: '1', memory: '512Mi' },
              },
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ['ALL'] },
              },
              volumeMounts: [
                { name: 'data', mountPath: '/data' },
                ...[mount('scripts'), mount('auth'), mount('tls')],
              ],
            },
          ],
          volumes: [
            { name: 'scripts', configMap: { name: 'redis-scripts', defaultMode: 0o555 } },
            secret('auth', 'redis-auth', 'password', 'auth.conf'),
            secret('tls', 'redis-tls', 'ca.crt', 'tls.crt', 'tls.key'),
          ],
        },
      },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: {
            accessModes: ['ReadWriteOnce'],
            resources: { requests: { storage: '2Gi' } },
            storageClassName: 'fast',
          },
        },
      ],
    });
    expect(inputs(large.nodes, ':PodDisruptionBudget', 'redis').spec).toMatchObject({ maxUnavailable: 1 });
  });

  it('is called by names that its certificate has, and its nodes are clients of each other', () => {
    const { spec } = inputs(small.nodes, ':Certificate', 'redis-tls');
    expect(spec.dnsNames).toEqual(expect.arrayContaining(['redis.cutover.svc', '*.redis-nodes.cutover.svc']));
    expect(spec.usages).toEqual(['server auth', 'client auth']);
    expect(spec.issuerRef.name).toBe('redis-ca');
    expect(inputs(small.nodes, ':Service', 'redis-nodes').spec).toMatchObject({
      clusterIP: 'None',
      publishNotReadyAddresses: true,
    });
  });

  it.each([
    [':StatefulSet', 'redis'],
    [':Job', 'redis-create'],
  ])('runs restricted: %s', (type, name) => {
    const { securityContext, containers, automountServiceAccountToken } = pod(type, name);
    expect(automountServiceAccountToken).toBe(false);
    expect(securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: 999,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(containers).toHaveLength(1);
    expect(containers[0].image).toBe(REDIS_IMAGE);
    expect(containers[0].securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(Object.keys(containers[0].resources)).toEqual(['limits', 'requests']);
  });

  it('admits Jobs, applications and its own nodes', () => {
    const self = { podSelector: { matchLabels: { 'app.kubernetes.io/name': 'redis' } } };
    const { spec } = inputs(small.nodes, ':NetworkPolicy', 'redis');
    expect(spec).toMatchObject({ ...self, policyTypes: ['Ingress'] });
    expect(spec.ingress).toEqual([
      { from: [expect.objectContaining({})], ports: [{ port: 6379 }] },
      { from: [self], ports: [{ port: 6379 }, { port: 16379 }] },
    ]);
    expect(spec.ingress[0].from).toEqual(
      inputs(small.nodes, ':NetworkPolicy', 'postgres').spec.ingress[0].from,
    );
    expect(inputs(small.nodes, ':Job', 'redis-create').spec.template.metadata.labels).toEqual({
      'cutover.dev/role': 'job',
    });
  });

  describe('its Job', () => {
    it('waits for the nodes', () => {
      expect(find(small.nodes, ':Job', 'redis-create').dependsOn).toEqual([
        'kubernetes:apps/v1:StatefulSet redis',
      ]);
    });

    it('is not run again by a refresh: no TTL', () => {
      expect(inputs(small.nodes, ':Job', 'redis-create').spec).not.toHaveProperty('ttlSecondsAfterFinished');
    });

    it('may be replaced beside itself: no name of its own', () => {
      expect(inputs(small.nodes, ':Job', 'redis-create').metadata).not.toHaveProperty('name');
    });

    it('is tried again by the next update after a failure', () => {
      expect(inputs(small.nodes, ':Job', 'redis-create').metadata.annotations).toEqual({
        'pulumi.com/replaceUnready': 'true',
      });
    });

    it('ends in a way that the await knows: backoff and deadline, no podFailurePolicy', () => {
      const { spec } = inputs(small.nodes, ':Job', 'redis-create');
      expect(spec).toMatchObject({ backoffLimit: 4, activeDeadlineSeconds: 600 });
      expect(spec).not.toHaveProperty('podFailurePolicy');
    });

    it('leaves its reason in the termination message', () => {
      const [container] = pod(':Job', 'redis-create').containers;
      expect(container.terminationMessagePolicy).toBe('FallbackToLogsOnError');
    });

    it('has the password and the authority, and no key of the nodes', () => {
      const [, auth, tls] = pod(':Job', 'redis-create').volumes;
      expect(auth.secret.items).toEqual([{ key: 'password', path: 'password' }]);
      expect(tls.secret.items).toEqual([{ key: 'ca.crt', path: 'ca.crt' }]);
    });
  });
});

describe('the image of TimescaleDB', () => {
  it('is built on the image of the other cluster, and ends as its user', () => {
    const dockerfile = readFileSync(
      new URL('../../stacks/kubernetes/timescale/Dockerfile', import.meta.url),
      'utf8',
    );
    expect(dockerfile).toContain(`FROM ${POSTGRES_IMAGE}\n`);
    expect(dockerfile.trimEnd().split('\n').at(-1)).toBe('USER 26');
    expect(inputs(small.nodes, ':Image', 'timescale').imageName).toBe('registry.test/cutover-timescale:pg17');
  });

  it('must be given, or a repository to push it to', () => {
    const { timescale: _, ...kubernetes } = prod.kubernetes;
    expect(() => parseSettings({ ...prod, kubernetes })).toThrow(
      'cutover:kubernetes.timescale.image is missing: give the image of TimescaleDB by its digest, or imageRepository to build one',
    );
  });
});

it.each([
  ['2Gi', 1 / 4, 512],
  ['512Mi', 0.6, 307],
  ['1.5G', 1, 1430],
  ['1048576', 1, 1],
])('%s × %f is %i MiB', (quantity, share, mib) => {
  expect(mebibytes(quantity, share)).toBe(mib);
});
