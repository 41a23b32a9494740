import { describe, expect, it } from 'vitest';
import { parseSettings, type SettingsError } from '../../stacks/settings.ts';

const IMAGE = `registry.example.com/cutover@sha256:${'0'.repeat(64)}`;
const CA = '-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n';
const NETWORK = {
  vpcId: 'vpc-0a1',
  privateSubnetIds: ['subnet-0a1', 'subnet-0b2'],
  clusterSecurityGroupId: 'sg-0a1',
  oidcProviderArn: 'arn:aws:iam::123456789012:oidc-provider/oidc.eks.example.com/id/A1',
  oidcProviderUrl: 'https://oidc.eks.example.com/id/A1',
};
const SERVER = { url: 'postgresql://u:p@db.example.com/postgres', ca: CA };

const valid = {
  kubernetes: {
    platform: 'kubernetes',
    image: IMAGE,
    kubernetes: { timescale: { image: IMAGE } },
    systems: { trdinger: { source: 'sample' } },
  },
  aws: {
    platform: 'aws',
    environment: 'prod',
    image: IMAGE,
    aws: { network: NETWORK },
    kubernetes: { timescale: { image: IMAGE } },
    systems: { trdinger: { source: 's3://legacy/trdinger' } },
  },
  external: {
    platform: 'external',
    createNamespace: false,
    image: IMAGE,
    external: { postgres: SERVER },
    systems: { trdinger: { source: 'pvc://legacy/trdinger/data' } },
  },
};
type Config = Record<string, any>;

/** What is said of a valid config with one change: `path message`. */
function mistakes(platform: keyof typeof valid, change: (config: Config) => void): string[] {
  const config: Config = structuredClone(valid[platform]);
  change(config);
  try {
    parseSettings(config);
  } catch (error) {
    return (error as SettingsError).mistakes.map(({ path, message }) => `${path} ${message}`);
  }
  return [];
}

describe('valid settings', () => {
  it.each(Object.entries(valid))('of %s are taken, with every default', (_, config) => {
    const settings = parseSettings(config);
    expect(settings).toMatchObject({ namespace: 'cutover', protect: true });
    expect(settings.systems.trdinger).toMatchObject({
      sourceGeneration: 1,
      phase: 'prepare',
      quarantineBudget: 0,
      verify: true,
      loadPods: 1,
      storage: '5Gi',
    });
  });

  it('say where a store lies', () => {
    const of = (source: string) =>
      parseSettings({ ...valid.external, systems: { harca: { source } } }).systems.harca?.source;
    expect(of('sample')).toEqual({ kind: 'sample' });
    expect(of('pvc://legacy')).toEqual({ kind: 'pvc', claim: 'legacy', path: '' });
    expect(of('pvc://legacy/a/b')).toEqual({ kind: 'pvc', claim: 'legacy', path: 'a/b' });
    expect(of('s3://legacy/a')).toEqual({ kind: 's3', url: 's3://legacy/a' });
  });

  it('cannot be changed', () => {
    const settings = parseSettings(valid.aws);
    expect(() => {
      (settings.aws.redis as Config).shards = 1;
    }).toThrow(TypeError);
  });
});

