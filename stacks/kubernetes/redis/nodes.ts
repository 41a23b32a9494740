import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { REDIS_IMAGE } from '../images.ts';
import { restrictedContainer, restrictedPod } from '../pods.ts';
import { mebibytes } from '../quantity.ts';
import { TLS_SECRET } from './tls.ts';

/** Three masters, each with one replica: the least that survives the loss of any node. */
export const NODE_COUNT = 6;

/** Secret with `password`, and with the same as directives of Redis in `auth.conf`. */
export const AUTH_SECRET = 'redis-auth';

/** The StatefulSet, and the Service for clients. */
export const NAME = 'redis';
/** The headless Service, which gives each node its name. */
export const NODES = 'redis-nodes';
export const LABELS = { 'app.kubernetes.io/name': NAME };
/** Id of the image's user `redis`. */
export const USER = 999;
/** What the scripts need to know. */
export const scriptEnv = (namespace: pulumi.Input<string>) => [
  { name: 'REDIS_NODES', value: String(NODE_COUNT) },
  { name: 'REDIS_DOMAIN', value: pulumi.interpolate`${NODES}.${namespace}.svc` },
];

const SCRIPTS = 'redis-scripts';
const file = (name: string) => readFileSync(new URL(name, import.meta.url), 'utf8');

/** The folder `/scripts`: how a node is configured, asked whether it is ready, and made part of a cluster. */
export function scripts(
  namespace: pulumi.Input<string>,
  memory: string,
  opts: pulumi.CustomResourceOptions,
): { readonly map: k8s.core.v1.ConfigMap; readonly hash: string } {
  const data = {
    // The rest of the limit is for what is copied while the append-only file is rewritten, and for replicas' buffers.
    'redis.conf': `${file('redis.conf')}\nmaxmemory ${mebibytes(memory, 0.6)}mb\n`,
    'ready.sh': file('ready.sh'),
    'create.sh': file('create.sh'),
  };
  const map = new k8s.core.v1.ConfigMap(SCRIPTS, { metadata: { name: SCRIPTS, namespace }, data }, opts);
  return { map, hash: createHash('sha256').update(JSON.stringify(data)).digest('hex') };
}

export const scriptsVolume = { name: 'scripts', configMap: { name: SCRIPTS, defaultMode: 0o555 } };
export const scriptsMount = { name: 'scripts', mountPath: '/scripts', readOnly: true };
export const authMount = { name: 'auth', mountPath: '/auth', readOnly: true };
export const tlsMount = { name: 'tls', mountPath: '/tls', readOnly: true };

/** A Secret's keys as files that only the pod's group reads. */
export const secretVolume = (name: string, secretName: string, ...keys: string[]) => ({
  name,
  secret: { secretName, defaultMode: 0o440, items: keys.map((key) => ({ key, path: key })) },
});

export interface NodesArgs {
  readonly namespace: pulumi.Input<string>;
  readonly storage: string;
  readonly storageClass?: string | undefined;
  readonly memory: string;
  /** Of what /scripts holds: a change of it restarts the nodes, one after the other. */
  readonly hash: string;
}

/** The nodes, which are no cluster yet. Their volumes outlive them, though not the namespace. */
export function nodes(args: NodesArgs, opts: pulumi.CustomResourceOptions): k8s.apps.v1.StatefulSet {
  const { namespace, memory, storageClass } = args;
  const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  return new k8s.apps.v1.StatefulSet(
    NAME,
    {
      metadata: { name: NAME, namespace, labels: LABELS },
      spec: {
        serviceName: NODES,
        replicas: NODE_COUNT,
        // No node is ready before most of them are there.
        podManagementPolicy: 'Parallel',
        selector: { matchLabels: LABELS },
        template: {
          metadata: { labels: LABELS, annotations: { 'cutover.dev/scripts': args.hash } },
          spec: {
            automountServiceAccountToken: false,
            enableServiceLinks: false,
            securityContext: restrictedPod(USER),
            affinity: {
              podAntiAffinity: {
                preferredDuringSchedulingIgnoredDuringExecution: [
                  {
                    weight: 100,
                    podAffinityTerm: {
                      labelSelector: { matchLabels: LABELS },
                      topologyKey: 'kubernetes.io/hostname',
                    },
                  },
                ],
              },
            },
            containers: [
              {
                name: NAME,
                image: REDIS_IMAGE,
                command: [
                  'redis-server',
                  '/scripts/redis.conf',
                  ...['--cluster-announce-ip', '$(POD_IP)'],
                  ...['--cluster-announce-hostname', '$(POD_NAME).$(REDIS_DOMAIN)'],
                ],
                env: [
                  field('POD_NAME', 'metadata.name'),
                  field('POD_IP', 'status.podIP'),
                  ...scriptEnv(namespace),
                ],
                ports: [
                  { name: 'redis', containerPort: 6379 },
                  { name: 'bus', containerPort: 16379 },
                ],
                readinessProbe: {
                  exec: { command: ['/scripts/ready.sh'] },
                  periodSeconds: 5,
                  timeoutSeconds: 5,
                },
                // A node that loads its data is alive.
                livenessProbe: { tcpSocket: { port: 'redis' }, periodSeconds: 10, failureThreshold: 6 },
                resources: { requests: { cpu: '100m', memory }, limits: { cpu: '1', memory } },
                securityContext: restrictedContainer,
                volumeMounts: [{ name: 'data', mountPath: '/data' }, scriptsMount, authMount, tlsMount],
              },
            ],
            volumes: [
              scriptsVolume,
              secretVolume('auth', AUTH_SECRET, 'password', 'auth.conf'),
              secretVolume('tls', TLS_SECRET, 'ca.crt', 'tls.crt', 'tls.key'),
            ],
          },
        },
        volumeClaimTemplates: [
          {
            metadata: { name: 'data' },
            spec: {
              accessModes: ['ReadWriteOnce'],
              resources: { requests: { storage: args.storage } },
              ...(storageClass === undefined ? {} : { storageClassName: storageClass }),
            },
          },
        ],
      },
    },
    // Kubernetes takes no other template for a StatefulSet that is there: a volume is enlarged at its claim.
    { ...opts, ignoreChanges: ['spec.volumeClaimTemplates'] },
  );
}
