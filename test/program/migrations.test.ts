import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { type GraphNode, graphOf, SECRET } from '../../stacks/graph.ts';
import { PHASE_RULES } from '../../stacks/phases.ts';
import { program } from '../../stacks/program.ts';
import { PHASES, type Phase, parseSettings } from '../../stacks/settings.ts';

const IMAGE = `registry.example.com/cutover@sha256:${'1'.repeat(64)}`;
const CA = '-----BEGIN CERTIFICATE-----\nMIIcertificate\n-----END CERTIFICATE-----\n';
/** What every random password begins with. */
const PLANTED = 'planted-password';
const PASSWORD = 'pa:ss/wörd';
const server = (host: string) => ({
  url: `postgresql://postgres:${encodeURIComponent(PASSWORD)}@${host}:6432/postgres`,
  ca: CA,
});
const STORES = ['harca', 'instant-search', 'lightning-talk', 'trdinger', 'voice-roleplay'];

const external = {
  platform: 'external',
  createNamespace: false,
  image: IMAGE,
  external: {
    postgres: server('pg.example.com'),
    replica: server('replica.example.com'),
    timescale: server('ts.example.com'),
    redis: { url: 'rediss://default:redispass@redis.example.com:6380', ca: CA },
  },
};

class Graph {
  constructor(
    readonly nodes: readonly GraphNode[],
    readonly outputs: ReturnType<typeof program>,
  ) {}
  /** Names of the resources of a type, a Job's `Job`. */
  names(type: string): string[] {
    return this.nodes.filter((node) => node.type.endsWith(`:${type}`)).map(({ name }) => name);
  }
  get(type: string, name: string): GraphNode {
    const found = this.nodes.filter((node) => node.type.endsWith(`:${type}`) && node.name === name);
    expect(found, `${type} ${name}`).toHaveLength(1);
    return found[0]!;
  }
  has(type: string, name: string): boolean {
    return this.nodes.some((node) => node.type.endsWith(`:${type}`) && node.name === name);
  }
  /** Jobs that a resource waits for, directly or not. */
  jobsBefore(node: GraphNode): string[] {
    const seen = new Set<string>();
    const visit = ({ dependsOn }: GraphNode) => {
      for (const each of dependsOn) {
        if (seen.has(each)) continue;
        seen.add(each);
        const [type, name] = each.split(' ');
        visit(this.nodes.find((other) => other.type === type && other.name === name)!);
      }
    };
    visit(node);
    return [...seen]
      .filter((each) => each.includes('/v1:Job '))
      .map((each) => each.split(' ')[1]!)
      .sort();
  }
}

/** Graph of the program for five stores in one phase, or with settings of one. */
async function graph(systems: Record<string, object>, changes: object = {}): Promise<Graph> {
  const config = { ...external, systems, ...changes };
  const { nodes, outputs } = await graphOf(() => program(parseSettings(config)), {
    stack: 'test',
    answers: (type, name) => (type.endsWith(':RandomPassword') ? { result: `${PLANTED}-${name}` } : {}),
  });
  return new Graph(nodes, outputs);
}
const all = (phase: Phase) =>
  Object.fromEntries(STORES.map((name) => [name, { source: 'sample', phase, quarantineBudget: 3 }]));
const one = (settings: object) => graph({ trdinger: { source: 'sample', ...settings } });
const podOf = (node: GraphNode) => (node.inputs as any).spec.template.spec;

