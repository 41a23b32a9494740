import {
  at,
  atLeast,
  exactly,
  given,
  isUnknown,
  listAt,
  type PolicyResource,
  type Rule,
  unmet,
} from './values.ts';

const ELASTICACHE = 'aws:elasticache/replicationGroup:ReplicationGroup';

/** What must stand in the configuration of a node: https://redis.io/docs/latest/operate/oss_and_stack/management/security/encryption/. */
const DIRECTIVES: readonly [string, RegExp][] = [
  // Else it also answers without TLS.
  ['port 0', /^port 0$/m],
  ['tls-port', /^tls-port [1-9]\d*$/m],
  ['tls-replication yes', /^tls-replication yes$/m],
  ['tls-cluster yes', /^tls-cluster yes$/m],
  // The password is in a file of a Secret.
  ['include, aclfile or requirepass', /^(include|aclfile|requirepass) \S/m],
];

const onAws = ({ props }: PolicyResource) => [
  ...unmet(props, {
    transitEncryptionEnabled: exactly(true),
    // `preferred` also answers without TLS.
    transitEncryptionMode: {
      text: 'required',
      holds: (value) => value === undefined || value === 'required',
    },
  }),
  ...(listAt(props, 'userGroupIds').length > 0 ? [] : unmet(props, { authToken: given })),
];

const inConfigMap = ({ props }: PolicyResource) =>
  Object.entries((at(props, 'data') ?? {}) as object).flatMap(([key, text]) =>
    typeof text === 'string' && /^cluster-enabled yes$/m.test(text)
      ? DIRECTIVES.filter(([, directive]) => !directive.test(text)).map(
          ([name]) => `data.${key} must have ${name}`,
        )
      : [],
  );

/** A pod that runs Redis, by the program or the image that it names. */
const runsRedis = (container: unknown) =>
  [at(container, 'image'), ...listAt(container, 'command'), ...listAt(container, 'args')].some((text) =>
    /(^|[/\s])(redis|valkey)(-server)?([:@\s]|$)/.test(String(text)),
  );

export const REDIS_RULES: readonly Rule[] = [
  {
    name: 'closed-redis',
    description: 'Redis holds sessions. It answers over TLS only, and only to who knows the password.',
    check: (resource) => {
      if (resource.type === ELASTICACHE) return onAws(resource);
      return resource.type === 'kubernetes:core/v1:ConfigMap' && !isUnknown(at(resource.props, 'data'))
        ? inConfigMap(resource)
        : [];
    },
  },
  {
    name: 'replicated-redis',
    description:
      'Redis goes on when one node is lost: three masters with a replica each are the least that does.',
    check: ({ type, props }) => {
      if (type === ELASTICACHE)
        return unmet(props, {
          automaticFailoverEnabled: exactly(true),
          [at(props, 'numCacheClusters') === undefined ? 'replicasPerNodeGroup' : 'numCacheClusters']:
            atLeast(at(props, 'numCacheClusters') === undefined ? 1 : 2),
        });
      const isRedis =
        type === 'kubernetes:apps/v1:StatefulSet' &&
        listAt(props, 'spec.template.spec.containers').some(runsRedis);
      return isRedis ? unmet(props, { 'spec.replicas': atLeast(6) }) : [];
    },
  },
];
