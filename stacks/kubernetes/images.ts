import { fileURLToPath } from 'node:url';
import type * as pulumi from '@pulumi/pulumi';
import { buildImage } from '../image.ts';
import type { Settings } from '../settings.ts';

/** Major version of PostgreSQL on every platform. */
export const POSTGRES_MAJOR = 17;

/**
 * PostgreSQL 17 with pgvector and all of contrib (pg_trgm, unaccent): CloudNativePG's flavour `standard`, by the
 * digest of its catalog of 2026-08-22, https://github.com/cloudnative-pg/artifacts. `timescale/Dockerfile` builds on it.
 */
export const POSTGRES_IMAGE =
  'ghcr.io/cloudnative-pg/postgresql:17.11-202608170816-standard-trixie@sha256:91e0de662d53895a45f1396f4ee1a75daeb0c26fc87853afc9c8f43e01fdaa21';

/** Official image, by the digest of https://github.com/docker-library/repo-info, 2026-09-19. Its user `redis` is 999. */
export const REDIS_IMAGE =
  'docker.io/library/redis:8.10.1-trixie@sha256:8a1efc5f479551822b47424ccae982026b633f28818eab0387348120a61e10e2';

const TIMESCALE_FOLDER = fileURLToPath(new URL('timescale', import.meta.url));

/**
 * PostgreSQL with pgvector and TimescaleDB's Timescale edition, by its digest: the one that settings give, or one that
 * is built here and pushed to `<imageRepository>-timescale`. CloudNativePG's own image of TimescaleDB is the Apache
 * edition, which has no compression, continuous aggregates or policies.
 */
export function timescaleImage(
  settings: Settings,
  opts?: pulumi.CustomResourceOptions,
): pulumi.Input<string> {
  const given = settings.kubernetes.timescale.image;
  if (given !== undefined) return given;
  const imageName = `${settings.imageRepository}-timescale:pg${POSTGRES_MAJOR}`;
  // A folder of its own as context: no other change of the repository builds this image again.
  return buildImage('timescale', { imageName, folder: TIMESCALE_FOLDER, dockerfile: 'Dockerfile' }, opts);
}
