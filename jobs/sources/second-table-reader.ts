import { closeSync, openSync, readSync } from 'node:fs';
import { parseLoosely } from './parse-loosely.ts';

/** Signature and flags of PostgreSQL's binary COPY. */
const HEAD = 11 + 4;

/**
 * The rows of a copied table once more, field by field as PostgreSQL's documentation of COPY has them, and the rest by
 * JavaScript's own parser: it shares no line with the reader that load and verify use.
 *
 * @returns of each row its columns, a packed vector as the bytes that were sent
 */
export function* rowsOnceMore(path: string): Generator<ReadonlyMap<string, unknown>> {
  const file = openSync(path, 'r');
  let at = 0;
  const take = (size: number): Buffer => {
    const bytes = Buffer.alloc(size);
    at += readSync(file, bytes, 0, size, at);
    return bytes;
  };
  const sized = (): Buffer | null => {
    const size = take(4).readInt32BE();
    return size < 0 ? null : take(size);
  };
  try {
    take(HEAD);
    const { packed } = JSON.parse(String(sized())) as { packed: string[] };
    while (take(2).readInt16BE() === 1 + packed.length) {
      const row = new Map(Object.entries(parseLoosely(String(sized())) as object));
      for (const name of packed) row.set(name, sized());
      yield row;
    }
  } finally {
    closeSync(file);
  }
}
