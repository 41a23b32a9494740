import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { DIMENSIONS } from './data.ts';

/** Vectors of a file cache, one behind the other, and which text each is of. */
export interface Scanned {
  readonly vectors: Float32Array;
  readonly norms: Float64Array;
  readonly names: readonly string[];
}

/** Reads all entries of a cache folder as the legacy program reads one of them. */
export function readCache(folder: string): Scanned {
  const names = readdirSync(folder).map((file) => file.replace(/\.json$/, ''));
  const vectors = new Float32Array(names.length * DIMENSIONS);
  const norms = new Float64Array(names.length);
  for (const [i, name] of names.entries()) {
    const { embedding } = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'));
    const vector: number[] = JSON.parse(inflateSync(Buffer.from(embedding.data, 'base64')).toString());
    vectors.set(vector, i * DIMENSIONS);
    norms[i] = Math.hypot(...vector);
  }
  return { vectors, norms, names };
}

/** Names of the k texts that are nearest by cosine, found by looking at all of them. */
export function nearest({ vectors, norms, names }: Scanned, query: Float64Array, k: number): string[] {
  const best: { at: number; score: number }[] = [];
  for (let at = 0; at < names.length; at++) {
    let sum = 0;
    for (let i = 0, j = at * DIMENSIONS; i < DIMENSIONS; i++, j++) sum += query[i]! * vectors[j]!;
    const score = sum / norms[at]!;
    if (best.length === k && score <= best[k - 1]!.score) continue;
    const place = best.findIndex((each) => each.score < score);
    best.splice(place < 0 ? best.length : place, 0, { at, score });
    if (best.length > k) best.pop();
  }
  return best.map(({ at }) => names[at]!);
}
