import {
  absent,
  at,
  exactly,
  given,
  isUnknown,
  listAt,
  notTrue,
  oneOf,
  type PolicyResource,
  type Rule,
  unmet,
} from './values.ts';

/** Where each kind has the specification of its pods. */
const POD_AT: Readonly<Record<string, string>> = {
  'kubernetes:core/v1:Pod': 'spec',
  'kubernetes:batch/v1:Job': 'spec.template.spec',
  'kubernetes:batch/v1:CronJob': 'spec.jobTemplate.spec.template.spec',
  'kubernetes:apps/v1:StatefulSet': 'spec.template.spec',
  'kubernetes:apps/v1:Deployment': 'spec.template.spec',
  'kubernetes:apps/v1:DaemonSet': 'spec.template.spec',
  'kubernetes:apps/v1:ReplicaSet': 'spec.template.spec',
};

/** Checks each container of what runs pods. A pod that can't be read is wrong, unless an update will know it. */
function ofContainers(wrongs: (container: unknown, pod: unknown) => string[]) {
  return ({ type, props }: PolicyResource): string[] => {
    const path = POD_AT[type];
    if (path === undefined) return [];
    const pod = at(props, path);
    if (isUnknown(pod) || isUnknown(at(pod, 'containers'))) return [];
    const containers = listAt(pod, 'containers');
    if (containers.length === 0) return [`${path}.containers must be given, and not be a secret as a whole`];
    return ['initContainers', 'containers'].flatMap((kind) =>
      listAt(pod, kind).flatMap((container, index) =>
        wrongs(container, pod).map((wrong) => `${kind}[${index}] ${wrong}`),
      ),
    );
  };
}

/** The container's own setting, else the pod's. */
const effective = (container: unknown, pod: unknown, key: string) =>
  at(container, `securityContext.${key}`) ?? at(pod, `securityContext.${key}`);

/** A URL with a password in it, or a private key. */
const CREDENTIAL = /\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*:[^\s/@]+@|-----BEGIN [A-Z ]*PRIVATE KEY-----/i;
/** Variables that hold a secret by their name; those of a file that has it end in something else. */
const SECRET_NAME = /(PASSWORD|PASSWD|SECRET|TOKEN|ACCESS_KEY)$/i;

/** What Pulumi knows as a secret is masked before the rules see it. */
const isCredential = (value: unknown) =>
  typeof value === 'string' && (value === '[secret]' || CREDENTIAL.test(value));

function credentialsOf({ type, props }: PolicyResource): string[] {
  if (type !== 'kubernetes:core/v1:ConfigMap') return [];
  const data = at(props, 'data');
  return Object.entries(typeof data === 'object' && data !== null ? data : { data })
    .filter(([, value]) => isCredential(value))
    .map(([key]) => `data.${key} has a credential`);
}

export const POD_RULES: readonly Rule[] = [
  {
    name: 'restricted-pods',
    description:
      'A container that is broken into has no right on its node: ' +
      'https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted. Take the settings of stacks/pods.ts.',
    check: ofContainers((container, pod) => {
      const of = Object.fromEntries(
        ['runAsNonRoot', 'runAsUser', 'seccompProfile'].map((key) => [key, effective(container, pod, key)]),
      );
      const drop = listAt(container, 'securityContext.capabilities.drop');
      const unknownDrop = isUnknown(at(container, 'securityContext.capabilities.drop'));
      return [
        ...unmet(of, {
          runAsNonRoot: exactly(true),
          runAsUser: { text: 'above 0', holds: (value) => value === undefined || Number(value) > 0 },
          'seccompProfile.type': oneOf('RuntimeDefault', 'Localhost'),
        }),
        ...unmet(container, {
          'securityContext.privileged': notTrue,
          'securityContext.allowPrivilegeEscalation': exactly(false),
          'securityContext.readOnlyRootFilesystem': exactly(true),
        }),
        ...(unknownDrop || drop.includes('ALL') ? [] : ['securityContext.capabilities.drop must have "ALL"']),
        ...unmet(pod, { hostNetwork: notTrue, hostPID: notTrue, hostIPC: notTrue }),
        ...(listAt(pod, 'volumes').some((volume) => at(volume, 'hostPath') !== undefined)
          ? ['volumes must have no hostPath']
          : []),
      ];
    }),
  },
  {
    name: 'limited-containers',
    description:
      'A container without limits takes its neighbours down, and the databases with them. Give resources.limits.',
    check: ofContainers((container) =>
      unmet(container, { 'resources.limits.cpu': given, 'resources.limits.memory': given }),
    ),
  },
  {
    name: 'no-clear-secrets',
    description:
      'Whoever may list pods reads their arguments and variables, and whoever may list ConfigMaps their data. ' +
      'Put the value into a Secret and mount it.',
    check: (resource) => [
      ...ofContainers((container) => [
        ...['args', 'command'].flatMap((kind) =>
          listAt(container, kind).some(isCredential) ? [`${kind} must have no credential`] : [],
        ),
        ...listAt(container, 'env')
          .filter((each) => {
            const value = at(each, 'value');
            const literal = typeof value === 'string' && value !== '' && !isUnknown(value);
            return literal && (isCredential(value) || SECRET_NAME.test(String(at(each, 'name'))));
          })
          .map((each) => `env ${at(each, 'name')} must come from a Secret`),
      ])(resource),
      ...credentialsOf(resource),
    ],
  },
  {
    name: 'awaited-jobs',
    description:
      'A Job with a TTL is gone at the next refresh and is made, and so runs, again; one that a podFailurePolicy or a ' +
      'backoffLimitPerIndex ends is awaited for ever. Leave them out: exit codes and activeDeadlineSeconds say when a Job has failed.',
    check: ({ type, props }) =>
      type === 'kubernetes:batch/v1:Job'
        ? unmet(props, {
            'spec.ttlSecondsAfterFinished': absent,
            'spec.podFailurePolicy': absent,
            'spec.backoffLimitPerIndex': absent,
            'spec.activeDeadlineSeconds': given,
          })
        : [],
  },
];
