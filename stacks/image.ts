import { fileURLToPath } from 'node:url';
import * as docker from '@pulumi/docker';
import type * as pulumi from '@pulumi/pulumi';
import type { Settings } from './settings.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The jobs' image by its digest: the one that the settings give (CI built it), or one that is built here and pushed. */
export function jobsImage({ image, imageRepository }: Settings): pulumi.Input<string> {
  return (
    image ??
    buildImage('cutover', {
      imageName: `${imageRepository}:latest`,
      folder: ROOT,
      dockerfile: 'jobs/Dockerfile',
    })
  );
}

/** Builds an image from a folder with Docker and pushes it. @returns it by its digest */
export function buildImage(
  name: string,
  image: { readonly imageName: string; readonly folder: string; readonly dockerfile: string },
  opts?: pulumi.CustomResourceOptions,
): pulumi.Output<string> {
  const { imageName, folder, dockerfile } = image;
  const build = { context: folder, dockerfile: `${folder}/${dockerfile}`, platform: 'linux/amd64' };
  return new docker.Image(name, { imageName, build }, opts).repoDigest;
}
