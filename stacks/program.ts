import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { SYSTEMS, storeOf } from '../jobs/systems/index.ts';
import { connectionString } from './bindings.ts';
import { jobsImage } from './image.ts';
import { Migrations } from './migrations.ts';
import type { Platform } from './platform.ts';
import { platformOf } from './platforms.ts';
import type { Settings } from './settings.ts';

/** A stack: settings → platform → migrations → outputs. */
export function program(settings: Settings) {
  const provider = new k8s.Provider('cluster', {
    context: settings[settings.platform === 'external' ? 'external' : 'kubernetes']?.context,
    // Else a Secret whose data changes is replaced, and every Job that names it runs again.
    enableSecretMutable: true,
    enableConfigMapMutable: true,
  });
  const opts = { provider };
  const namespace = namespaceOf(settings, opts);
  const platform = platformOf(settings, namespace, provider);
  const image = jobsImage(settings);
  const migrations = new Migrations('migrations', { namespace, platform, image, settings }, opts);
  return outputsOf(settings, platform, migrations);
}

/** The namespace, in which nothing may run that has more rights than a job. */
function namespaceOf(settings: Settings, opts: pulumi.CustomResourceOptions): pulumi.Input<string> {
  if (!settings.createNamespace) return settings.namespace;
  const namespace = new k8s.core.v1.Namespace(
    'namespace',
    {
      metadata: {
        name: settings.namespace,
        labels: {
          'pod-security.kubernetes.io/enforce': 'restricted',
          'pod-security.kubernetes.io/enforce-version': 'latest',
        },
      },
    },
    // It goes with all that lies in it.
    { ...opts, protect: settings.protect },
  );
  return namespace.metadata.name;
}

/** What `pulumi stack output` says: hosts and ports in clear, connection strings as secrets. */
function outputsOf(settings: Settings, platform: Platform, migrations: Migrations) {
  const place = ({ host, port }: { host: pulumi.Input<string>; port: pulumi.Input<number> }) =>
    pulumi.interpolate`${host}:${port}`;
  const { postgres, replica, timescale, redis } = platform;
  const archive = settings.archive ?? platform.archive;
  const databases = SYSTEMS.filter((system) => storeOf(system) in settings.systems).map((system) => {
    const roles = migrations.roles[storeOf(system)]!;
    const url = (kind: 'owner' | 'readonly' | 'readwrite') => connectionString(platform, roles, system, kind);
    return [system.name, { owner: url('owner'), readonly: url('readonly'), readwrite: url('readwrite') }];
  });
  return {
    servers: {
      postgres: place(postgres),
      ...(replica && { replica: place(replica) }),
      timescale: place(timescale),
      ...(redis && { redis: place(redis) }),
    },
    databases: Object.fromEntries(databases),
    ...(redis && {
      redisUrl: pulumi.secret(
        pulumi.interpolate`${redis.tls ? 'rediss' : 'redis'}://default:${redis.passwordValue}@${place(redis)}`,
      ),
    }),
    backups: { ...platform.backups, ...(archive && { snapshots: archive }) },
    systems: migrations.outputs,
  };
}

/**
 * The stack's config as `parseSettings` takes it: Pulumi has every value as a text, objects and arrays as JSON.
 * @param values keys with their namespace
 */
export function configOf(values: Readonly<Record<string, string>>): Record<string, unknown> {
  const own = Object.entries(values)
    .filter(([key]) => key.startsWith('cutover:'))
    .map(([key, value]) => [key.slice('cutover:'.length), fromText(value)] as const);
  return Object.fromEntries(own.filter(([, value]) => !isEmpty(value)));
}

/** What Pulumi.yaml has as the default of a key that may be left out. */
function isEmpty(value: unknown): boolean {
  return value === '' || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
}

function fromText(value: string): unknown {
  try {
    const parsed = JSON.parse(value);
    // A name may look like a number.
    return typeof parsed === 'object' || typeof parsed === 'boolean' ? parsed : value;
  } catch {
    return value;
  }
}
