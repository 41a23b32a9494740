import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import * as random from '@pulumi/random';
import { ROLE_KINDS, type RoleKind, roleName } from '../jobs/database.ts';
import type { SystemMapping } from '../jobs/engine/mapping.ts';

export interface RolesArgs {
  readonly namespace: pulumi.Input<string>;
  /** The systems of one legacy store. */
  readonly systems: readonly SystemMapping[];
}

/** Passwords of the database roles of one store, in one Secret with a key a role. `provision` gives the roles theirs. */
export class Roles extends pulumi.ComponentResource {
  readonly secret: k8s.core.v1.Secret;
  /** Names of all roles, which are the Secret's keys. */
  readonly names: readonly string[];
  readonly #passwords = new Map<string, pulumi.Output<string>>();

  constructor(name: string, args: RolesArgs, opts?: pulumi.ComponentResourceOptions) {
    super('cutover:jobs:Roles', name, {}, opts);
    for (const system of args.systems) {
      for (const kind of ROLE_KINDS) {
        const role = roleName(system, kind);
        // Letters and digits: nothing to quote in a URL or in SQL. 32 of them are 190 bits.
        const password = new random.RandomPassword(role, { length: 32, special: false }, { parent: this });
        this.#passwords.set(role, password.result);
      }
    }
    this.names = [...this.#passwords.keys()];
    this.secret = new k8s.core.v1.Secret(
      name,
      {
        metadata: { name, namespace: args.namespace },
        stringData: Object.fromEntries(this.#passwords),
      },
      { parent: this },
    );
    this.registerOutputs({ secret: this.secret.metadata.name });
  }

  /** A Pulumi secret. */
  password(system: SystemMapping, kind: RoleKind): pulumi.Output<string> {
    return this.#passwords.get(roleName(system, kind))!;
  }

  /** Projections of these roles' passwords, as the jobs read them. */
  files(kinds: readonly RoleKind[]): k8s.types.input.core.v1.VolumeProjection {
    const items = this.names
      .filter((role) => kinds.some((kind) => role.endsWith(`_${kind}`)))
      .map((role) => ({ key: role, path: `roles/${role}` }));
    return { secret: { name: this.secret.metadata.name, items } };
  }
}
