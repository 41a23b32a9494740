import * as aws from '@pulumi/aws';
import * as pulumi from '@pulumi/pulumi';
import type { AwsSettings } from '../settings.ts';
import type { Context } from './context.ts';

/** The VPC and the cluster that are there already; `AwsSettings['network']` says what each is. */
export interface Network {
  readonly vpcId: pulumi.Input<string>;
  readonly privateSubnetIds: pulumi.Input<string[]>;
  readonly clusterSecurityGroupId: pulumi.Input<string>;
  readonly oidcProviderArn: pulumi.Input<string>;
  readonly oidcProviderUrl: pulumi.Input<string>;
}

/** The network as config says it, or as another stack's outputs of the same names do. */
export function networkOf(settings: AwsSettings, opts: pulumi.CustomResourceOptions): Network {
  if (settings.network) return settings.network;
  const stack = new pulumi.StackReference(settings.networkStack!, {}, opts);
  return {
    vpcId: stack.requireOutput('vpcId'),
    privateSubnetIds: stack.requireOutput('privateSubnetIds'),
    clusterSecurityGroupId: stack.requireOutput('clusterSecurityGroupId'),
    oidcProviderArn: stack.requireOutput('oidcProviderArn'),
    oidcProviderUrl: stack.requireOutput('oidcProviderUrl'),
  };
}

/** Where the cluster is, and so this stack: the partition (`aws`, but for separate parts of AWS) and the account's number. */
export const accountOf = (network: Network) =>
  pulumi.output(network.oidcProviderArn).apply((arn) => {
    const [, partition = '', , , account = ''] = arn.split(':');
    return { partition, account };
  });

/** A security group that admits the cluster's nodes to one port, and nobody else. It lets nothing out. */
export function admitCluster(context: Context, network: Network, part: string, port: number) {
  const { name, own, tags } = context;
  const group = new aws.ec2.SecurityGroup(
    `${name}-${part}`,
    { description: `${part}: from the nodes of the cluster only`, vpcId: network.vpcId, tags },
    own,
  );
  const rule = new aws.vpc.SecurityGroupIngressRule(
    `${name}-${part}`,
    {
      securityGroupId: group.id,
      referencedSecurityGroupId: network.clusterSecurityGroupId,
      ipProtocol: 'tcp',
      fromPort: port,
      toPort: port,
      tags,
    },
    own,
  );
  return { group, rule };
}
