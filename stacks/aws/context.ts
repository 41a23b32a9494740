import * as pulumi from '@pulumi/pulumi';
import { LEAST_RETENTION, type Settings } from '../settings.ts';

/** What every part of the platform on AWS is made with. */
export interface Context {
  /** Prefix of the names of all resources. */
  readonly name: string;
  readonly settings: Settings;
  /** Days that backups are kept. */
  readonly retentionDays: number;
  readonly tags: Readonly<Record<string, string>>;
  /** Options of what can be made again. */
  readonly own: pulumi.CustomResourceOptions;
  /** Options of what holds data, or what data can't be read without. */
  readonly kept: pulumi.CustomResourceOptions;
}

export function contextOf(name: string, settings: Settings, parent: pulumi.Resource): Context {
  return {
    name,
    settings,
    retentionDays: settings.aws.backups.retentionDays ?? LEAST_RETENTION[settings.environment],
    tags: {
      project: pulumi.getProject(),
      stack: pulumi.getStack(),
      environment: settings.environment,
    },
    own: { parent },
    kept: { parent, protect: settings.protect },
  };
}

/** Hours of the day, UTC, chosen so that none overlaps another: RDS and AWS Backup refuse that. */
export const WINDOWS = {
  backup: '16:00-17:00',
  maintenance: 'sun:17:30-sun:18:30',
  /** Of AWS Backup, as it writes schedules. */
  vault: 'cron(0 20 * * ? *)',
} as const;
