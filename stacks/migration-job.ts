import { createHash } from 'node:crypto';
import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { JOB_LABELS, type JobPodArgs, jobPod } from './pods.ts';

export interface MigrationJobArgs {
  readonly namespace: pulumi.Input<string>;
  readonly pod: JobPodArgs;
  /** Labels that say which job it is. */
  readonly labels: Readonly<Record<string, string>>;
  /** What makes it run again beside its own command and image: generation, phase, SQL, the triggers of those before it. */
  readonly trigger: Readonly<Record<string, pulumi.Input<string | number>>>;
  /** Seconds after which Kubernetes ends it. Default: 6 hours. */
  readonly deadlineSeconds?: number;
  /** How often a pod that failed is followed by another. Default: 2: a job goes on where the last one was. */
  readonly backoffLimit?: number;
  /**
   * Pods that do it together, each told by Kubernetes which it is (JOB_COMPLETION_INDEX). All run on one node: their volume
   * is one that a single node mounts (ReadWriteOnce). Default: 1.
   */
  readonly pods?: number;
  /**
   * Runs once and never again, whatever changes; for a job that must not meet the target a second time. Its name has what
   * it is for. Default: false.
   */
  readonly once?: boolean;
}

const HOURS = 3600;

/**
 * One job of a migration as a Kubernetes Job that runs when it should and only then. A Job is replaced, and so runs again,
 * for any change of its pod template; what else may make it run is in an explicit trigger.
 *
 * @example
 * new MigrationJob('trdinger-load', { namespace, pod, labels, trigger: { generation: 1 } }, { dependsOn: [backup] });
 */
export class MigrationJob extends pulumi.ComponentResource {
  readonly job: k8s.batch.v1.Job;
  /** Hash of all that makes it run, for those that follow it. */
  readonly trigger: pulumi.Output<string>;

  constructor(name: string, args: MigrationJobArgs, opts?: pulumi.ComponentResourceOptions) {
    super('cutover:jobs:MigrationJob', name, {}, opts);
    this.trigger = pulumi
      .all([args.pod.image, args.trigger])
      .apply(([image, trigger]) => hashOf([image, args.pod.args, trigger]));
    const deadline = args.deadlineSeconds ?? 6 * HOURS;
    const labels = { ...JOB_LABELS, ...args.labels };
    const pods = args.pods ?? 1;
    this.job = new k8s.batch.v1.Job(
      name,
      {
        // No name: a new Job may begin while the one that it replaces is still there.
        metadata: {
          namespace: args.namespace,
          labels,
          // Without it, a failed Job is awaited again and again, and never replaced.
          annotations: { 'pulumi.com/replaceUnready': 'true' },
        },
        spec: {
          // A node that is lost takes every pod with it. No backoffLimitPerIndex: the await doesn't know the reasons of a
          // Job that failed by it, so that it would wait for ever.
          backoffLimit: (args.backoffLimit ?? 2) + pods - 1,
          ...(pods > 1 && { completionMode: 'Indexed', completions: pods, parallelism: pods }),
          activeDeadlineSeconds: deadline,
          // No ttlSecondsAfterFinished: a refresh would find the Job gone and make it anew.
          // No podFailurePolicy: the await doesn't know the condition that it ends a Job with.
          template: {
            metadata: { labels },
            spec: { ...jobPod(args.pod), ...(pods > 1 && onOneNode(labels)) },
          },
        },
      },
      {
        parent: this,
        // A component's dependencies are not its children's.
        dependsOn: opts?.dependsOn ?? [],
        // Longer than the deadline, so that Kubernetes ends the Job, with its reason, before the await gives up.
        customTimeouts: { create: `${deadline + 300}s`, update: `${deadline + 300}s` },
        ...(args.once
          ? {
              ignoreChanges: ['spec', 'metadata.labels', 'metadata.annotations["pulumi.com/replaceUnready"]'],
            }
          : { replacementTrigger: this.trigger }),
      },
    );
    this.registerOutputs({ job: this.job.metadata.name, trigger: this.trigger });
  }
}

/** Keeps pods with these labels on one node; the first of them may choose it. */
function onOneNode(
  labels: Readonly<Record<string, string>>,
): Pick<k8s.types.input.core.v1.PodSpec, 'affinity'> {
  const together = { labelSelector: { matchLabels: labels }, topologyKey: 'kubernetes.io/hostname' };
  return { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [together] } } };
}

function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
}
