import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import type { AdminLogin, PostgresServer } from '../platform.ts';
import { type BackupStore, backupOf, described, objectStore, schedule } from './database-backups.ts';
import { POSTGRES_MAJOR } from './images.ts';
import { OPERATOR_NAMESPACE } from './operators.ts';
import type { PostgresSettings } from './parameters.ts';
import { jobsAndApps } from './pods.ts';

const API = 'postgresql.cnpg.io/v1';

export interface DatabaseClusterArgs {
  /** It must be there already. */
  readonly namespace: pulumi.Input<string>;
  /** Image of PostgreSQL 17 that CloudNativePG can run, by its digest. */
  readonly image: pulumi.Input<string>;
  /** Primary and replicas: 2 or more. */
  readonly instances: number;
  /** Volume of each instance, a quantity of Kubernetes (`20Gi`). */
  readonly storage: string;
  /** What each instance is given and may not exceed. */
  readonly cpu: string;
  readonly memory: string;
  /** Default: the cluster's own default class. */
  readonly storageClass?: string | undefined;
  readonly settings: PostgresSettings;
  readonly backups: {
    /** Default: none, and volume snapshots instead, which go back to no point in time between them. */
    readonly objectStore?: BackupStore | undefined;
    /** Days that any point in time can be restored of; snapshots are never deleted. */
    readonly retentionDays: number;
  };
  /** Annotations of the instances' service account, such as the IAM role that may write to the object store. */
  readonly serviceAccountAnnotations?: Readonly<Record<string, pulumi.Input<string>>>;
  /** false: `pulumi destroy` may delete it, and its volumes with it. */
  readonly protect: boolean;
}

/**
 * A PostgreSQL primary with replicas that CloudNativePG runs: streaming replication, failover, a disruption budget, TLS
 * for every connection, WAL archive and nightly backups. Its name is the cluster's, so two of a name need two
 * namespaces. It costs what its pods and volumes cost.
 *
 * @example
 * const timescale = new DatabaseCluster('timescale', {
 *   namespace: 'cutover', image, ...settings.kubernetes.timescale,
 *   settings: timescaleSettings(settings.kubernetes.timescale.memory),
 *   backups: { objectStore: { url: 's3://wal', region: 'eu-central-1' }, retentionDays: 30 },
 *   serviceAccountAnnotations: { 'eks.amazonaws.com/role-arn': role.arn },
 *   protect: true,
 * }, { provider, dependsOn: operators.ready });
 */
export class DatabaseCluster extends pulumi.ComponentResource {
  /** The primary, whichever instance that is. */
  readonly server: PostgresServer & { readonly admin: AdminLogin };
  /** Any of the replicas. */
  readonly replica: PostgresServer;
  /** Where its backups lie and how far back they go, for people. */
  readonly backups: pulumi.Output<string>;
  /** There when primary and replicas answer. */
  readonly ready: pulumi.Resource;

  constructor(name: string, args: DatabaseClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    super('cutover:kubernetes:DatabaseCluster', name, {}, opts);
    const { namespace } = args;
    const child = { parent: this };
    const { objectStore: store, retentionDays } = args.backups;
    const archive = store && objectStore(name, namespace, store, retentionDays, child);
    const catalog = this.#catalog(name, args);
    const policy = this.#policy(name, namespace);
    const cluster = this.#cluster(name, args, archive, [catalog, policy]);
    schedule(name, namespace, archive !== undefined, { parent: this, dependsOn: cluster });

    // The operator makes these Services and Secrets; the name that it was given comes first, so that nobody is early.
    const server = (service: string): PostgresServer => ({
      host: pulumi.interpolate`${cluster.metadata.name}-${service}.${namespace}.svc`,
      port: pulumi.output(5432),
      sslmode: 'verify-full',
      authority: { secret: pulumi.interpolate`${cluster.metadata.name}-ca`, key: 'ca.crt' },
    });
    const login = pulumi.interpolate`${cluster.metadata.name}-superuser`;
    this.server = { ...server('rw'), admin: { kind: 'secret', name: login } };
    this.replica = server('ro');
    this.backups = described(name, namespace, store, retentionDays);
    this.ready = cluster;
    this.registerOutputs({ host: this.server.host, replica: this.replica.host, backups: this.backups });
  }

  /** A catalog says the major version of an image that is known by its digest alone, which the operator can't tell. */
  #catalog(name: string, args: DatabaseClusterArgs): pulumi.Resource {
    return new k8s.apiextensions.CustomResource(
      name,
      {
        apiVersion: API,
        kind: 'ImageCatalog',
        metadata: { name, namespace: args.namespace },
        spec: { images: [{ major: POSTGRES_MAJOR, image: args.image }] },
      },
      { parent: this },
    );
  }

  /** Whoever deletes the `Cluster` deletes its volumes: the operator makes it their owner. */
  #cluster(
    name: string,
    args: DatabaseClusterArgs,
    archive: k8s.apiextensions.CustomResource | undefined,
    dependsOn: pulumi.Resource[],
  ): k8s.apiextensions.CustomResource {
    const { instances, storage, storageClass, settings, serviceAccountAnnotations } = args;
    const limits = { cpu: args.cpu, memory: args.memory };
    return new k8s.apiextensions.CustomResource(
      name,
      {
        apiVersion: API,
        kind: 'Cluster',
        metadata: {
          name,
          namespace: args.namespace,
          annotations: { 'pulumi.com/waitFor': 'condition=Ready' },
        },
        spec: {
          instances,
          imageCatalogRef: {
            apiGroup: 'postgresql.cnpg.io',
            kind: 'ImageCatalog',
            name,
            major: POSTGRES_MAJOR,
          },
          enableSuperuserAccess: true,
          // Databases inherit it. Without the ctype, pg_trgm sees no Japanese.
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
            shared_preload_libraries: settings.preload,
            parameters: settings.parameters,
            // The operator adds a last rule that also admits connections without TLS: they don't get that far.
            pg_hba: ['hostssl all all all scram-sha-256', 'host all all all reject'],
          },
          storage: { size: storage, ...(storageClass === undefined ? {} : { storageClass }) },
          resources: { requests: limits, limits },
          affinity: {
            enablePodAntiAffinity: true,
            podAntiAffinityType: 'preferred',
            topologyKey: 'kubernetes.io/hostname',
          },
          ...backupOf(archive),
          ...(serviceAccountAnnotations === undefined
            ? {}
            : { serviceAccountTemplate: { metadata: { annotations: serviceAccountAnnotations } } }),
        },
      },
      { parent: this, dependsOn, protect: args.protect, customTimeouts: { create: '20m', update: '20m' } },
    );
  }

  /** Admits Jobs and applications, the instances themselves and the operator; nobody else. */
  #policy(name: string, namespace: pulumi.Input<string>): pulumi.Resource {
    const instances = { matchLabels: { 'cnpg.io/cluster': name } };
    const postgres = { port: 5432 };
    const status = { port: 8000 };
    return new k8s.networking.v1.NetworkPolicy(
      name,
      {
        metadata: { name, namespace },
        spec: {
          podSelector: instances,
          policyTypes: ['Ingress'],
          ingress: [
            { from: [jobsAndApps], ports: [postgres] },
            { from: [{ podSelector: instances }], ports: [postgres, status] },
            {
              // Both ports: https://cloudnative-pg.io/docs/current/networking
              from: [
                {
                  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': OPERATOR_NAMESPACE } },
                  podSelector: { matchLabels: { 'app.kubernetes.io/name': 'cloudnative-pg' } },
                },
              ],
              ports: [postgres, status],
            },
          ],
        },
      },
      { parent: this },
    );
  }
}
