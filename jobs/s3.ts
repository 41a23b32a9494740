import type { S3Client } from '@aws-sdk/client-s3';
import { CutoverError } from './errors.ts';

/** A bucket and what the keys in it begin with: empty, or with a slash at its end. */
export interface S3Place {
  readonly bucket: string;
  readonly prefix: string;
}

export const isS3 = (value: string): boolean => value.startsWith('s3://');

/** @throws CutoverError `usage` for anything but `s3://BUCKET` and `s3://BUCKET/PREFIX` */
export function s3Place(url: string): S3Place {
  // Amazon S3 User Guide, "General purpose bucket naming rules".
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/s.exec(url);
  const prefix = match?.[2]?.replace(/\/+$/, '') ?? '';
  if (match && !/[?#]/.test(prefix)) return { bucket: match[1]!, prefix: prefix && `${prefix}/` };
  throw new CutoverError(
    'usage',
    `${url} is not s3://BUCKET/PREFIX`,
    'Name a bucket, and a prefix without ? and #.',
  );
}

export const s3Url = ({ bucket, prefix }: S3Place, key = ''): string => `s3://${bucket}/${prefix}${key}`;

/**
 * A client as the environment wants it: credentials, region and `AWS_ENDPOINT_URL_S3` in the usual variables. With an
 * endpoint of one's own, buckets are in the path, and a region is no more than a word in the signature.
 */
export async function s3Client(): Promise<S3Client> {
  const { S3Client } = await import('@aws-sdk/client-s3');
  const { AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION } = process.env;
  const isOwn = Boolean(AWS_ENDPOINT_URL_S3 || AWS_ENDPOINT_URL);
  return new S3Client({
    ...(isOwn && { forcePathStyle: true, region: AWS_REGION || 'us-east-1' }),
    // Other stores than Amazon's refuse checksums that nobody has asked for.
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
}

/**
 * Whether an object is there. It is looked for in a list: to HeadObject of a missing one S3 answers 403 where the right to
 * list is bound to prefixes, as it is for lack of any other right: Amazon S3 API Reference, "HeadObject", permissions.
 */
export async function hasObject(client: S3Client, place: S3Place, name: string): Promise<boolean> {
  const { ListObjectsV2Command } = await import('@aws-sdk/client-s3');
  const key = place.prefix + name;
  const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: place.bucket, Prefix: key }));
  return (Contents ?? []).some(({ Key }) => Key === key);
}

/** An error of the client as one for the user: what S3 says of it. The error itself holds the request with its signature. */
export function s3Error(error: unknown, kind: 'source' | 'target', url: string, fix: string): unknown {
  if (error instanceof CutoverError || !(error instanceof Error)) return error;
  return new CutoverError(kind, `${url}: ${error.name}: ${error.message}`, fix);
}
