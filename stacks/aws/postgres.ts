import * as aws from '@pulumi/aws';
import * as pulumi from '@pulumi/pulumi';
import * as random from '@pulumi/random';
import type { PostgresServer } from '../platform.ts';
import { type Context, WINDOWS } from './context.ts';
import { admitCluster, type Network } from './network.ts';
import { POSTGRES_PARAMETERS } from './parameters.ts';

const PORT = 5432;

/** Where the jobs' image has the certificate authorities of RDS, as AWS publishes them. */
const AUTHORITY = { imagePath: '/etc/ssl/certs/rds-global-bundle.pem' };

/** PostgreSQL 17 on RDS: a Multi-AZ primary, its read replicas, and a snapshot before the first load. */
export function postgresOf(context: Context, network: Network, key: aws.kms.Key) {
  const { name, settings, tags, own, kept } = context;
  const { instanceClass, storageGiB, replicas: count } = settings.aws.postgres;
  // What replaces the instance when it changes. A new one gets new names by it: a final snapshot of an
  // earlier one may have taken the old.
  const born = { engine: 'postgres', username: 'postgres', kmsKeyId: key.arn };
  const id = new random.RandomId(`${name}-postgres`, { byteLength: 4, keepers: born }, own);
  const named = (part: string) => pulumi.interpolate`cutover-${settings.environment}-${part}-${id.hex}`;

  const subnets = new aws.rds.SubnetGroup(
    `${name}-postgres`,
    { subnetIds: network.privateSubnetIds, tags },
    own,
  );
  const parameters = new aws.rds.ParameterGroup(
    `${name}-postgres`,
    { family: 'postgres17', parameters: POSTGRES_PARAMETERS, tags },
    own,
  );
  const { group, rule } = admitCluster(context, network, 'postgres', PORT);

  // RDS would make the log group itself, and keep what slow queries say for ever.
  const logOf = (server: string, identifier: pulumi.Output<string>) =>
    new aws.cloudwatch.LogGroup(
      `${name}-${server}`,
      { name: pulumi.interpolate`/aws/rds/instance/${identifier}/postgresql`, retentionInDays: 30, tags },
      own,
    );

  const common = {
    instanceClass,
    port: PORT,
    storageEncrypted: true,
    kmsKeyId: key.arn,
    parameterGroupName: parameters.name,
    vpcSecurityGroupIds: [group.id],
    publiclyAccessible: false,
    caCertIdentifier: 'rds-ca-rsa2048-g1',
    autoMinorVersionUpgrade: true,
    maintenanceWindow: WINDOWS.maintenance,
    performanceInsightsEnabled: true,
    performanceInsightsKmsKeyId: key.arn,
    enabledCloudwatchLogsExports: ['postgresql'],
    copyTagsToSnapshot: true,
    deletionProtection: settings.protect,
    tags,
  };

  // Not `manageMasterUserPassword`: RDS refuses a read replica of a server whose login it manages itself, but for SQL
  // Server: Amazon RDS User Guide, "Password management with Amazon RDS and AWS Secrets Manager", limitations.
  const generated = new random.RandomPassword(
    `${name}-postgres`,
    // Letters and digits: RDS refuses / @ " and the space.
    { length: 40, special: false },
    kept,
  );
  const password = pulumi.secret(generated.result);

  const identifier = named('postgres');
  const primary = new aws.rds.Instance(
    `${name}-postgres`,
    {
      ...common,
      ...born,
      identifier,
      engineVersion: '17',
      allocatedStorage: storageGiB,
      storageType: 'gp3',
      multiAz: true,
      dbSubnetGroupName: subnets.name,
      password,
      backupRetentionPeriod: context.retentionDays,
      backupWindow: WINDOWS.backup,
      deleteAutomatedBackups: false,
      skipFinalSnapshot: false,
      finalSnapshotIdentifier: named('postgres-final'),
    },
    { ...kept, dependsOn: [logOf('postgres', identifier)] },
  );

  const login = new aws.secretsmanager.Secret(
    `${name}-postgres-login`,
    {
      // A deleted one keeps its name until the window has passed.
      name: named('postgres-login'),
      description: 'Administrator of PostgreSQL',
      kmsKeyId: key.arn,
      recoveryWindowInDays: 30,
      tags,
    },
    kept,
  );
  const loginVersion = new aws.secretsmanager.SecretVersion(
    `${name}-postgres-login`,
    { secretId: login.id, secretString: pulumi.jsonStringify({ username: born.username, password }) },
    // A Job may read a new password only once the server takes it.
    { ...own, dependsOn: [primary] },
  );

  const beforeLoad = new aws.rds.Snapshot(
    `${name}-postgres-before-load`,
    {
      dbInstanceIdentifier: primary.identifier,
      dbSnapshotIdentifier: named('postgres-before-load'),
      tags,
    },
    kept,
  );

  const replicas = Array.from({ length: count }, (_, index) => {
    const server = `replica-${index + 1}`;
    const identifier = named(server);
    return new aws.rds.Instance(
      `${name}-${server}`,
      {
        ...common,
        identifier,
        // The name, not the ARN, and no subnet group: RDS takes the source's.
        replicateSourceDb: primary.identifier,
        // RDS makes no final snapshot of a replica, and fails when asked to.
        skipFinalSnapshot: true,
      },
      // While a snapshot is being made, the primary takes no order for a replica.
      { ...kept, dependsOn: [logOf(server, identifier), beforeLoad] },
    );
  });

  const serverOf = (instance: aws.rds.Instance): PostgresServer => ({
    host: instance.address,
    port: instance.port,
    authority: AUTHORITY,
  });
  return {
    primary,
    replicas,
    beforeLoad,
    server: serverOf(primary),
    replica: serverOf(replicas[0]!),
    /** The administrator's login, which is read whenever a Job connects. */
    secretArn: login.arn,
    ready: [primary, loginVersion, beforeLoad, ...replicas, rule],
  };
}
export type Postgres = ReturnType<typeof postgresOf>;
