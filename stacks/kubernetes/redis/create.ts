import * as k8s from '@pulumi/kubernetes';
import type * as pulumi from '@pulumi/pulumi';
import { REDIS_IMAGE } from '../images.ts';
import { ROLE_LABEL, restrictedContainer, restrictedPod } from '../pods.ts';
import {
  AUTH_SECRET,
  authMount,
  scriptEnv,
  scriptsMount,
  scriptsVolume,
  secretVolume,
  tlsMount,
  USER,
} from './nodes.ts';
import { TLS_SECRET } from './tls.ts';

/**
 * The Job that makes a cluster of the nodes. Whatever runs it again (a changed template, a refresh after it was
 * deleted), it does nothing to a cluster that is whole; it is never deleted by itself, or a refresh would run it.
 */
export function create(
  namespace: pulumi.Input<string>,
  opts: pulumi.CustomResourceOptions,
): k8s.batch.v1.Job {
  return new k8s.batch.v1.Job(
    'redis-create',
    {
      metadata: {
        namespace,
        // Otherwise the next update awaits the same failed Job, and fails at once.
        annotations: { 'pulumi.com/replaceUnready': 'true' },
      },
      spec: {
        backoffLimit: 4,
        activeDeadlineSeconds: 600,
        template: {
          metadata: { labels: { [ROLE_LABEL]: 'job' } },
          spec: {
            restartPolicy: 'Never',
            automountServiceAccountToken: false,
            enableServiceLinks: false,
            securityContext: restrictedPod(USER),
            containers: [
              {
                name: 'create',
                image: REDIS_IMAGE,
                command: ['/scripts/create.sh'],
                env: scriptEnv(namespace),
                // The reason of a failure is what the script wrote last.
                terminationMessagePolicy: 'FallbackToLogsOnError',
                resources: {
                  requests: { cpu: '50m', memory: '32Mi' },
                  limits: { cpu: '500m', memory: '128Mi' },
                },
                securityContext: restrictedContainer,
                volumeMounts: [scriptsMount, authMount, tlsMount],
              },
            ],
            volumes: [
              scriptsVolume,
              secretVolume('auth', AUTH_SECRET, 'password'),
              secretVolume('tls', TLS_SECRET, 'ca.crt'),
            ],
          },
        },
      },
    },
    opts,
  );
}