describe('all stores in phase load', () => {
  let made: Graph;
  beforeAll(async () => {
    made = await graph(all('load'), { createNamespace: true });
  });

  it('has these resources and no others', () => {
    const roles = made.names('RandomPassword');
    expect(roles).toHaveLength(36);
    expect({
      Namespace: made.names('Namespace'),
      Job: made.names('Job'),
      CronJob: made.names('CronJob'),
      ConfigMap: made.names('ConfigMap'),
      Secret: made.names('Secret'),
      PersistentVolumeClaim: made.names('PersistentVolumeClaim'),
      ServiceAccount: made.names('ServiceAccount'),
      Role: made.names('Role'),
      RoleBinding: made.names('RoleBinding'),
      NetworkPolicy: made.names('NetworkPolicy'),
      provider: made.nodes
        .filter(({ type }) => type === 'pulumi:providers:kubernetes')
        .map(({ name }) => name),
    }).toMatchSnapshot();
    const custom = made.nodes.filter(({ type }) => !type.startsWith('cutover:'));
    expect(custom).toHaveLength(36 + 1 + 16 + 10 + 16 + 9 + 5 + 7 + 5 + 5 + 1 + 1);
  });

  it('runs provision once, and then backup, load and verify of each store, side by side', () => {
    expect(made.jobsBefore(made.get('Job', 'provision'))).toEqual([]);
    for (const store of STORES) {
      expect(made.jobsBefore(made.get('Job', `${store}-backup`))).toEqual(['provision']);
      expect(made.jobsBefore(made.get('Job', `${store}-load`))).toEqual(
        [`${store}-backup`, 'provision'].sort(),
      );
      expect(made.jobsBefore(made.get('Job', `${store}-verify`))).toEqual(
        [`${store}-backup`, `${store}-load`, 'provision'].sort(),
      );
    }
  });

  it('says what each job does, and never a secret', () => {
    const argsOf = (name: string) => podOf(made.get('Job', name)).containers[0].args;
    expect(argsOf('provision')).toEqual([
      'job',
      'provision',
      ...STORES.flatMap((name) => ['--system', name]),
    ]);
    expect(argsOf('harca-backup')).toEqual(
      'job backup --system harca --source harca=/app/test/legacy/harca --quarantine-budget 3'.split(' '),
    );
    expect(argsOf('harca-load')).toEqual('job load --system harca --quarantine-budget 3'.split(' '));
    expect(argsOf('harca-verify')).toEqual('job verify --system harca --quarantine-budget 3'.split(' '));
  });

  it('gives each job the logins that it needs and no other', () => {
    const files = (name: string) => {
      const { sources } = podOf(made.get('Job', name)).volumes.find((each: any) => each.projected).projected;
      const items = sources.flatMap((each: any) => (each.secret ?? each.configMap).items);
      expect(items.length, 'a Secret without items is projected whole').toBeGreaterThan(0);
      for (const each of sources) expect((each.secret ?? each.configMap).items.length).toBeGreaterThan(0);
      return items
        .map(({ path }: any) => path)
        .filter((path: string) => /roles|username|password|arn/.test(path));
    };
    const admin = [
      'postgres/username',
      'postgres/password',
      'timescale/username',
      'timescale/password',
      'redis/password',
    ];
    expect(files('trdinger-backup')).toEqual(admin);
    expect(files('trdinger-load')).toEqual(['roles/trdinger_owner', 'roles/trdinger_migrator']);
    expect(files('trdinger-verify')).toEqual(['roles/trdinger_verifier']);
    expect(files('provision')).toHaveLength(admin.length + 36);
  });

  it('lets a job do nothing else on the cluster', () => {
    for (const type of ['Job', 'CronJob']) {
      for (const name of made.names(type)) {
        const node = made.get(type, name);
        const spec = (node.inputs as any).spec;
        const pod = (spec.jobTemplate?.spec ?? spec).template.spec;
        expect(pod.securityContext).toEqual({
          runAsNonRoot: true,
          runAsUser: 1000,
          runAsGroup: 1000,
          fsGroup: 1000,
          fsGroupChangePolicy: 'OnRootMismatch',
          seccompProfile: { type: 'RuntimeDefault' },
        });
        expect(pod.automountServiceAccountToken).toBe(name.endsWith('-verify'));
        expect(pod.containers).toHaveLength(1);
        expect(pod.containers[0]).toMatchObject({
          image: IMAGE,
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
          resources: { limits: { cpu: '2', memory: '512Mi' } },
        });
      }
    }
  });

  it('writes what a verification found into one object by its name', () => {
    expect(made.get('Role', 'trdinger-verification').inputs.rules).toEqual([
      {
        apiGroups: [''],
        resources: ['configmaps'],
        resourceNames: ['trdinger-verification'],
        verbs: ['get', 'patch'],
      },
    ]);
    const job = podOf(made.get('Job', 'trdinger-verify'));
    expect(job.serviceAccountName).toBe('trdinger-verification');
    expect(job.containers[0].env).toContainEqual({
      name: 'CUTOVER_RESULT_CONFIGMAP',
      value: 'trdinger-verification',
    });
    expect(made.get('ConfigMap', 'trdinger-verification')).toMatchObject({ ignoreChanges: ['data'] });
  });

  it('has no secret in clear in any input', () => {
    const text = JSON.stringify(made.nodes);
    for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), 'redispass', PLANTED])
      expect(text).not.toContain(secret);
    for (const name of made.names('Secret')) expect(made.get('Secret', name).inputs.stringData).toBe(SECRET);
    expect(made.get('ConfigMap', 'platform-servers').inputs.data).toEqual({
      'postgres.host': 'pg.example.com',
      'postgres.port': '6432',
      'postgres.sslmode': 'verify-full',
      'replica.host': 'replica.example.com',
      'replica.port': '6432',
      'replica.sslmode': 'verify-full',
      'timescale.host': 'ts.example.com',
      'timescale.port': '6432',
      'timescale.sslmode': 'verify-full',
      'redis.host': 'redis.example.com',
      'redis.port': '6380',
      'redis.tls': 'true',
    });
  });

  it('refreshes statistics every week and builds indexes anew every month', () => {
    const cron = (name: string) => (made.get('CronJob', name).inputs as any).spec;
    expect(cron('trdinger-analyze')).toMatchObject({ schedule: '0 3 * * 0', concurrencyPolicy: 'Forbid' });
    expect(cron('trdinger-reindex')).toMatchObject({ schedule: '0 4 1 * *', concurrencyPolicy: 'Forbid' });
    const args = cron('trdinger-reindex').jobTemplate.spec.template.spec.containers[0].args;
    expect(args).toEqual(['reindex', '--system', 'trdinger']);
  });

  it('protects what holds data', () => {
    for (const name of made.names('PersistentVolumeClaim'))
      expect(made.get('PersistentVolumeClaim', name).protect).toBe(true);
    expect(made.get('Namespace', 'namespace').protect).toBe(true);
  });
});

