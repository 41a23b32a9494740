import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';

export interface VerificationArgs {
  readonly namespace: pulumi.Input<string>;
}

/**
 * Where a store's verification says what it found: a ConfigMap, and an account that may change this one object and nothing
 * else.
 */
export class Verification extends pulumi.ComponentResource {
  readonly configMap: k8s.core.v1.ConfigMap;
  readonly serviceAccount: k8s.core.v1.ServiceAccount;

  constructor(
    private readonly name: string,
    private readonly args: VerificationArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super('cutover:jobs:Verification', name, {}, opts);
    const { namespace } = args;
    const metadata = { name, namespace };
    // RBAC can't limit by name who creates, so the object is made here and the job only changes it.
    this.configMap = new k8s.core.v1.ConfigMap(
      name,
      { metadata, data: { result: 'none' } },
      { parent: this, ignoreChanges: ['data'] },
    );
    this.serviceAccount = new k8s.core.v1.ServiceAccount(
      name,
      { metadata, automountServiceAccountToken: false },
      { parent: this },
    );
    const role = new k8s.rbac.v1.Role(
      name,
      {
        metadata,
        rules: [
          { apiGroups: [''], resources: ['configmaps'], resourceNames: [name], verbs: ['get', 'patch'] },
        ],
      },
      { parent: this },
    );
    new k8s.rbac.v1.RoleBinding(
      name,
      {
        metadata,
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: role.metadata.name },
        subjects: [{ kind: 'ServiceAccount', name: this.serviceAccount.metadata.name, namespace }],
      },
      { parent: this },
    );
    this.registerOutputs({ configMap: this.configMap.metadata.name });
  }

  /** What the verification of `job` published. Unknown as long as the Job has not run, so that a first preview works. */
  resultOf(job: k8s.batch.v1.Job): pulumi.Output<Record<string, string>> {
    // The id is derived from the Job's status: it is known when the Job has ended, and the object is read after that.
    const id = pulumi
      .all([this.args.namespace, job.status])
      .apply(([namespace, status]) => (status ? `${namespace}/${this.name}` : ''));
    const published = k8s.core.v1.ConfigMap.get(`${this.name}-result`, id, { parent: this });
    return published.data;
  }
}
