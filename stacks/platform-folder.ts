import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import type { AdminLogin, Platform, PostgresServer, SecretKey } from './platform.ts';

type VolumeProjection = k8s.types.input.core.v1.VolumeProjection;

/** Where a Job finds the folder. */
export const PLATFORM_FOLDER = '/run/cutover/platform';

export interface PlatformFolderArgs {
  readonly namespace: pulumi.Input<string>;
  readonly platform: Platform;
}

/**
 * The servers as Jobs see them: files in the layout of Service Binding, a folder a server. What is in clear lies in one
 * ConfigMap; certificates and logins are projected from the Secrets that have them, so that a Job names Secrets and never
 * holds their content, and a rotated one changes no Job.
 */
export class PlatformFolder extends pulumi.ComponentResource {
  readonly configMap: k8s.core.v1.ConfigMap;
  readonly #files: VolumeProjection[] = [];
  readonly #admin: VolumeProjection[] = [];

  constructor(name: string, args: PlatformFolderArgs, opts?: pulumi.ComponentResourceOptions) {
    super('cutover:jobs:PlatformFolder', name, {}, opts);
    const data: Record<string, pulumi.Input<string>> = {};
    const { postgres, replica, timescale, redis } = args.platform;
    const servers: [string, PostgresServer & { admin?: AdminLogin }][] = [
      ['postgres', postgres],
      ...(replica ? [['replica', replica] as [string, PostgresServer]] : []),
      ['timescale', timescale],
    ];
    for (const [folder, server] of servers) {
      data[`${folder}.host`] = server.host;
      data[`${folder}.port`] = pulumi.interpolate`${server.port}`;
      data[`${folder}.sslmode`] = server.sslmode ?? 'verify-full';
      if ('imagePath' in server.authority) data[`${folder}.ca-path`] = server.authority.imagePath;
      else this.#files.push(fromSecret(server.authority, `${folder}/ca.crt`));
      if (server.admin?.kind === 'secrets-manager') data[`${folder}.secret-arn`] = server.admin.arn;
      if (server.admin?.kind === 'secret') {
        for (const key of ['username', 'password'])
          this.#admin.push(fromSecret({ secret: server.admin.name, key }, `${folder}/${key}`));
      }
    }
    if (redis) {
      data['redis.host'] = redis.host;
      data['redis.port'] = pulumi.interpolate`${redis.port}`;
      data['redis.tls'] = String(redis.tls);
      if (redis.authority && 'imagePath' in redis.authority)
        data['redis.ca-path'] = redis.authority.imagePath;
      else if (redis.authority) this.#admin.push(fromSecret(redis.authority, 'redis/ca.crt'));
      this.#admin.push(fromSecret(redis.password, 'redis/password'));
    }
    this.configMap = new k8s.core.v1.ConfigMap(
      `${name}-servers`,
      { metadata: { name: 'cutover-platform', namespace: args.namespace }, data },
      { parent: this },
    );
    const inClear = (admin: boolean): VolumeProjection => ({
      configMap: {
        name: this.configMap.metadata.name,
        items: Object.keys(data)
          // What only an administrator needs stays away from everybody else, in clear or not.
          .filter((key) => admin || !(key.endsWith('.secret-arn') || key.startsWith('redis.')))
          .map((key) => ({ key, path: key.replace('.', '/') })),
      },
    });
    this.#files.unshift(inClear(false));
    this.#admin.unshift(inClear(true));
    this.registerOutputs({ configMap: this.configMap.metadata.name });
  }

  /** Projections for a Job's volume. @param admin with the login that may create databases and roles */
  files(admin: boolean): VolumeProjection[] {
    return admin ? [this.#admin[0]!, ...this.#files.slice(1), ...this.#admin.slice(1)] : this.#files;
  }
}

export function fromSecret({ secret, key }: SecretKey, path: string): VolumeProjection {
  return { secret: { name: secret, items: [{ key, path }] } };
}
