import type { Place } from '../sources/source.ts';

/** Bytes of a place without its key. */
const FIXED = 40;

/** Bytes that a place takes, see `writePlace`. */
export function placeSize({ key }: Place): number {
  return FIXED + (key === null ? 0 : 2 * key.length);
}

/** Writes a place in binary form. Numbers of bytes and records are doubles: exact up to 2^53. */
export function writePlace(bytes: Buffer, at: number, place: Place): void {
  const { ordinal, file, offset, length, key, at: index, part } = place;
  let next = bytes.writeDoubleLE(ordinal, at);
  next = bytes.writeDoubleLE(offset, next);
  next = bytes.writeDoubleLE(index, next);
  next = bytes.writeInt32LE(file, next);
  next = bytes.writeInt32LE(length, next);
  next = bytes.writeInt32LE(part, next);
  next = bytes.writeInt32LE(key === null ? -1 : 2 * key.length, next);
  // As UTF-16: a key may have half a character.
  if (key !== null) bytes.write(key, next, 'utf16le');
}

/** The ordinal of the place that was written at `at`. */
export function readOrdinal(bytes: Buffer, at: number): number {
  return bytes.readDoubleLE(at);
}

/** Where the place that was written at `at` ends. */
export function endOfPlace(bytes: Buffer, at: number): number {
  return at + FIXED + Math.max(0, bytes.readInt32LE(at + 36));
}

/** @returns the place that was written at `at`, and where it ends */
export function readPlace(bytes: Buffer, at: number): { place: Place; end: number } {
  const keySize = bytes.readInt32LE(at + 36);
  const end = endOfPlace(bytes, at);
  const place: Place = {
    ordinal: readOrdinal(bytes, at),
    offset: bytes.readDoubleLE(at + 8),
    at: bytes.readDoubleLE(at + 16),
    file: bytes.readInt32LE(at + 24),
    length: bytes.readInt32LE(at + 28),
    part: bytes.readInt32LE(at + 32),
    key: keySize < 0 ? null : bytes.toString('utf16le', at + FIXED, end),
  };
  return { place, end };
}
