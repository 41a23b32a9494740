import * as aws from '@pulumi/aws';
import type * as k8s from '@pulumi/kubernetes';
import type * as pulumi from '@pulumi/pulumi';
import { AwsPlatform, type WalArchive } from './aws/index.ts';
import { ExternalPlatform } from './external/index.ts';
import { DatabaseCluster } from './kubernetes/database-cluster.ts';
import { timescaleImage } from './kubernetes/images.ts';
import { KubernetesPlatform } from './kubernetes/index.ts';
import { Operators } from './kubernetes/operators.ts';
import { timescaleSettings } from './kubernetes/parameters.ts';
import { ADMINISTRATOR, METRICS } from './migrations.ts';
import type { Platform } from './platform.ts';
import { LEAST_RETENTION, type Settings } from './settings.ts';

/** Name of TimescaleDB's cluster, and so of its pods' service account. */
const TIMESCALE = 'timescale';

/** The platform that the settings ask for. @param provider of the cluster that the jobs run on */
export function platformOf(
  settings: Settings,
  namespace: pulumi.Input<string>,
  provider: k8s.Provider,
): Platform {
  const opts = { providers: { kubernetes: provider } };
  if (settings.platform === 'external')
    return new ExternalPlatform('external', { namespace, servers: settings.external! }, opts);
  if (settings.platform === 'kubernetes')
    return new KubernetesPlatform('platform', { settings, namespace }, opts);
  return new AwsPlatform(
    'cutover',
    {
      settings,
      namespace,
      timescale: (wal) => timescaleOnCluster(settings, namespace, wal, opts),
      serviceAccounts: { jobs: ADMINISTRATOR, metrics: METRICS, timescale: TIMESCALE },
    },
    opts,
  );
}

/** RDS has no TimescaleDB, so it runs beside the jobs and archives to the bucket of the platform. */
function timescaleOnCluster(
  settings: Settings,
  namespace: pulumi.Input<string>,
  wal: WalArchive,
  opts: pulumi.ComponentResourceOptions,
): Pick<Platform, 'timescale' | 'backups' | 'ready'> {
  const { kubernetes, protect, environment } = settings;
  const operators = new Operators('operators', { operators: kubernetes.operators, archives: true }, opts);
  const cluster = new DatabaseCluster(
    TIMESCALE,
    {
      ...kubernetes.timescale,
      namespace,
      image: timescaleImage(settings),
      storageClass: kubernetes.storageClass,
      settings: timescaleSettings(kubernetes.timescale.memory),
      backups: {
        objectStore: { url: wal.url, region: aws.getRegionOutput().region },
        retentionDays: settings.aws.backups.retentionDays ?? LEAST_RETENTION[environment],
      },
      serviceAccountAnnotations: wal.serviceAccountAnnotations,
      protect,
    },
    { ...opts, dependsOn: [...operators.ready] },
  );
  return { timescale: cluster.server, backups: { timescale: cluster.backups }, ready: [cluster.ready] };
}
