import { hash } from 'node:crypto';

/** Namespace of the keys that cutover makes; fixed for ever, or every key would change. */
const NAMESPACE = Buffer.from('6f1c1d1a5c0b4f2e9a3d7b8e2f4a6c10', 'hex');

/** UUIDv5 (RFC 9562, section 5.5) of a legacy id: the same on every run and in every order. @returns the 16 bytes */
export function keyOf(system: string, table: string, legacyId: string): Buffer {
  const name = JSON.stringify([system, table, legacyId]);
  return uuidOf(Buffer.concat([NAMESPACE, Buffer.from(name)]));
}

/**
 * Makes the same keys of legacy ids that lie in bytes.
 * @returns a function of a text of at least one byte, in UTF-8, with nothing in it that JSON escapes; it gives the 16 bytes
 */
export function keysOf(
  system: string,
  table: string,
): (bytes: Uint8Array, start: number, size: number) => Uint8Array {
  const before = Buffer.concat([NAMESPACE, Buffer.from(JSON.stringify([system, table, '']).slice(0, -2))]);
  let input = Buffer.concat([before, Buffer.alloc(256)]);
  return (bytes, start, size) => {
    const end = before.length + size + 2;
    if (end > input.length) input = Buffer.concat([before, Buffer.alloc(2 * size)]);
    for (let i = 0; i < size; i++) input[before.length + i] = bytes[start + i]!;
    input[end - 2] = 0x22;
    input[end - 1] = 0x5d;
    return uuidOf(input.subarray(0, end));
  };
}

function uuidOf(namespaceAndName: Uint8Array): Buffer {
  const uuid = hash('sha1', namespaceAndName, 'buffer').subarray(0, 16);
  uuid[6] = (uuid[6]! & 0x0f) | 0x50;
  uuid[8] = (uuid[8]! & 0x3f) | 0x80;
  return uuid;
}

const DASHED = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
const PLAIN = /^[0-9a-f]{32}$/i;

/** The 16 bytes of a UUID in capitals or not, with all of its dashes or none; undefined for any other text. */
export function parseUuid(text: string): Buffer | undefined {
  if (!DASHED.test(text) && !PLAIN.test(text)) return undefined;
  return Buffer.from(text.replaceAll('-', ''), 'hex');
}

/** The one spelling of a UUID that is stored: small letters, dashes. @param value its bytes, or any spelling of it */
export function uuidText(value: string | Uint8Array): string {
  const digits = typeof value === 'string' ? value.replaceAll('-', '') : Buffer.from(value).toString('hex');
  return digits.toLowerCase().replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
