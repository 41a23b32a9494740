import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import type { Platform, PostgresServer } from '../platform.ts';
import type { ExternalSettings } from '../settings.ts';

export interface ExternalPlatformArgs {
  readonly namespace: pulumi.Input<string>;
  readonly servers: ExternalSettings;
}

type Server = PostgresServer & {
  readonly admin: { readonly kind: 'secret'; readonly name: pulumi.Output<string> };
};

/** Servers that are somebody else's: nothing of them is made here, their logins and certificates become Secrets. */
export class ExternalPlatform extends pulumi.ComponentResource implements Platform {
  readonly postgres: Server;
  readonly replica: PostgresServer | undefined;
  readonly timescale: Server;
  readonly redis: Platform['redis'];
  readonly backups = { postgres: 'by whoever runs the servers' };
  readonly ready: readonly pulumi.Resource[];

  constructor(name: string, args: ExternalPlatformArgs, opts?: pulumi.ComponentResourceOptions) {
    super('cutover:external:Platform', name, {}, opts);
    const { namespace, servers } = args;
    const secrets: k8s.core.v1.Secret[] = [];
    const secretOf = (server: string, data: Record<string, string>) => {
      const secretName = `external-${server}`;
      const secret = new k8s.core.v1.Secret(
        `${name}-${server}`,
        { metadata: { name: secretName, namespace }, stringData: data },
        { parent: this },
      );
      secrets.push(secret);
      return secret.metadata.name;
    };
    const placeOf = (url: string) => {
      const { hostname, port } = new URL(url);
      return { host: pulumi.output(hostname), port: pulumi.output(Number(port || 5432)) };
    };
    const postgres = (server: string, { url, ca }: ExternalSettings['postgres']): Server => {
      const { username, password } = new URL(url);
      const secret = secretOf(server, {
        username: decodeURIComponent(username),
        password: decodeURIComponent(password),
        'ca.crt': ca,
      });
      const authority = { secret, key: 'ca.crt' };
      return { ...placeOf(url), authority, admin: { kind: 'secret', name: secret } };
    };
    this.postgres = postgres('postgres', servers.postgres);
    // Nobody administers a replica.
    this.replica = servers.replica && {
      ...placeOf(servers.replica.url),
      authority: { secret: secretOf('replica', { 'ca.crt': servers.replica.ca }), key: 'ca.crt' },
    };
    this.timescale = servers.timescale ? postgres('timescale', servers.timescale) : this.postgres;
    if (servers.redis) {
      const { hostname, port, password } = new URL(servers.redis.url);
      const { ca } = servers.redis;
      const passwordValue = pulumi.secret(decodeURIComponent(password));
      const secret = secretOf('redis', {
        password: decodeURIComponent(password),
        ...(ca !== undefined && { 'ca.crt': ca }),
      });
      this.redis = {
        host: pulumi.output(hostname),
        port: pulumi.output(Number(port || 6379)),
        tls: true,
        authority: ca === undefined ? undefined : { secret, key: 'ca.crt' },
        password: { secret, key: 'password' },
        passwordValue,
      };
    }
    this.ready = secrets;
    this.registerOutputs({});
  }
}
