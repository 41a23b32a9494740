import * as aws from '@pulumi/aws';
import { type Context, WINDOWS } from './context.ts';
import type { Postgres } from './postgres.ts';
import type { Storage } from './storage.ts';

/** A daily copy of the database and of the bucket in a vault, which outlives both. */
export function backupOf(context: Context, key: aws.kms.Key, postgres: Postgres, storage: Storage) {
  const { name, settings, tags, own, kept, retentionDays } = context;
  const vault = new aws.backup.Vault(
    `${name}-backups`,
    { kmsKeyArn: key.arn, forceDestroy: !settings.protect, tags },
    kept,
  );
  const plan = new aws.backup.Plan(
    `${name}-backups`,
    {
      rules: [
        {
          ruleName: 'daily',
          targetVaultName: vault.name,
          schedule: WINDOWS.vault,
          startWindow: 60,
          // Not continuous: AWS Backup would then take the retention of RDS over from this stack.
          lifecycle: { deleteAfter: retentionDays },
        },
      ],
      tags,
    },
    own,
  );
  const role = new aws.iam.Role(
    `${name}-backups`,
    {
      assumeRolePolicy: {
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Principal: { Service: 'backup.amazonaws.com' },
            Action: 'sts:AssumeRole',
          },
        ],
      },
      tags,
    },
    own,
  );
  const { AWSBackupServiceRolePolicyForBackup, AWSBackupServiceRolePolicyForS3Backup } =
    aws.iam.ManagedPolicy;
  const rights = Object.entries({
    rds: AWSBackupServiceRolePolicyForBackup,
    s3: AWSBackupServiceRolePolicyForS3Backup,
  }).map(
    ([part, policyArn]) =>
      new aws.iam.RolePolicyAttachment(`${name}-backups-${part}`, { role: role.name, policyArn }, own),
  );
  new aws.backup.Selection(
    `${name}-backups`,
    {
      planId: plan.id,
      iamRoleArn: role.arn,
      resources: [postgres.primary.arn, storage.bucket.arn],
    },
    // AWS Backup copies no bucket without versions.
    { ...own, dependsOn: [...rights, storage.versioning] },
  );
  return vault;
}
