/** The bytes that have a meaning in JSON's structure. */
export const QUOTE = 0x22;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const OPEN_ARRAY = 0x5b;
export const BACKSLASH = 0x5c;
export const CLOSE_ARRAY = 0x5d;
export const OPEN_OBJECT = 0x7b;
export const CLOSE_OBJECT = 0x7d;

/** 1 for a byte that ends the run of plain characters in a string: a quote, a backslash, a control character. */
export const ENDS_PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte < 0x20 || byte === QUOTE || byte === BACKSLASH ? 1 : 0,
);

/**
 * The same of four bytes at once: not 0 where any of them does. (A byte borrows from its highest bit when what is subtracted
 * is more than it: exact as to whether any does.)
 */
export function endsPlain(four: number): number {
  const quote = four ^ 0x22222222;
  const backslash = four ^ 0x5c5c5c5c;
  const below =
    ((quote - 0x01010101) & ~quote) | ((backslash - 0x01010101) & ~backslash) | ((four - 0x20202020) & ~four);
  return below & 0x80808080;
}
