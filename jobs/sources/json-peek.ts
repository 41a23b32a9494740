import { BACKSLASH, CLOSE_OBJECT, COLON, COMMA, OPEN_OBJECT, QUOTE } from './json-bytes.ts';
import { isBlank } from './json-parse.ts';
import { JsonNumber } from './json-value.ts';

/**
 * The value of a member of the object that stands in `block`, found without parsing the rest: what the whole record is
 * worth, a later member of the same name included, only parsing it says.
 *
 * @param start  @param end of the object
 * @param name the member's key as it is written, with its quotes
 * @returns a plain text or a number; undefined for anything that needs the parser, a missing member included
 */
export function peekMember(
  block: Buffer,
  start: number,
  end: number,
  name: Uint8Array,
): string | JsonNumber | undefined {
  if (block[start] !== OPEN_OBJECT) return undefined;
  let at = start + 1;
  for (;;) {
    while (at < end && isBlank(block[at]!)) at++;
    if (block[at] !== QUOTE) return undefined;
    let same = 0;
    while (same < name.length && block[at + same] === name[same]) same++;
    const isFound = same === name.length;
    at = isFound ? at + same : endOfText(block, at, end);
    while (at < end && isBlank(block[at]!)) at++;
    if (block[at] !== COLON) return undefined;
    do at++;
    while (at < end && isBlank(block[at]!));
    if (isFound) return plainValue(block, at, end);
    at = endOfValue(block, at, end);
    while (at < end && isBlank(block[at]!)) at++;
    if (block[at] !== COMMA) return undefined;
    at++;
  }
}

/** Behind the text whose quote stands at `at`. */
function endOfText(block: Buffer, at: number, end: number): number {
  while (++at < end) {
    const c = block[at]!;
    if (c === QUOTE) return at + 1;
    if (c === BACKSLASH) at++;
  }
  return end;
}

function endOfValue(block: Buffer, start: number, end: number): number {
  let depth = 0;
  for (let at = start; at < end; ) {
    const c = block[at]!;
    if (c === QUOTE) {
      at = endOfText(block, at, end);
      if (depth === 0) return at;
      continue;
    }
    const bracket = c | 0x20;
    if (bracket === CLOSE_OBJECT) {
      if (depth === 0) return at;
      if (--depth === 0) return at + 1;
    } else if (bracket === OPEN_OBJECT) depth++;
    else if (c === COMMA && depth === 0) return at;
    at++;
  }
  return end;
}

function plainValue(block: Buffer, start: number, end: number): string | JsonNumber | undefined {
  let at = start;
  if (block[at] === QUOTE) {
    for (at++; at < end; at++) {
      const c = block[at]!;
      if (c === QUOTE) return block.toString('latin1', start + 1, at);
      if (c < 0x20 || c > 0x7e || c === BACKSLASH) return undefined;
    }
    return undefined;
  }
  while (at < end && isDigit(block[at]!)) at++;
  const isNumber = at > start && (block[start] !== 0x30 || at === start + 1);
  const isOver = isBlank(block[at]!) || block[at] === COMMA || block[at] === CLOSE_OBJECT;
  return isNumber && isOver ? new JsonNumber(block.toString('latin1', start, at)) : undefined;
}

const isDigit = (byte: number) => byte >= 0x30 && byte <= 0x39;