describe('what bites on Kubernetes', () => {
  it('a Job is not run once: it has no name, no time to live, and a trigger', async () => {
    const { inputs, replacementTrigger } = (await one({ phase: 'load' })).get('Job', 'trdinger-load') as any;
    expect(inputs.metadata.name).toBeUndefined();
    expect(inputs.spec.ttlSecondsAfterFinished).toBeUndefined();
    expect(replacementTrigger).toMatch(/^[0-9a-f]{16}$/);
  });

  it('a failed Job is not retried: it may be replaced', async () => {
    const { inputs } = (await one({ phase: 'load' })).get('Job', 'trdinger-load') as any;
    expect(inputs.metadata.annotations).toEqual({ 'pulumi.com/replaceUnready': 'true' });
  });

  it('the await knows a deadline and a limit of failures, and no failure policy', async () => {
    const { inputs } = (await one({ phase: 'load' })).get('Job', 'trdinger-load') as any;
    expect(inputs.spec).toMatchObject({ activeDeadlineSeconds: 21_600, backoffLimit: 2 });
    expect(inputs.spec.podFailurePolicy).toBeUndefined();
  });

  it('several pods load a store on the one node that mounts its volume, numbered by Kubernetes', async () => {
    const made = await one({ phase: 'load', loadPods: 3 });
    const job = made.get('Job', 'trdinger-load') as any;
    const { spec, metadata } = job.inputs;
    expect(spec).toMatchObject({
      completionMode: 'Indexed',
      completions: 3,
      parallelism: 3,
      backoffLimit: 4,
    });
    expect(spec.backoffLimitPerIndex).toBeUndefined();
    const { affinity, containers } = podOf(job);
    const { requiredDuringSchedulingIgnoredDuringExecution: required } = affinity.podAffinity;
    expect(required).toEqual([
      { labelSelector: { matchLabels: metadata.labels }, topologyKey: 'kubernetes.io/hostname' },
    ]);
    expect(metadata.labels).toMatchObject({ 'cutover.dev/job': 'load', 'cutover.dev/store': 'trdinger' });
    expect(containers[0].args.join(' ')).toBe(
      'job load --system trdinger --processes 3 --quarantine-budget 0',
    );
    // Every other Job, and that of a store with one pod, is as it was.
    for (const [graph, name] of [
      [made, 'trdinger-backup'],
      [made, 'trdinger-verify'],
      [await one({ phase: 'load' }), 'trdinger-load'],
    ] as const) {
      const other = graph.get('Job', name) as any;
      expect(other.inputs.spec.completionMode).toBeUndefined();
      expect(podOf(other).affinity).toBeUndefined();
      expect(podOf(other).containers[0].args).not.toContain('--processes');
    }
  });

  it("a job's last words are the reason that `pulumi up` gives", async () => {
    const job = podOf((await one({ phase: 'load' })).get('Job', 'trdinger-load'));
    expect(job.containers[0].terminationMessagePolicy).toBe('FallbackToLogsOnError');
  });

  it('a Secret that changes must not be replaced, and every Job with it', async () => {
    const made = await one({ phase: 'load' });
    expect(made.get('kubernetes', 'cluster').inputs).toMatchObject({
      enableSecretMutable: 'true',
      enableConfigMapMutable: 'true',
    });
    // Only names of Secrets are in a pod, so a rotated one is no change of it.
    const rotated = structuredClone(external);
    rotated.external.postgres.url = rotated.external.postgres.url.replace('pa', 'other');
    const again = await graph({ trdinger: { source: 'sample', phase: 'load' } }, rotated);
    expect(again.get('Job', 'trdinger-load')).toEqual(made.get('Job', 'trdinger-load'));
    expect(again.get('Job', 'provision')).toEqual(made.get('Job', 'provision'));
  });

  it('nothing that matters is made inside of apply: a preview shows it all', async () => {
    const config = { ...external, systems: { trdinger: { source: 'sample', phase: 'cut-over' } } };
    const preview = await graphOf(() => program(parseSettings(config)), { stack: 'test', preview: true });
    const real = await graphOf(() => program(parseSettings(config)), { stack: 'test' });
    const names = (nodes: readonly GraphNode[]) => nodes.map(({ type, name }) => `${type} ${name}`);
    expect(names(preview.nodes)).toEqual(names(real.nodes));
  });
});