describe('mistakes', () => {
  it.each<[keyof typeof valid, string, (config: Config) => void]>([
    ['external', 'platform is missing: it is one of kubernetes, aws, external', (c) => delete c.platform],
    ['external', 'platform is not one of kubernetes, aws, external', (c) => (c.platform = 'gcp')],
    ['external', 'environment is not one of dev, prod', (c) => (c.environment = 'staging')],
    [
      'external',
      'namespace is not a name of Kubernetes: lower-case letters, digits and -',
      (c) => (c.namespace = 'A_b'),
    ],
    ['external', 'protect is not of type boolean', (c) => (c.protect = 'yes')],
    [
      'external',
      'image is not an image by its digest: REPOSITORY@sha256:…',
      (c) => (c.image = 'cutover:latest'),
    ],
    [
      'external',
      'image is missing: give an image by its digest, or imageRepository to build one',
      (c) => delete c.image,
    ],
    [
      'external',
      'imageRepository is given beside image: one of them decides what runs',
      (c) => (c.imageRepository = 'r'),
    ],
    ['external', 'systems is missing: it is of type object', (c) => delete c.systems],
    ['external', 'systems names no system', (c) => (c.systems = {})],
    ['external', 'systems.trdigner is not known', (c) => (c.systems = { trdigner: { source: 'sample' } })],
    [
      'external',
      'systems.trdinger.source is missing: it is of type string',
      (c) => delete c.systems.trdinger.source,
    ],
    [
      'external',
      'systems.trdinger.source is not sample, pvc://CLAIM/PATH or s3://BUCKET/PREFIX',
      (c) => (c.systems.trdinger.source = '/data'),
    ],
    [
      'external',
      'systems.trdinger.source is not sample, pvc://CLAIM/PATH or s3://BUCKET/PREFIX',
      (c) => (c.systems.trdinger.source = 'pvc://a/../b'),
    ],
    [
      'external',
      'systems.trdinger.source is not sample, pvc://CLAIM/PATH or s3://BUCKET/PREFIX',
      (c) => (c.systems.trdinger.source = 's3://B'),
    ],
    [
      'external',
      'systems.trdinger.sourceGeneration is less than 1',
      (c) => (c.systems.trdinger.sourceGeneration = 0),
    ],
    [
      'external',
      'systems.trdinger.quarantineBudget is less than 0',
      (c) => (c.systems.trdinger.quarantineBudget = -1),
    ],
    ['external', 'systems.trdinger.loadPods is less than 1', (c) => (c.systems.trdinger.loadPods = 0)],
    ['external', 'systems.trdinger.loadPods is more than 16', (c) => (c.systems.trdinger.loadPods = 17)],
    [
      'external',
      'systems.harca.loadPods is 2, but its tables come from files: only those of an SQLite store are loaded by several pods',
      (c) => (c.systems.harca = { source: 'sample', loadPods: 2 }),
    ],
    [
      'external',
      'systems.trdinger.storage is not a quantity of Kubernetes, such as 20Gi',
      (c) => (c.systems.trdinger.storage = '5 GB'),
    ],
    [
      'external',
      'systems.trdinger.phase is not one of prepare, load, dual-write, shadow-read, cut-over, clean, rolled-back',
      (c) => (c.systems.trdinger.phase = 'cutover'),
    ],
    ['external', 'systems.trdinger.budget is not known', (c) => (c.systems.trdinger.budget = 1)],
    ['external', 'external is missing: the servers of platform external', (c) => delete c.external],
    [
      'external',
      'systems.trdinger.source is a claim in a namespace that is yet to be made: make both first, and say createNamespace: false',
      (c) => (c.createNamespace = true),
    ],
    [
      'external',
      'external.postgres.url is not postgresql://USER:PASSWORD@HOST:PORT/DATABASE',
      (c) => (c.external.postgres.url = 'postgresql://db/x'),
    ],
    [
      'external',
      'external.postgres.ca is not a certificate in PEM form',
      (c) => (c.external.postgres.ca = 'ca.pem'),
    ],
    [
      'external',
      'external.redis.url is not rediss://USER:PASSWORD@HOST:PORT',
      (c) => (c.external.redis = { url: 'redis://:p@h:1' }),
    ],
    ['external', 's3.endpoint is not an https:// URL', (c) => (c.s3 = { endpoint: 'http://minio:9000' })],
    ['external', 'archive is not s3://BUCKET/PREFIX', (c) => (c.archive = '/backups')],
    [
      'kubernetes',
      'kubernetes.postgres.instances is less than 2',
      (c) => (c.kubernetes.postgres = { instances: 1 }),
    ],
    [
      'kubernetes',
      'kubernetes.backups.retentionDays is 6; in dev it is at least 7',
      (c) => (c.kubernetes.backups = { retentionDays: 6 }),
    ],
    [
      'aws',
      'aws.backups.retentionDays is 0; in prod it is at least 30',
      (c) => (c.aws.backups = { retentionDays: 0 }),
    ],
    [
      'aws',
      'aws.backups.retentionDays is 29; in prod it is at least 30',
      (c) => (c.aws.backups = { retentionDays: 29 }),
    ],
    ['aws', 'aws.network or aws.networkStack must be given, and not both', (c) => delete c.aws.network],
    [
      'aws',
      'aws.network or aws.networkStack must be given, and not both',
      (c) => (c.aws.networkStack = 'org/net/prod'),
    ],
    [
      'aws',
      'aws.network.privateSubnetIds has fewer than 2 subnets, which Multi-AZ needs',
      (c) => c.aws.network.privateSubnetIds.pop(),
    ],
    [
      'aws',
      'aws.timescale is rds, which has no TimescaleDB: use kubernetes, the cluster that the jobs run on',
      (c) => (c.aws.timescale = 'rds'),
    ],
    [
      'aws',
      'aws.redis.tokenStrategy is ROTATE for the first token, which would leave the way in without one open: use SET',
      (c) => (c.aws.redis = { tokenStrategy: 'ROTATE' }),
    ],
    ['aws', 'aws.redis.shards is less than 3', (c) => (c.aws.redis = { shards: 2 })],
    ['aws', 'aws.redis.replicasPerShard is less than 1', (c) => (c.aws.redis = { replicasPerShard: 0 })],
    ['aws', 'aws.alarmEmail is not an e-mail address', (c) => (c.aws.alarmEmail = 'ops')],
    ['aws', 'systems.trdinger.source is the sample, in prod', (c) => (c.systems.trdinger.source = 'sample')],
  ])('%s: %s', (platform, message, change) => {
    expect(mistakes(platform, change)).toEqual([message]);
  });

  it.each(['dual-write', 'shadow-read', 'cut-over', 'clean'])('a %s without verification', (phase) => {
    expect(
      mistakes('external', ({ systems }) => Object.assign(systems.trdinger, { phase, verify: false })),
    ).toEqual([
      `systems.trdinger.verify is false in phase ${phase}: no application gets data that was not proved`,
    ]);
  });

  it.each(['prepare', 'load', 'rolled-back'])('none of a %s without one', (phase) => {
    expect(
      mistakes('external', ({ systems }) => Object.assign(systems.trdinger, { phase, verify: false })),
    ).toEqual([]);
  });

  it('a later token may be rotated', () => {
    const rotate = { tokenStrategy: 'ROTATE', tokenGeneration: 2 };
    expect(mistakes('aws', ({ aws }) => (aws.redis = rotate))).toEqual([]);
  });

  it('are told all at once, contradictions beside wrong keys', () => {
    const found = mistakes('aws', (config) => {
      config.platfrom = 'aws';
      config.systems.trdinger.phase = 'cutover';
      config.aws.timescale = 'rds';
    });
    expect(found.map((mistake) => mistake.split(' ')[0])).toEqual([
      'systems.trdinger.phase',
      'platfrom',
      'aws.timescale',
    ]);
  });

  it('never repeat a password', () => {
    const url = 'postgresql://u:hunter2@db example/x';
    expect(mistakes('external', ({ external }) => (external.postgres.url = url)).join()).not.toContain(
      'hunter2',
    );
  });
});
