import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import * as random from '@pulumi/random';
import type { Authority, SecretKey, RedisCluster as Server } from '../../platform.ts';
import { jobsAndApps } from '../pods.ts';
import { create } from './create.ts';
import { AUTH_SECRET, LABELS, NAME, NODES, nodes, scripts } from './nodes.ts';
import { redisCertificate, TLS_SECRET } from './tls.ts';

const PORT = 6379;
const BUS_PORT = 16379;

export interface RedisClusterArgs {
  /** It must be there already, and cert-manager too. */
  readonly namespace: pulumi.Input<string>;
  /** Volume of each of the 6 nodes, a quantity of Kubernetes (`2Gi`). */
  readonly storage: string;
  /** Limit of each node; 60 % of it holds data. */
  readonly memory: string;
  /** Default: the cluster's own default class. */
  readonly storageClass?: string | undefined;
  /** false: `pulumi destroy` may delete the nodes; their volumes stay as long as the namespace does. */
  readonly protect: boolean;
}

/**
 * A Redis cluster of three masters and three replicas: TLS only, with a password, on an append-only file, and never
 * dropping a key to make room. Its objects have fixed names: one of it in a namespace.
 *
 * @example
 * const redis = new RedisCluster('redis', { namespace: 'cutover', storage: '2Gi', memory: '512Mi', protect: true },
 *   { provider, dependsOn: operators.ready });
 */
export class RedisCluster extends pulumi.ComponentResource implements Server {
  readonly host: pulumi.Output<string>;
  readonly port: pulumi.Output<number>;
  readonly tls = true;
  readonly authority: Authority;
  readonly password: SecretKey;
  readonly passwordValue: pulumi.Output<string>;
  /** There when all slots are served and each master has its replica. */
  readonly ready: pulumi.Resource;

  constructor(name: string, args: RedisClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    super('cutover:kubernetes:RedisCluster', name, {}, opts);
    const { namespace } = args;
    const child = { parent: this };
    const password = new random.RandomPassword(AUTH_SECRET, { length: 40, special: false }, child);
    this.passwordValue = pulumi.secret(password.result);
    const auth = this.#auth(namespace);
    const certificate = redisCertificate(
      namespace,
      [
        'localhost',
        ...[NAME, NODES, `*.${NODES}`].flatMap((service) => [
          pulumi.interpolate`${service}.${namespace}.svc`,
          pulumi.interpolate`${service}.${namespace}.svc.cluster.local`,
        ]),
      ],
      child,
    );
    const { map, hash } = scripts(namespace, args.memory, child);
    const around = [auth, certificate, map, ...this.#network(namespace)];
    const set = nodes({ ...args, hash }, { parent: this, dependsOn: around, protect: args.protect });
    this.ready = create(namespace, { parent: this, dependsOn: set });

    this.host = pulumi.interpolate`${NAME}.${namespace}.svc`;
    this.port = pulumi.output(PORT);
    this.authority = { secret: TLS_SECRET, key: 'ca.crt' };
    this.password = { secret: auth.metadata.name, key: 'password' };
    this.registerOutputs({ host: this.host, port: this.port });
  }

  #auth(namespace: pulumi.Input<string>): k8s.core.v1.Secret {
    const password = this.passwordValue;
    return new k8s.core.v1.Secret(
      AUTH_SECRET,
      {
        metadata: { name: AUTH_SECRET, namespace },
        stringData: {
          password,
          'auth.conf': pulumi.interpolate`requirepass ${password}\nmasterauth ${password}\n`,
        },
      },
      { parent: this },
    );
  }

  #network(namespace: pulumi.Input<string>): pulumi.Resource[] {
    const child = { parent: this };
    const metadata = (name: string) => ({ name, namespace, labels: LABELS });
    const port = { name: 'redis', port: PORT, targetPort: 'redis' };
    return [
      new k8s.core.v1.Service(
        NODES,
        {
          metadata: metadata(NODES),
          spec: {
            clusterIP: 'None',
            selector: LABELS,
            // Nodes find each other before they are ready, or they never would be.
            publishNotReadyAddresses: true,
            ports: [port, { name: 'bus', port: BUS_PORT, targetPort: 'bus' }],
          },
        },
        child,
      ),
      new k8s.core.v1.Service(
        NAME,
        { metadata: metadata(NAME), spec: { selector: LABELS, ports: [port] } },
        child,
      ),
      new k8s.policy.v1.PodDisruptionBudget(
        NAME,
        { metadata: metadata(NAME), spec: { maxUnavailable: 1, selector: { matchLabels: LABELS } } },
        child,
      ),
      new k8s.networking.v1.NetworkPolicy(
        NAME,
        {
          metadata: metadata(NAME),
          spec: {
            podSelector: { matchLabels: LABELS },
            policyTypes: ['Ingress'],
            ingress: [
              { from: [jobsAndApps], ports: [{ port: PORT }] },
              {
                from: [{ podSelector: { matchLabels: LABELS } }],
                ports: [{ port: PORT }, { port: BUS_PORT }],
              },
            ],
          },
        },
        child,
      ),
    ];
  }
}
