import { closeSync, openSync, readSync } from 'node:fs';
import { CutoverError } from '../errors.ts';
import {
  advancePosition,
  describeByte,
  isBlank,
  JsonSyntaxError,
  type ParsedJson,
  parseJson,
} from './json-parse.ts';

/** Parses bytes that stand at `offset` in a file; a syntax error names the place in the file. */
export function parseAt(file: string, offset: number, bytes: Buffer, where = ''): ParsedJson {
  try {
    return parseJson(bytes);
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw damaged(file, offset + error.offset, error.expected, where);
    throw error;
  }
}

/** The error for a file that breaks the grammar at byte `offset`. Reads the file up to there for line and column. */
export function damaged(file: string, offset: number, expected: string, where = ''): CutoverError {
  const { line, column, found, blank } = inspectPlace(file, offset);
  const place = `line ${line}, column ${column} (byte ${offset})`;
  if (found !== undefined) {
    return new CutoverError(
      'source',
      `${file}, ${place}${where}: expected ${expected}, found ${found}`,
      'Repair the file at that place or restore it from an older copy, then take the backup again.',
    );
  }
  return new CutoverError(
    'source',
    blank
      ? `${file} is empty (${offset} bytes)`
      : `${file} is cut: it ends at ${place}${where}, expected ${expected}`,
    'The file was copied while the application rewrote it, or the application died doing so. Stop the application and ' +
      'take the backup again, or restore the file from an older copy.',
  );
}

/** For the rejection of a file operation. */
export function unreadable(file: string, error: Error): never {
  throw new CutoverError(
    'source',
    `${file} cannot be read: ${error.message}`,
    'Check that the path is right and that this user may read the file.',
    { cause: error },
  );
}

interface Place {
  line: number;
  column: number;
  /** What stands there; `undefined` at the end of the file. */
  found: string | undefined;
  /** Nothing but blanks comes before. */
  blank: boolean;
}

function inspectPlace(file: string, offset: number): Place {
  const block = Buffer.alloc(64 * 1024);
  const descriptor = openSync(file, 'r');
  try {
    let position = { line: 1, column: 1 };
    let blank = true;
    for (let start = 0; start < offset; ) {
      const length = readSync(descriptor, block, 0, Math.min(block.length, offset - start), start);
      if (length === 0) break;
      const part = block.subarray(0, length);
      position = advancePosition(part, position);
      blank &&= part.every(isBlank);
      start += length;
    }
    const rest = block.subarray(0, readSync(descriptor, block, 0, 4, offset));
    return { ...position, blank, found: rest.length > 0 ? describeByte(rest, 0) : undefined };
  } finally {
    closeSync(descriptor);
  }
}
