import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';

const PLUGIN = 'barman-cloud.cloudnative-pg.io';

/** Where the WAL and the base backups of a database go. */
export interface BackupStore {
  /** `s3://BUCKET/PREFIX`. Each namespace and cluster has its folder below. */
  readonly url: pulumi.Input<string>;
  /** Default: AWS S3. */
  readonly endpoint?: pulumi.Input<string>;
  readonly region?: pulumi.Input<string>;
  /** Secret with `access-key-id` and `secret-access-key`; default: the role of the cluster's service account. */
  readonly credentialsSecret?: pulumi.Input<string>;
}

/** Six fields, seconds first: each night at 03:00 UTC. */
const SCHEDULE = '0 0 3 * * *';

/** The part of a `Cluster` that says how it is backed up. */
export function backupOf(store: k8s.apiextensions.CustomResource | undefined): object {
  if (store === undefined)
    // Online, so that neither the primary nor the replica that `verify` reads stops for it. With no class named, that
    // of the driver that is marked as default.
    return { backup: { volumeSnapshot: { online: true } } };
  const parameters = { barmanObjectName: store.metadata.name };
  return { plugins: [{ name: PLUGIN, isWALArchiver: true, parameters }] };
}

/**
 * The `ObjectStore` of CloudNativePG's plugin for Barman Cloud: the operator's own support for object stores goes with
 * its release 1.31, https://cloudnative-pg.io/docs/current/release_notes/v1.30.
 * @param retentionDays window in which every point in time can be restored
 */
export function objectStore(
  name: string,
  namespace: pulumi.Input<string>,
  store: BackupStore,
  retentionDays: number,
  opts: pulumi.CustomResourceOptions,
): k8s.apiextensions.CustomResource {
  const { credentialsSecret, region } = store;
  const key = (key: string) => ({ name: credentialsSecret, key });
  return new k8s.apiextensions.CustomResource(
    name,
    {
      apiVersion: 'barmancloud.cnpg.io/v1',
      kind: 'ObjectStore',
      metadata: { name, namespace },
      spec: {
        retentionPolicy: `${retentionDays}d`,
        configuration: {
          destinationPath: folderOf(store, namespace),
          ...(store.endpoint === undefined ? {} : { endpointURL: store.endpoint }),
          s3Credentials:
            credentialsSecret === undefined
              ? { inheritFromIAMRole: true }
              : { accessKeyId: key('access-key-id'), secretAccessKey: key('secret-access-key') },
          wal: { compression: 'gzip', maxParallel: 2 },
          data: { compression: 'gzip' },
        },
        instanceSidecarConfiguration: {
          ...(region === undefined ? {} : { env: [{ name: 'AWS_DEFAULT_REGION', value: region }] }),
          resources: {
            requests: { cpu: '100m', memory: '256Mi' },
            limits: { cpu: '1', memory: '512Mi' },
          },
        },
      },
    },
    opts,
  );
}

/** One base backup at once, then one a night. Its `Backup` records outlive it. */
export function schedule(
  cluster: string,
  namespace: pulumi.Input<string>,
  archived: boolean,
  opts: pulumi.CustomResourceOptions,
): k8s.apiextensions.CustomResource {
  return new k8s.apiextensions.CustomResource(
    cluster,
    {
      apiVersion: 'postgresql.cnpg.io/v1',
      kind: 'ScheduledBackup',
      metadata: { name: cluster, namespace },
      spec: {
        schedule: SCHEDULE,
        immediate: true,
        cluster: { name: cluster },
        ...(archived
          ? { method: 'plugin', pluginConfiguration: { name: PLUGIN } }
          : { method: 'volumeSnapshot' }),
      },
    },
    opts,
  );
}

/** What somebody who needs a backup has to know, in clear. */
export function described(
  cluster: string,
  namespace: pulumi.Input<string>,
  store: BackupStore | undefined,
  retentionDays: number,
): pulumi.Output<string> {
  return store === undefined
    ? pulumi.output(
        'volume snapshots, nightly at 03:00 UTC, only where the cluster has a CSI driver with VolumeSnapshots and a default ' +
          "VolumeSnapshotClass for it: elsewhere none. Kept until deleted by hand in the cluster's own storage: no " +
          'point-in-time recovery, what was written after a snapshot is lost with the volumes, and all of it with the storage',
      )
    : pulumi.interpolate`${folderOf(store, namespace)}/${cluster}: WAL, and base backups nightly at 03:00 UTC; any point in time of the last ${retentionDays} days`;
}

const folderOf = (store: BackupStore, namespace: pulumi.Input<string>) =>
  pulumi.interpolate`${pulumi.output(store.url).apply((url) => url.replace(/\/+$/, ''))}/${namespace}`;
