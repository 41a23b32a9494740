import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** Up to here a file is read at once. */
const SMALL = 1 << 20;

let shared = Buffer.allocUnsafeSlow(1 << 16);

/**
 * Reads a small file whole, without a promise: where there are thousands of files, streams and promises cost more than the
 * bytes. Always into the same memory, so the bytes are valid until the next call.
 * @returns undefined for a file of more than a megabyte
 */
export function readSmall(path: string): Buffer | undefined {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    if (size > SMALL) return undefined;
    if (size > shared.length) shared = Buffer.allocUnsafeSlow(SMALL);
    let filled = 0;
    while (filled < size) {
      const read = readSync(file, shared, filled, size - filled, null);
      if (read === 0) break;
      filled += read;
    }
    return shared.subarray(0, filled);
  } finally {
    closeSync(file);
  }
}