describe('a change runs what it must', () => {
  const JOBS = ['provision', 'trdinger-backup', 'trdinger-load', 'trdinger-verify'];
  const triggers = async (settings: object, changes: object = {}) => {
    const made = await graph({ trdinger: { source: 'sample', phase: 'load', ...settings } }, changes);
    return JOBS.map((name) => made.get('Job', name).replacementTrigger);
  };
  const changed = async (...change: Parameters<typeof triggers>) => {
    const [before, after] = [await triggers({}), await triggers(...change)];
    return JOBS.filter((_, at) => before[at] !== after[at]);
  };

  it('nothing: the same settings give the same triggers', async () => {
    expect(await changed({})).toEqual([]);
  });
  it('a new generation of the source: its jobs from backup on', async () => {
    expect(await changed({ sourceGeneration: 2 })).toEqual(JOBS.slice(1));
  });
  it('another source: its jobs from backup on', async () => {
    expect(await changed({ source: 'pvc://legacy' })).toEqual(JOBS.slice(1));
  });
  it('another image: all', async () => {
    expect(await changed({}, { image: IMAGE.replace('1', '2') })).toEqual(JOBS);
  });
  it('a further phase that may write: a new snapshot, and the proof of that', async () => {
    expect(await changed({ phase: 'dual-write' })).toEqual(JOBS.slice(1));
  });
  it('another store beside it: provision, and nothing of this store', async () => {
    const alone = await graph({ trdinger: { source: 'sample', phase: 'load' } });
    const beside = await graph({
      trdinger: { source: 'sample', phase: 'load' },
      harca: { source: 'sample', phase: 'load' },
    });
    const differ = JOBS.filter(
      (name) => alone.get('Job', name).replacementTrigger !== beside.get('Job', name).replacementTrigger,
    );
    expect(differ).toEqual(['provision']);
  });
});

