import type * as k8s from '@pulumi/kubernetes';

/** Who may reach databases and Redis: the pods of Jobs and of applications, by this label. */
export const ROLE_LABEL = 'cutover.dev/role';

/** Peers of a NetworkPolicy: pods of its own namespace that say they are a Job or an application of the stack. */
export const jobsAndApps: k8s.types.input.networking.v1.NetworkPolicyPeer = {
  podSelector: { matchExpressions: [{ key: ROLE_LABEL, operator: 'In', values: ['job', 'app'] }] },
};

/** https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, for a whole pod. */
export const restrictedPod = (id: number): k8s.types.input.core.v1.PodSecurityContext => ({
  runAsNonRoot: true,
  runAsUser: id,
  runAsGroup: id,
  fsGroup: id,
  fsGroupChangePolicy: 'OnRootMismatch',
  seccompProfile: { type: 'RuntimeDefault' },
});

/** The same standard for each container, and a root file system that nobody writes to. */
export const restrictedContainer: k8s.types.input.core.v1.SecurityContext = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};
