import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { roleName } from '../jobs/database.ts';
import type { SystemMapping } from '../jobs/engine/mapping.ts';
import { PHASE_RULES } from './phases.ts';
import type { Platform } from './platform.ts';
import type { Roles } from './roles.ts';
import type { Phase } from './settings.ts';

export interface BindingArgs {
  readonly namespace: pulumi.Input<string>;
  readonly platform: Platform;
  /** The systems of one legacy store. */
  readonly systems: readonly SystemMapping[];
  readonly roles: Roles;
  readonly phase: Phase;
  /** The jobs that a gated phase waits for. */
  readonly proofs: readonly pulumi.Resource[];
}

/**
 * What the applications of one store read: the switch, a ConfigMap with `READ_FROM`, `WRITE_TO` and `DATABASE_TYPE`; and,
 * once they may write to a database, a Secret for each in the layout of Service Binding.
 * In a gated phase both wait for the proofs, so a verification that fails leaves them as they were.
 */
export class Binding extends pulumi.ComponentResource {
  readonly configMap: k8s.core.v1.ConfigMap;
  readonly secrets: readonly k8s.core.v1.Secret[];

  constructor(name: string, args: BindingArgs, opts?: pulumi.ComponentResourceOptions) {
    super('cutover:jobs:Binding', name, {}, opts);
    const { namespace, phase } = args;
    const rules = PHASE_RULES[phase];
    if (rules.gated && args.proofs.length === 0)
      throw new Error(`${name}: phase ${phase} has no proof to wait for`);
    const gate = { parent: this, ...(rules.gated && { dependsOn: [...args.proofs] }) };
    this.secrets =
      rules.switch.WRITE_TO === 'file'
        ? []
        : args.systems.map(
            (system) =>
              new k8s.core.v1.Secret(
                `${system.name}-binding`,
                {
                  metadata: { name: `${system.name}-binding`, namespace },
                  type: 'servicebinding.io/postgresql',
                  stringData: serviceBinding(args, system),
                },
                gate,
              ),
          );
    this.configMap = new k8s.core.v1.ConfigMap(
      name,
      { metadata: { name, namespace }, data: { PHASE: phase, ...rules.switch } },
      gate,
    );
    this.registerOutputs({ configMap: this.configMap.metadata.name });
  }
}

/** https://servicebinding.io/spec/core/1.1.0/: type, provider, host, port, username, password, uri; with DATABASE_URL beside them. */
function serviceBinding({ platform, roles }: BindingArgs, system: SystemMapping) {
  const { host, port } = platform[system.server];
  const username = roleName(system, 'readwrite');
  const password = roles.password(system, 'readwrite');
  const uri = connectionString(platform, roles, system, 'readwrite');
  return {
    type: 'postgresql',
    provider: 'cutover',
    host,
    port: pulumi.interpolate`${port}`,
    database: system.database,
    username,
    password,
    uri,
    DATABASE_URL: uri,
  };
}

/** URL of a system's database for one of its roles. A Pulumi secret. */
export function connectionString(
  platform: Platform,
  roles: Roles,
  system: SystemMapping,
  kind: 'owner' | 'readonly' | 'readwrite',
): pulumi.Output<string> {
  const { host, port, sslmode = 'verify-full' } = platform[system.server];
  const role = roleName(system, kind);
  return pulumi.secret(
    pulumi.interpolate`postgresql://${role}:${roles.password(system, kind)}@${host}:${port}/${system.database}?sslmode=${sslmode}`,
  );
}
