import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { JOB_LABELS, type JobPodArgs, jobPod } from './pods.ts';

/** When each command runs, as cron has it, UTC. The plans ask for ANALYZE every week and REINDEX every month. */
const SCHEDULES = { analyze: '0 3 * * 0', reindex: '0 4 1 * *', measure: '*/5 * * * *' } as const;
type Command = keyof typeof SCHEDULES;

/** Seconds that each may take; the next `measure` must find the last one gone. */
const DEADLINES = { analyze: 6 * 3600, reindex: 6 * 3600, measure: 240 } as const;

export interface MaintenanceArgs {
  readonly namespace: pulumi.Input<string>;
  /** Pods of the commands that a store has. */
  readonly commands: Readonly<Partial<Record<Command, JobPodArgs>>>;
}

/**
 * What a store's databases need again and again: statistics every week, every index anew each month while applications go
 * on, and every five minutes the time of the hot queries, where somebody watches it.
 */
export class Maintenance extends pulumi.ComponentResource {
  constructor(name: string, args: MaintenanceArgs, opts?: pulumi.ComponentResourceOptions) {
    super('cutover:jobs:Maintenance', name, {}, opts);
    for (const [command, pod] of Object.entries(args.commands) as [Command, JobPodArgs][]) {
      const labels = { ...JOB_LABELS, 'cutover.dev/job': command, 'cutover.dev/store': name };
      new k8s.batch.v1.CronJob(
        `${name}-${command}`,
        {
          metadata: { name: `${name}-${command}`, namespace: args.namespace, labels },
          spec: {
            schedule: SCHEDULES[command],
            timeZone: 'Etc/UTC',
            concurrencyPolicy: 'Forbid',
            // Later than that, it waits for the next time.
            startingDeadlineSeconds: DEADLINES[command],
            jobTemplate: {
              spec: {
                backoffLimit: 1,
                activeDeadlineSeconds: DEADLINES[command],
                template: { metadata: { labels }, spec: jobPod(pod) },
              },
            },
          },
        },
        { parent: this, dependsOn: opts?.dependsOn ?? [] },
      );
    }
    this.registerOutputs({});
  }
}
