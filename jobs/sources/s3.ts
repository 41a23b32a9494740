import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { GetObjectCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import { CutoverError } from '../errors.ts';
import { type S3Place, s3Client, s3Error, s3Url } from '../s3.ts';

/** As a snapshot is: what changed while it was read is read again. */
const ATTEMPTS = 5;
const PAUSE_MS = 300;
/** Objects that are fetched side by side. */
const LANES = 8;

interface StoredObject {
  /** Below the prefix. */
  readonly name: string;
  readonly etag: string;
  readonly size: number;
}

/**
 * Brings all objects below a prefix into a folder, as they were at one moment; what was in the folder is gone then.
 *
 * @param mayOpen says of an object by its name whether it may be read; of others there is an empty file
 * @throws CutoverError `source` when there are none, they change all the time, can't be read, or have names that lead out of
 *   the folder
 */
export async function downloadObjects(
  place: S3Place,
  folder: string,
  mayOpen: (name: string) => boolean,
): Promise<void> {
  const client = await s3Client();
  const draft = `${folder}.${process.pid}.draft`;
  try {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      await rm(draft, { recursive: true, force: true });
      const before = await listObjects(client, place);
      if (before.length === 0) {
        throw new CutoverError(
          'source',
          `${s3Url(place)} has no objects`,
          'Name the prefix below which the files of the store lie, not a file of it.',
        );
      }
      const whole = await fetchAll(client, place, before, draft, mayOpen);
      if (whole && JSON.stringify(await listObjects(client, place)) === JSON.stringify(before)) {
        await rm(folder, { recursive: true, force: true });
        await rename(draft, folder);
        return;
      }
      await sleep(PAUSE_MS);
    }
  } catch (error) {
    throw s3Error(
      error,
      'source',
      s3Url(place),
      'Correct bucket and prefix; the credentials need s3:ListBucket and s3:GetObject there.',
    );
  } finally {
    client.destroy();
    await rm(draft, { recursive: true, force: true });
  }
  throw new CutoverError(
    'source',
    `${s3Url(place)} changed while it was read, ${ATTEMPTS} times in a row`,
    'Stop what writes there, or take the snapshot when it is idle.',
  );
}

async function listObjects(client: S3Client, place: S3Place): Promise<StoredObject[]> {
  const found: StoredObject[] = [];
  let token: string | undefined;
  do {
    const page = await client.send(
      new ListObjectsV2Command({ Bucket: place.bucket, Prefix: place.prefix, ContinuationToken: token }),
    );
    for (const { Key = '', ETag = '', Size = 0 } of page.Contents ?? []) {
      // What consoles make for a folder.
      if (Key.endsWith('/') && Size === 0) continue;
      found.push({ name: nameBelow(place, Key), etag: ETag, size: Size });
    }
    token = page.NextContinuationToken;
  } while (token !== undefined);
  return found;
}

/** A key may be any text; as a path it must stay in the folder, and be the only one of its file. */
function nameBelow(place: S3Place, key: string): string {
  const name = key.slice(place.prefix.length);
  const isPath = !/[\\\0]/.test(name) && name.split('/').every((part) => !['', '.', '..'].includes(part));
  if (key.startsWith(place.prefix) && isPath) return name;
  throw new CutoverError(
    'source',
    `${JSON.stringify(`s3://${place.bucket}/${key}`)} is no name of a file`,
    'Rename the object: parts between slashes, none of them empty, . or .., and no backslash.',
  );
}

/** @returns false when an object is no longer the one that was listed */
async function fetchAll(
  client: S3Client,
  place: S3Place,
  objects: readonly StoredObject[],
  folder: string,
  mayOpen: (name: string) => boolean,
): Promise<boolean> {
  const waiting = [...objects];
  let isWhole = true;
  const lane = async () => {
    for (let next = waiting.pop(); next !== undefined && isWhole; next = waiting.pop()) {
      const file = join(folder, next.name);
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      if (!mayOpen(next.name)) await writeFile(file, '');
      else if (!(await fetchOne(client, place, next, file))) isWhole = false;
    }
  };
  const lanes = Array.from({ length: LANES }, () =>
    lane().catch((error) => {
      isWhole = false;
      throw error;
    }),
  );
  // Nobody writes into the folder any more when this ends.
  await Promise.allSettled(lanes);
  await Promise.all(lanes);
  return isWhole;
}

async function fetchOne(
  client: S3Client,
  { bucket, prefix }: S3Place,
  { name, etag }: StoredObject,
  file: string,
): Promise<boolean> {
  try {
    const { Body } = await client.send(
      new GetObjectCommand({ Bucket: bucket, Key: prefix + name, IfMatch: etag }),
    );
    await pipeline(Body as Readable, createWriteStream(file, { mode: 0o600 }));
    return true;
  } catch (error) {
    if (['NoSuchKey', 'PreconditionFailed'].includes((error as Error).name)) return false;
    throw error;
  }
}
