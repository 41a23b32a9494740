import * as aws from '@pulumi/aws';
import * as pulumi from '@pulumi/pulumi';
import type { Context } from './context.ts';

/** Folders of the bucket, by what lies there. */
export const PREFIX = { snapshots: 'snapshots', wal: 'wal' } as const;

/** The bucket of the legacy stores' snapshots and of the WAL of TimescaleDB. */
export function storageOf(context: Context, key: aws.kms.Key) {
  const { name, settings, tags, own, kept, retentionDays } = context;
  const bucket = new aws.s3.Bucket(`${name}-archives`, { forceDestroy: !settings.protect, tags }, kept);
  const part = { bucket: bucket.bucket };
  const versioning = new aws.s3.BucketVersioning(
    `${name}-archives`,
    { ...part, versioningConfiguration: { status: 'Enabled' } },
    own,
  );
  const encryption = new aws.s3.BucketServerSideEncryptionConfiguration(
    `${name}-archives`,
    {
      ...part,
      rules: [
        {
          applyServerSideEncryptionByDefault: { sseAlgorithm: 'aws:kms', kmsMasterKeyId: key.arn },
          bucketKeyEnabled: true,
        },
      ],
    },
    own,
  );
  new aws.s3.BucketOwnershipControls(
    `${name}-archives`,
    { ...part, rule: { objectOwnership: 'BucketOwnerEnforced' } },
    own,
  );
  const privacy = new aws.s3.BucketPublicAccessBlock(
    `${name}-archives`,
    {
      ...part,
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    },
    own,
  );
  const policy = new aws.s3.BucketPolicy(
    `${name}-archives`,
    {
      ...part,
      policy: {
        Version: '2012-10-17',
        Statement: [
          {
            Sid: 'TlsOnly',
            Effect: 'Deny',
            Principal: '*',
            Action: 's3:*',
            Resource: [bucket.arn, pulumi.interpolate`${bucket.arn}/*`],
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          },
        ],
      },
    },
    // S3 refuses two changes of a bucket's access at once.
    { ...own, dependsOn: [privacy] },
  );
  new aws.s3.BucketLifecycleConfiguration(
    `${name}-archives`,
    {
      ...part,
      rules: [
        {
          id: 'deleted',
          status: 'Enabled',
          filter: {},
          noncurrentVersionExpiration: { noncurrentDays: retentionDays },
          expiration: { expiredObjectDeleteMarker: true },
        },
        {
          id: 'unfinished',
          status: 'Enabled',
          filter: {},
          abortIncompleteMultipartUpload: { daysAfterInitiation: 7 },
        },
      ],
    },
    { ...own, dependsOn: [versioning] },
  );
  const urlOf = (prefix: string) => pulumi.interpolate`s3://${bucket.bucket}/${prefix}`;
  return {
    bucket,
    versioning,
    snapshots: urlOf(PREFIX.snapshots),
    wal: urlOf(PREFIX.wal),
    ready: [bucket, versioning, encryption, privacy, policy],
  };
}
export type Storage = ReturnType<typeof storageOf>;
