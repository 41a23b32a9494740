import * as aws from '@pulumi/aws';
import * as pulumi from '@pulumi/pulumi';
import type { Context } from './context.ts';
import { accountOf, type Network } from './network.ts';
import { PREFIX, type Storage } from './storage.ts';

/** Namespace of the metrics in CloudWatch that the Jobs and the applications publish. */
export const METRICS = 'cutover';

type Statement = aws.types.input.iam.PolicyStatement;

/**
 * The roles that pods take by their service account. Where a legacy store or `settings.archive` lies in a bucket with a
 * key of its own, that key's policy must let the Jobs' role use it.
 * @param accounts names of service accounts, `*` for any sequence of characters
 */
export function accessOf(
  context: Context,
  network: Network,
  given: {
    readonly key: aws.kms.Key;
    readonly storage: Storage;
    readonly secretArn: pulumi.Input<string>;
    readonly namespace: pulumi.Input<string>;
    readonly accounts: { readonly jobs: string; readonly metrics: string; readonly timescale: string };
  },
) {
  const { archive, systems } = context.settings;
  const { key, storage, namespace, accounts } = given;
  const { partition } = accountOf(network);
  const placeOf = (url: string): Place => {
    const [bucket, ...path] = url.slice('s3://'.length).split('/');
    return {
      bucketArn: pulumi.interpolate`arn:${partition}:s3:::${bucket}`,
      isOurs: false,
      prefix: path.join('/').replace(/\/+$/, ''),
    };
  };
  const ownPlace = (prefix: string): Place => ({ bucketArn: storage.bucket.arn, isOurs: true, prefix });
  const sources = Object.values(systems).flatMap((system) =>
    system?.source.kind === 's3' ? [placeOf(system.source.url)] : [],
  );
  const useKey: Statement = {
    Effect: 'Allow',
    Action: ['kms:Decrypt', 'kms:GenerateDataKey'],
    Resource: key.arn,
  };

  const jobs = roleOf(context, network, { name: 'jobs', namespace, account: accounts.jobs }, [
    { Effect: 'Allow', Action: 'secretsmanager:GetSecretValue', Resource: given.secretArn },
    useKey,
    ...objects(archive === undefined ? ownPlace(PREFIX.snapshots) : { ...placeOf(archive), isOurs: true }, [
      's3:GetObject',
      's3:PutObject',
      's3:AbortMultipartUpload',
    ]),
    ...sources.flatMap((place) => objects(place, ['s3:GetObject'])),
  ]);
  const metrics = roleOf(context, network, { name: 'metrics', namespace, account: accounts.metrics }, [
    {
      Effect: 'Allow',
      Action: 'cloudwatch:PutMetricData',
      // CloudWatch knows no resource here: the namespace is what bounds it.
      Resource: '*',
      Condition: { StringEquals: { 'cloudwatch:namespace': METRICS } },
    },
  ]);
  const timescale = roleOf(context, network, { name: 'timescale', namespace, account: accounts.timescale }, [
    useKey,
    ...objects(ownPlace(PREFIX.wal), [
      's3:GetObject',
      's3:PutObject',
      's3:DeleteObject',
      's3:AbortMultipartUpload',
    ]),
  ]);
  return {
    // Annotations of the service accounts.
    jobs: jobs.annotations,
    metrics: metrics.annotations,
    timescale: timescale.annotations,
    ready: [jobs.policy, metrics.policy, timescale.policy],
  };
}

/** A role that the pods of a service account take, and nobody else. */
function roleOf(
  { name, own, tags }: Context,
  network: Network,
  pods: { readonly name: string; readonly namespace: pulumi.Input<string>; readonly account: string },
  statements: pulumi.Input<Statement>[],
) {
  const condition = pulumi.all([network.oidcProviderUrl, pods.namespace]).apply(([url, namespace]) => {
    const issuer = url.replace(/^https:\/\//, '');
    return {
      StringEquals: { [`${issuer}:aud`]: 'sts.amazonaws.com' },
      StringLike: { [`${issuer}:sub`]: `system:serviceaccount:${namespace}:${pods.account}` },
    };
  });
  const role = new aws.iam.Role(
    `${name}-${pods.name}`,
    {
      assumeRolePolicy: {
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Principal: { Federated: network.oidcProviderArn },
            Action: 'sts:AssumeRoleWithWebIdentity',
            Condition: condition,
          },
        ],
      },
      tags,
    },
    own,
  );
  const policy = new aws.iam.RolePolicy(
    `${name}-${pods.name}`,
    { role: role.name, policy: { Version: '2012-10-17', Statement: statements } },
    own,
  );
  return { annotations: { 'eks.amazonaws.com/role-arn': role.arn }, policy };
}

interface Place {
  readonly bucketArn: pulumi.Input<string>;
  /** Whether it is a bucket of this system, not one that others keep a legacy store in. */
  readonly isOurs: boolean;
  /** Of one object or of a folder, without a slash at its end; empty: the whole bucket. */
  readonly prefix: string;
}

/**
 * Some actions on the objects of a place, and listing them. `data` is not `data-of-others`.
 *
 * In a bucket of ours all keys may be listed: HeadBucket, with which Barman begins, and the HeadObject of an object that is
 * not there ask for `s3:ListBucket` with no `s3:prefix` in the request, and with a condition on it S3 answers 403 to both:
 * Amazon S3 API Reference, "HeadBucket" and "HeadObject", permissions.
 */
function objects({ bucketArn, isOurs, prefix }: Place, actions: string[]): Statement[] {
  const paths = prefix === '' ? ['*'] : [prefix, `${prefix}/*`];
  return [
    {
      Effect: 'Allow',
      Action: actions,
      Resource: paths.map((path) => pulumi.interpolate`${bucketArn}/${path}`),
    },
    {
      Effect: 'Allow',
      Action: 's3:ListBucket',
      Resource: bucketArn,
      ...(!isOurs && { Condition: { StringLike: { 's3:prefix': paths } } }),
    },
  ];
}
