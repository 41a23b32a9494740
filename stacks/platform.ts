import type { Input, Output, Resource } from '@pulumi/pulumi';

/** A key of a Kubernetes Secret in the stack's namespace. */
export interface SecretKey {
  /** `metadata.name` of the Secret. */
  readonly secret: Input<string>;
  readonly key: string;
}

/** How a Job proves that a server is the right one. */
export type Authority =
  /** PEM bundle in a Secret. */
  | SecretKey
  /** PEM bundle that is in the jobs' image, by its absolute path. */
  | { readonly imagePath: string };

/** The login that may create databases and roles. Only `provision` and `backup` are given it. */
export type AdminLogin =
  /** Keys `username` and `password` of a Secret in the stack's namespace. */
  | { readonly kind: 'secret'; readonly name: Input<string> }
  /** JSON with `username` and `password` in AWS Secrets Manager, which the Job reads whenever it connects. */
  | { readonly kind: 'secrets-manager'; readonly arn: Input<string> };

/** A PostgreSQL server as Jobs reach it. */
export interface PostgresServer {
  readonly host: Output<string>;
  readonly port: Output<number>;
  /** Default: `verify-full`. */
  readonly sslmode?: 'verify-full' | 'disable';
  readonly authority: Authority;
}

/** A Redis cluster as Jobs and applications reach it. */
export interface RedisCluster {
  readonly host: Output<string>;
  readonly port: Output<number>;
  readonly tls: boolean;
  readonly authority?: Authority | undefined;
  readonly password: SecretKey;
  /** The same password, for the outputs. A Pulumi secret. */
  readonly passwordValue: Output<string>;
}

export type Annotations = Readonly<Record<string, Input<string>>>;

/** What every platform gives; the migrations know nothing else of it. */
export interface Platform {
  readonly postgres: PostgresServer & { readonly admin: AdminLogin };
  /** A streaming replica of `postgres`. */
  readonly replica?: PostgresServer | undefined;
  /** The server that has TimescaleDB; may be the same as `postgres`. */
  readonly timescale: PostgresServer & { readonly admin: AdminLogin };
  readonly redis?: RedisCluster | undefined;
  /** Where backups lie and how far back they go, in clear, for people. */
  readonly backups: Readonly<Record<string, Input<string>>>;
  /** Annotations of the service accounts that reach what lies outside the cluster, such as the IAM role that each may take. */
  readonly annotations?:
    | {
        /** Of the jobs that administer servers, read legacy stores and write archives. */
        readonly administrator: Annotations;
        /** Of those that publish how fast the hot queries are. */
        readonly metrics: Annotations;
      }
    | undefined;
  /** Where `backup` also puts the snapshots: `s3://bucket/prefix`; undefined: only on the volume of the system. */
  readonly archive?: Input<string> | undefined;
  /** What must be there before the first Job runs. */
  readonly ready: readonly Resource[];
}
