import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';

/**
 * Namespace of CloudNativePG, its default, where it is installed and where it must be if it is there already: the
 * databases' network policies admit it from there only.
 */
export const OPERATOR_NAMESPACE = 'cnpg-system';

const CNPG_CHARTS = 'https://cloudnative-pg.github.io/charts';

const resources = {
  requests: { cpu: '50m', memory: '128Mi' },
  limits: { cpu: '500m', memory: '512Mi' },
};

export interface OperatorsArgs {
  /** `install`: as Helm releases; `present`: somebody else did, and nothing is made. */
  readonly operators: 'install' | 'present';
  /** Whether a database archives to an object store, which needs the plugin for Barman Cloud. */
  readonly archives: boolean;
}

/**
 * What the platform's custom resources need on a cluster: CloudNativePG, cert-manager, and CloudNativePG's plugin for
 * Barman Cloud. Helm keeps their CRDs, and with them the databases, when a release is uninstalled.
 *
 * @example
 * const operators = new Operators('operators', { operators: 'install', archives: true }, { provider });
 * new DatabaseCluster('timescale', args, { provider, dependsOn: operators.ready });
 */
export class Operators extends pulumi.ComponentResource {
  /** What custom resources wait for; empty when the operators were there. */
  readonly ready: readonly pulumi.Resource[];

  constructor(name: string, args: OperatorsArgs, opts?: pulumi.ComponentResourceOptions) {
    super('cutover:kubernetes:Operators', name, {}, opts);
    this.ready = args.operators === 'present' ? [] : this.#install(args.archives);
    this.registerOutputs();
  }

  #install(archives: boolean): pulumi.Resource[] {
    const certManager = new k8s.helm.v3.Release(
      'cert-manager',
      {
        ...release('cert-manager', '1.21.1', 'https://charts.jetstack.io', 'cert-manager'),
        values: {
          crds: { enabled: true },
          resources,
          webhook: { resources },
          cainjector: { resources },
          startupapicheck: { resources },
        },
      },
      { parent: this },
    );
    const cnpg = new k8s.helm.v3.Release(
      'cloudnative-pg',
      { ...release('cloudnative-pg', '0.29.0', CNPG_CHARTS, OPERATOR_NAMESPACE), values: { resources } },
      { parent: this },
    );
    if (!archives) return [certManager, cnpg];
    const barman = new k8s.helm.v3.Release(
      'plugin-barman-cloud',
      { ...release('plugin-barman-cloud', '0.7.0', CNPG_CHARTS, OPERATOR_NAMESPACE), values: { resources } },
      // Its certificates are cert-manager's, and it must be in the operator's namespace.
      { parent: this, dependsOn: [certManager, cnpg] },
    );
    return [certManager, cnpg, barman];
  }
}

/** Charts by their exact version, which names the version of every image in them. */
function release(chart: string, version: string, repo: string, namespace: string) {
  return { name: chart, chart, version, repositoryOpts: { repo }, namespace, createNamespace: true };
}
