import { at, isUnknown, listAt, type Rule } from './values.ts';

/** Both directions: a store has no business anywhere but with its clients. */
const GROUP = 'aws:ec2/securityGroup:SecurityGroup';
const RULES_OF_GROUPS = [
  'aws:ec2/securityGroupRule:SecurityGroupRule',
  'aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule',
  'aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule',
];

/** A range as wide as half the Internet or more: two of them are the whole of it. */
const isOpen = (range: unknown) => typeof range === 'string' && /\/[01]$/.test(range);
const isOpenRule = (rule: unknown) =>
  [
    ...listAt(rule, 'cidrBlocks'),
    ...listAt(rule, 'ipv6CidrBlocks'),
    at(rule, 'cidrIpv4'),
    at(rule, 'cidrIpv6'),
  ].some(isOpen);

export const NETWORK_RULES: readonly Rule[] = [
  {
    name: 'closed-networks',
    description:
      'Only the cluster reaches a store, and a store reaches nobody. Name a security group or a range of the VPC.',
    check: ({ type, props }) => {
      const rules =
        type === GROUP
          ? [...listAt(props, 'ingress'), ...listAt(props, 'egress')]
          : RULES_OF_GROUPS.includes(type)
            ? [props]
            : [];
      return rules.some(isOpenRule) ? ['is open to 0.0.0.0/0 or ::/0'] : [];
    },
  },
  {
    name: 'internal-services',
    description:
      'A Service is for the cluster only: what is outside goes through what its owner puts before it. Use ClusterIP.',
    check: ({ type, props }) => {
      if (type !== 'kubernetes:core/v1:Service') return [];
      const kind = at(props, 'spec.type');
      const external =
        listAt(props, 'spec.externalIPs').length > 0 ? ['spec.externalIPs must be absent'] : [];
      return kind === undefined || kind === 'ClusterIP' || isUnknown(kind)
        ? external
        : [...external, 'spec.type must be ClusterIP'];
    },
  },
];
