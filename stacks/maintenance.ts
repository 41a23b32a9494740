import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { JOB_LABELS, type JobPodArgs, jobPod } from './pods.ts';

export interface MaintenanceArgs {
  readonly namespace: pulumi.Input<string>;
  /** A pod of one store without its command. */
  readonly pod: JobPodArgs;
}

/** When each command runs, as cron has it, UTC. The plans ask for ANALYZE every week and REINDEX every month. */
const SCHEDULES = { analyze: '0 3 * * 0', reindex: '0 4 1 * *' } as const;

/** What a database needs now and then: statistics every week, every index anew each month while applications go on. */
export class Maintenance extends pulumi.ComponentResource {
  constructor(name: string, args: MaintenanceArgs, opts?: pulumi.ComponentResourceOptions) {
    super('cutover:jobs:Maintenance', name, {}, opts);
    for (const [command, schedule] of Object.entries(SCHEDULES)) {
      const labels = { ...JOB_LABELS, 'cutover.dev/job': command, 'cutover.dev/store': name };
      new k8s.batch.v1.CronJob(
        `${name}-${command}`,
        {
          metadata: { name: `${name}-${command}`, namespace: args.namespace, labels },
          spec: {
            schedule,
            timeZone: 'Etc/UTC',
            concurrencyPolicy: 'Forbid',
            // Later than an hour late, it waits for the next time.
            startingDeadlineSeconds: 3600,
            jobTemplate: {
              spec: {
                backoffLimit: 1,
                activeDeadlineSeconds: 6 * 3600,
                template: {
                  metadata: { labels },
                  spec: jobPod({ ...args.pod, args: [command, ...args.pod.args] }),
                },
              },
            },
          },
        },
        { parent: this },
      );
    }
    this.registerOutputs({});
  }
}
