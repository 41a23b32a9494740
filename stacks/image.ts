import { fileURLToPath } from 'node:url';
import * as docker from '@pulumi/docker';
import type * as pulumi from '@pulumi/pulumi';
import type { Settings } from './settings.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/**
 * The jobs' image by its digest: the one that the settings give (CI built it), or one that is built here and pushed. Needs
 * Docker only in the second case.
 */
export function jobsImage({ image, imageRepository }: Settings): pulumi.Input<string> {
  if (image !== undefined) return image;
  return buildImage('cutover', imageRepository!, 'jobs/Dockerfile');
}

/** Builds an image from the repository's root and pushes it. @returns it by its digest */
export function buildImage(name: string, repository: string, dockerfile: string): pulumi.Output<string> {
  const built = new docker.Image(name, {
    imageName: `${repository}:latest`,
    build: { context: ROOT, dockerfile: `${ROOT}${dockerfile}`, platform: 'linux/amd64' },
  });
  return built.repoDigest;
}