describe('phases', () => {
  const FINAL = [
    'provision',
    ...['backup', 'load', 'recheck', 'verify'].map((job) => `trdinger-final-4-${job}`),
  ];
  const made = new Map<Phase, Graph>();
  beforeAll(async () => {
    for (const phase of PHASES) made.set(phase, await one({ phase, sourceGeneration: 4 }));
  });

  it.each<[Phase, string[]]>([
    ['prepare', ['provision', 'trdinger-backup']],
    ['load', ['provision', 'trdinger-backup', 'trdinger-load', 'trdinger-verify']],
    ['dual-write', ['provision', 'trdinger-backup', 'trdinger-load', 'trdinger-verify']],
    ['shadow-read', ['provision', 'trdinger-backup', 'trdinger-load', 'trdinger-verify']],
    ['cut-over', FINAL],
    ['clean', FINAL],
    ['rolled-back', ['provision']],
  ])('%s has its jobs', (phase, jobs) => {
    expect(made.get(phase)!.names('Job')).toEqual(jobs);
  });

  it.each<[Phase, Record<string, string>]>([
    ['prepare', { READ_FROM: 'file', WRITE_TO: 'file', DATABASE_TYPE: 'file' }],
    ['load', { READ_FROM: 'file', WRITE_TO: 'file', DATABASE_TYPE: 'file' }],
    ['dual-write', { READ_FROM: 'file', WRITE_TO: 'both', DATABASE_TYPE: 'file' }],
    ['shadow-read', { READ_FROM: 'file', WRITE_TO: 'both', DATABASE_TYPE: 'file', COMPARE_WITH: 'database' }],
    [
      'cut-over',
      { READ_FROM: 'database', WRITE_TO: 'both', DATABASE_TYPE: 'postgresql', FALL_BACK_TO: 'file' },
    ],
    ['clean', { READ_FROM: 'database', WRITE_TO: 'database', DATABASE_TYPE: 'postgresql' }],
    ['rolled-back', { READ_FROM: 'file', WRITE_TO: 'both', DATABASE_TYPE: 'file' }],
  ])('%s has its switch', (phase, data) => {
    const graph = made.get(phase)!;
    expect(graph.get('ConfigMap', 'trdinger-binding').inputs.data).toEqual({ PHASE: phase, ...data });
    // Who may not write to a database gets no login.
    expect(graph.has('Secret', 'trdinger-binding')).toBe(data.WRITE_TO !== 'file');
  });

  it.each(PHASES.filter((phase) => PHASE_RULES[phase].gated))('%s waits for its verification', (phase) => {
    const graph = made.get(phase)!;
    const verify = graph.names('Job').find((name) => name.endsWith('-verify'));
    const recheck = graph.names('Job').filter((name) => name.endsWith('-recheck'));
    for (const type of ['ConfigMap', 'Secret'])
      for (const job of [verify, ...recheck])
        expect(graph.get(type, 'trdinger-binding').dependsOn).toContain(`kubernetes:batch/v1:Job ${job}`);
  });

  it.each(['prepare', 'load', 'rolled-back'] as const)('%s waits for no job', (phase) => {
    const graph = made.get(phase)!;
    expect(graph.jobsBefore(graph.get('ConfigMap', 'trdinger-binding'))).toEqual([]);
    if (phase === 'rolled-back')
      expect(graph.jobsBefore(graph.get('Secret', 'trdinger-binding'))).toEqual([]);
  });

  it('a final job runs once: nothing but a new generation makes another', async () => {
    const final = made.get('cut-over')!.get('Job', 'trdinger-final-4-load');
    expect(final.ignoreChanges).toEqual([
      'spec',
      'metadata.labels',
      'metadata.annotations["pulumi.com/replaceUnready"]',
    ]);
    expect(final.replacementTrigger).toBeUndefined();
    const later = await one({ phase: 'cut-over', sourceGeneration: 5 });
    expect(later.names('Job')).toEqual([
      'provision',
      'trdinger-final-5-backup',
      'trdinger-final-5-load',
      'trdinger-final-5-recheck',
      'trdinger-final-5-verify',
    ]);
  });
});

