import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { CutoverError } from '../errors.ts';
import { hasObject, type S3Place, s3Client, s3Error, s3Url } from '../s3.ts';
import type { HashedFile } from '../sources/file-list.ts';
import { manifestText } from '../sources/manifest.ts';
import type { Snapshot } from '../sources/snapshot.ts';

/** Largest object of one request: Amazon S3 User Guide, "Uploading objects". */
const LARGEST = 5 * 1024 ** 3;
/** Up to here a file is sent from memory, which the client may do again when a request fails. */
const SMALL = 16 << 20;

/**
 * Puts a snapshot into an object store: its files as `<prefix>/<system>/<digest>/files/…`, and last of all `manifest.json`
 * beside them. An archive without a manifest is a half-made one and counts for nothing; one that has it is left alone.
 *
 * @returns what is to be said of it
 * @throws CutoverError `target` that names the object
 */
export async function archiveSnapshot(archive: S3Place, { manifest, folder }: Snapshot): Promise<string> {
  const { system, digest, files } = manifest;
  const place = { ...archive, prefix: `${archive.prefix}${system}/${digest}/` };
  const client = await s3Client();
  let at = 'manifest.json';
  try {
    if (await hasObject(client, place, at)) return `snapshot is in the archive already: ${s3Url(place)}`;
    for (const file of files) {
      at = `files/${file.path}`;
      await put(client, place, at, join(folder, file.path), file);
    }
    at = 'manifest.json';
    const Body = manifestText(manifest);
    await client.send(
      new PutObjectCommand({
        Bucket: place.bucket,
        Key: place.prefix + at,
        Body,
        ContentType: 'application/json',
      }),
    );
    return `snapshot archived: ${s3Url(place)}`;
  } catch (error) {
    throw s3Error(
      error,
      'target',
      s3Url(place, at),
      'Correct --archive; the credentials need s3:ListBucket, s3:GetObject and s3:PutObject there.',
    );
  } finally {
    client.destroy();
  }
}

/** Sends one file; the store compares its SHA-256 with that of the manifest. */
async function put(
  client: S3Client,
  { bucket, prefix }: S3Place,
  name: string,
  path: string,
  { size, sha256 }: HashedFile,
): Promise<void> {
  if (size > LARGEST) {
    throw new CutoverError(
      'target',
      `${path} has ${size} bytes, more than the ${LARGEST} of one object`,
      'Leave --archive out for this system, and copy the folder of its snapshot yourself.',
    );
  }
  await client.send(
    new PutObjectCommand({
      Bucket: bucket,
      Key: prefix + name,
      Body: size <= SMALL ? await readFile(path) : createReadStream(path),
      ContentLength: size,
      ChecksumSHA256: Buffer.from(sha256, 'hex').toString('base64'),
    }),
  );
}
