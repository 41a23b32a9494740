import type * as k8s from '@pulumi/kubernetes';
import type * as pulumi from '@pulumi/pulumi';

type Spec = k8s.types.input.core.v1.PodSpec;
type Container = k8s.types.input.core.v1.Container;

/** The login `node` of the jobs' image. */
const UID = 1000;

/** Labels by which policies know a Job's pod. */
export const JOB_LABELS = { 'app.kubernetes.io/name': 'cutover', 'cutover.dev/role': 'job' } as const;

export interface JobPodArgs {
  readonly image: pulumi.Input<string>;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, pulumi.Input<string>>>;
  readonly serviceAccountName: pulumi.Input<string>;
  /** Gives the pod its account's token; only for one that speaks to the cluster. Default: false. */
  readonly token?: boolean;
  /** Room in memory; the limit, too, as a job's memory is flat. Default: 512Mi. */
  readonly memory?: string;
  readonly volumes: readonly {
    readonly mountPath: string;
    readonly readOnly?: boolean;
    readonly volume: Omit<k8s.types.input.core.v1.Volume, 'name'>;
  }[];
}

/** The pod of a job: without any right on the node, with limits, and nothing to write to but its volumes. */
export function jobPod(args: JobPodArgs): Spec {
  const volumes = args.volumes.map((each, at) => ({ ...each, name: `v${at}` }));
  const container: Container = {
    name: 'cutover',
    image: args.image,
    args: [...args.args],
    env: Object.entries({ ...args.env }).map(([name, value]) => ({ name, value })),
    resources: {
      requests: { cpu: '250m', memory: args.memory ?? '512Mi' },
      limits: { cpu: '2', memory: args.memory ?? '512Mi', 'ephemeral-storage': '1Gi' },
    },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    // The reason is what a job writes last, so `pulumi up` says it.
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: [
      ...volumes.map(({ name, mountPath, readOnly }) => ({
        name,
        mountPath,
        ...(readOnly && { readOnly }),
      })),
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
  return {
    serviceAccountName: args.serviceAccountName,
    automountServiceAccountToken: args.token ?? false,
    // Variables of other services are no business of a job.
    enableServiceLinks: false,
    restartPolicy: 'Never',
    securityContext: {
      runAsNonRoot: true,
      runAsUser: UID,
      runAsGroup: UID,
      fsGroup: UID,
      fsGroupChangePolicy: 'OnRootMismatch',
      seccompProfile: { type: 'RuntimeDefault' },
    },
    containers: [container],
    volumes: [
      ...volumes.map(({ name, volume }) => ({ name, ...volume })),
      { name: 'tmp', emptyDir: { sizeLimit: '512Mi' } },
    ],
  };
}