describe('a final sync', () => {
  it('says which it is, reads the living store before and after, and closes the database', async () => {
    const made = await one({ source: 'pvc://legacy/trdinger', phase: 'cut-over', sourceGeneration: 4 });
    const pod = (job: string) => podOf(made.get('Job', `trdinger-final-4-${job}`));
    for (const job of ['backup', 'load', 'verify', 'recheck'])
      expect(pod(job).containers[0].args.join(' ')).toContain('--final 4');
    expect(pod('recheck').containers[0].args.join(' ')).toContain('--source trdinger=/source/trdinger');
    expect(JSON.stringify(pod('recheck').volumes)).toContain('"claimName":"legacy"');
    expect(made.jobsBefore(made.get('Job', 'trdinger-final-4-recheck'))).toContain('trdinger-final-4-verify');
  });

  it('is loaded over later writes only where that is asked for', async () => {
    const args = async (settings: object) =>
      podOf((await one({ phase: 'load', ...settings })).get('Job', 'trdinger-load')).containers[0].args;
    expect(await args({})).not.toContain('--reload');
    expect(await args({ reload: true })).toContain('--reload');
  });
});

describe('a verification that fails', () => {
  /** What an update registers whose Job of that name fails, as a process of its own: the SDK ends it. */
  const registered = (phase: Phase) => {
    const config = { ...external, systems: { trdinger: { source: 'sample', phase } } };
    const script = fileURLToPath(new URL('failing-job.ts', import.meta.url));
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', 'tsx', script, '-verify', JSON.stringify(config)],
      { encoding: 'utf8', timeout: 50_000 },
    );
    expect(stdout, stderr).toMatch(/^\[/);
    return { status, made: JSON.parse(stdout) as string[] };
  };

  it.each(PHASES.filter((phase) => PHASE_RULES[phase].gated))('leaves %s out of reach', (phase) => {
    const { status, made } = registered(phase);
    expect(status).toBe(1);
    expect(made.filter((each) => each.startsWith('kubernetes:batch/v1:Job')).at(-1)).toMatch(/-load$/);
    expect(made.filter((each) => each.includes('-binding'))).toEqual([
      'cutover:jobs:Binding trdinger-binding',
    ]);
  });

  it('leaves rolled-back within reach', () => {
    const { status, made } = registered('rolled-back');
    expect(status).toBe(0);
    expect(made).toContain('kubernetes:core/v1:ConfigMap trdinger-binding');
  });
});

describe('a source', () => {
  it('on a volume is mounted, read-only', async () => {
    const made = await one({ source: 'pvc://legacy/apps/trdinger', phase: 'load' });
    const job = podOf(made.get('Job', 'trdinger-backup'));
    expect(job.containers[0].args).toContain('trdinger=/source/apps/trdinger');
    const mount = job.containers[0].volumeMounts.find((each: any) => each.mountPath === '/source');
    // Whole: a SQLite file has its write-ahead log beside it.
    expect(mount).toMatchObject({ readOnly: true });
    expect(mount.subPath).toBeUndefined();
    expect(job.volumes.find((each: any) => each.name === mount.name)).toMatchObject({
      persistentVolumeClaim: { claimName: 'legacy', readOnly: true },
    });
    // Load and verify read the snapshot, never the living store.
    expect(JSON.stringify(podOf(made.get('Job', 'trdinger-load')))).not.toContain('legacy');
  });

  it('in S3 is read with the credentials that the settings name', async () => {
    const made = await graph(
      { trdinger: { source: 's3://legacy/trdinger', phase: 'load' } },
      {
        archive: 's3://archive/snapshots',
        s3: { endpoint: 'https://s3.example.com', region: 'eu-1', credentialsSecret: 's3' },
      },
    );
    const job = podOf(made.get('Job', 'trdinger-backup'));
    expect(job.containers[0].args).toContain('trdinger=s3://legacy/trdinger');
    expect(job.containers[0].env).toEqual(
      expect.arrayContaining([
        { name: 'CUTOVER_ARCHIVE', value: 's3://archive/snapshots' },
        { name: 'AWS_ENDPOINT_URL_S3', value: 'https://s3.example.com' },
        { name: 'AWS_REGION', value: 'eu-1' },
        { name: 'AWS_SHARED_CREDENTIALS_FILE', value: '/run/cutover/s3/credentials' },
      ]),
    );
    expect(job.volumes).toContainEqual({
      name: expect.any(String),
      secret: { secretName: 's3', defaultMode: 0o440 },
    });
  });
});
