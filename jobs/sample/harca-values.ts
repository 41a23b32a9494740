import { createHash } from 'node:crypto';
import type { Random } from './random.ts';

export const DAY = 86_400_000;

/** When the ordinary entries were made: 15 March 2025. */
export const BEGIN = Date.UTC(2025, 2, 15, 12);

export const iso = (ms: number): string => new Date(ms).toISOString();

/** Name of an entry's file, without `.json`. */
export const keyOf = (model: string, text: string): string =>
  createHash('sha256').update(`${model}:${text}`).digest('hex');

/**
 * A vector of this Euclidean length. Only +, *, / and the square root, which are the same everywhere.
 * @param digits cut off behind so many, which makes the file shorter and the length a little other
 */
export function vectorOf(from: Random, dimensions: number, norm = 1, digits?: number): number[] {
  const raw = Array.from({ length: dimensions }, () => from.next() - 0.5);
  const length = Math.sqrt(raw.reduce((sum, each) => sum + each * each, 0));
  const scaled = raw.map((each) => (each / length) * norm);
  if (digits === undefined) return scaled;
  const unit = 10 ** digits;
  return scaled.map((each) => Math.round(each * unit) / unit);
}

/** Adler-32 (RFC 1950). */
function adler32(bytes: Buffer): number {
  let [a, b] = [1, 0];
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return b * 65536 + a;
}

/**
 * A zlib stream of stored blocks (RFC 1951, 3.2.4). Not zlib's own: what that makes of the same bytes differs from one
 * version and processor to the next.
 */
export function deflated(text: string): string {
  const bytes = Buffer.from(text);
  const parts = [Buffer.from([0x78, 0x01])];
  for (let at = 0; at < bytes.length; at += 0xffff) {
    const block = bytes.subarray(at, at + 0xffff);
    const head = Buffer.alloc(5);
    head[0] = at + block.length === bytes.length ? 1 : 0;
    head.writeUInt16LE(block.length, 1);
    head.writeUInt16LE(~block.length & 0xffff, 3);
    parts.push(head, block);
  }
  const end = Buffer.alloc(4);
  end.writeUInt32BE(adler32(bytes));
  return Buffer.concat([...parts, end]).toString('base64');
}

/** As the newest program writes a long vector. */
export const compressed = (vector: readonly number[]) => ({
  _compressed: true,
  data: deflated(JSON.stringify(vector)),
});

/** As an older one did. */
export const compressedBefore = (vector: readonly number[]) => ({
  compressed: true,
  data: deflated(JSON.stringify(vector)),
});

export const TOPICS = [
  'アーキテクチャ',
  '設計',
  'キャッシュ',
  'ベクトル検索',
  'PostgreSQL',
  'Redis',
] as const;
