import { type FileHandle, open } from 'node:fs/promises';
import { CutoverError } from '../errors.ts';
import { damaged, parseAt, unreadable } from './json-damage.ts';
import { JsonSyntaxError, type ParsedJson, parseJsonIn } from './json-parse.ts';
import { type JsonRecord, type JsonShape, JsonSplitter } from './json-split.ts';

export type { JsonRecord, JsonShape } from './json-split.ts';

export interface StreamOptions {
  /** Bytes per read, 256 KB unless told. */
  blockSize?: number;
  /** The longest record that is taken, in bytes, 64 MB unless told. */
  maxRecordBytes?: number;
}

const BLOCK_SIZE = 256 * 1024;
const MAX_RECORD_BYTES = 64 * 1024 * 1024;
const MAX_FILE_BYTES = 256 * 1024 * 1024;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * Cuts a file into the records of its top-level array or object and gives them in file order, a batch per block (never
 * an empty one), in bounded memory: one block and at most one record. Records are cut out by their brackets and strings
 * only; {@link parseRecord} says whether one is well-formed. Repeated top-level keys are all given. A byte order mark at
 * the start carries no data and is skipped.
 *
 * @throws CutoverError of kind `source`, once all records before the damage have been given
 */
export async function* streamJson(
  file: string,
  shape: JsonShape,
  options: StreamOptions = {},
): AsyncGenerator<JsonRecord[], void, undefined> {
  const { blockSize = BLOCK_SIZE, maxRecordBytes = MAX_RECORD_BYTES } = options;
  const handle = await open(file).catch((error) => unreadable(file, error));
  try {
    let position = (await startsWithMark(file, handle)) ? BYTE_ORDER_MARK.length : 0;
    const splitter = new JsonSplitter(file, shape, maxRecordBytes, position);
    // The next block is read while the records of this one are worked on. They lie in it: each needs memory of its own.
    let reading = readBlock(file, handle, Buffer.allocUnsafeSlow(blockSize), position);
    try {
      for (let more = true; more; ) {
        const block = await reading;
        position += block.length;
        more = block.length > 0;
        if (more) {
          reading = readBlock(file, handle, Buffer.allocUnsafeSlow(blockSize), position);
          reading.catch(() => {});
        }
        let failure: unknown;
        try {
          if (more) splitter.push(block);
          else splitter.end();
        } catch (error) {
          failure = error;
        }
        const records = splitter.take();
        if (records.length > 0) yield records;
        if (failure !== undefined) throw failure;
      }
    } finally {
      await reading.catch(() => {});
    }
  } finally {
    await handle.close();
  }
}

/**
 * Parses a record. Its key's issues come first.
 *
 * @throws CutoverError of kind `source` with the place in the file
 */
export function parseRecord(record: JsonRecord): ParsedJson {
  const { value, issues } = parsed(record);
  return { value, issues: record.keyIssues.length > 0 ? [...record.keyIssues, ...issues] : issues };
}

function parsed({ file, ordinal, offset, block, start, end }: JsonRecord): ParsedJson {
  try {
    return parseJsonIn(block, start, end);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw damaged(file, offset + error.offset, error.expected, ` in record ${ordinal}`);
  }
}

/** Reads a file to its end and parses every record, keeping none, so that a damaged file is refused before a load starts. */
export async function checkJsonFile(file: string, shape: JsonShape): Promise<{ records: number }> {
  let records = 0;
  for await (const batch of streamJson(file, shape)) {
    for (const record of batch) parseRecord(record);
    records += batch.length;
  }
  return { records };
}

/** Reads a record's bytes again, by the offset and length that it was given with. */
export async function readRecord(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
    if (bytesRead === 0) {
      throw new CutoverError(
        'source',
        `The source ends at byte ${offset + filled}, inside the record of ${length} bytes at byte ${offset}`,
        'The file has changed since it was first read: take the backup again while the application is stopped.',
      );
    }
    filled += bytesRead;
  }
  return bytes;
}

/**
 * Reads a small file whole, whatever its top level is. A byte order mark at the start is skipped.
 *
 * @throws CutoverError of kind `source`, also for more than 256 MB
 */
export async function parseJsonFile(file: string): Promise<ParsedJson> {
  const handle = await open(file).catch((error) => unreadable(file, error));
  try {
    const { size } = await handle.stat();
    if (size > MAX_FILE_BYTES) {
      throw new CutoverError(
        'source',
        `${file} has ${size} bytes; a file that is read whole may have ${MAX_FILE_BYTES}`,
        'A file of this kind is small: check that the right one lies at this path.',
      );
    }
    const start = (await startsWithMark(file, handle)) ? BYTE_ORDER_MARK.length : 0;
    const bytes = await handle.readFile().catch((error) => unreadable(file, error));
    return parseAt(file, start, bytes.subarray(start));
  } finally {
    await handle.close();
  }
}

async function startsWithMark(file: string, handle: FileHandle): Promise<boolean> {
  const start = await readBlock(file, handle, Buffer.alloc(BYTE_ORDER_MARK.length), 0);
  return start.equals(BYTE_ORDER_MARK);
}

/** Fills the block from the file; the result is shorter only at the file's end, where it may be empty. */
async function readBlock(file: string, handle: FileHandle, block: Buffer, position: number): Promise<Buffer> {
  let filled = 0;
  while (filled < block.length) {
    const { bytesRead } = await handle
      .read(block, filled, block.length - filled, position + filled)
      .catch((error) => unreadable(file, error));
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return block.subarray(0, filled);
}
