import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';

const API = 'cert-manager.io/v1';
const privateKey = { algorithm: 'ECDSA', size: 256 };
const issuer = (name: string) => ({ group: 'cert-manager.io', kind: 'Issuer', name });

/** Secret with `tls.crt`, `tls.key` and, for whoever verifies, `ca.crt`. */
export const TLS_SECRET = 'redis-tls';

/**
 * An authority of the namespace's own and one certificate of all nodes, for every name that they are called by.
 * @param names DNS names
 * @returns what pods that mount TLS_SECRET wait for
 */
export function redisCertificate(
  namespace: pulumi.Input<string>,
  names: readonly pulumi.Input<string>[],
  opts: pulumi.CustomResourceOptions,
): pulumi.Resource {
  const made = (kind: string, name: string, spec: object, dependsOn: pulumi.Resource[] = []) =>
    new k8s.apiextensions.CustomResource(
      name,
      {
        apiVersion: API,
        kind,
        metadata: { name, namespace, annotations: { 'pulumi.com/waitFor': 'condition=Ready' } },
        spec,
      },
      pulumi.mergeOptions(opts, { dependsOn }),
    );
  const self = made('Issuer', 'redis-self-signed', { selfSigned: {} });
  const authority = made(
    'Certificate',
    'redis-ca',
    {
      secretName: 'redis-ca',
      isCA: true,
      commonName: 'cutover redis',
      duration: '87600h',
      privateKey,
      issuerRef: issuer('redis-self-signed'),
    },
    [self],
  );
  const ca = made('Issuer', 'redis-ca', { ca: { secretName: 'redis-ca' } }, [authority]);
  return made(
    'Certificate',
    TLS_SECRET,
    {
      secretName: TLS_SECRET,
      dnsNames: names,
      // Redis reads its certificate when it starts. The last third of five years, between the renewal and the end of
      // the old one, is time enough for a restart.
      duration: '43800h',
      privateKey,
      // A node is a client of the other nodes.
      usages: ['server auth', 'client auth'],
      issuerRef: issuer('redis-ca'),
    },
    [ca],
  );
}
