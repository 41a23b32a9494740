import { createHash } from 'node:crypto';
import { type FileHandle, open, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { CutoverError } from '../errors.ts';
import { FileList, type HashedFile } from './file-list.ts';
import { JsonWalk } from './json-walk.ts';

/** What a snapshot holds; `digest` names the content, so the same content has the same digest wherever it lay. */
export interface Manifest {
  readonly system: string;
  /** SHA-256 over the lines `<sha256>  <path>` of all files. */
  readonly digest: string;
  readonly files: FileList;
  /** Files around the store that are no part of it: seen, not copied, and not in `digest`. */
  readonly around?: readonly HashedFile[] | undefined;
  /** Tables of the living database that no mapping knows. */
  readonly unread?: readonly string[] | undefined;
  /** SHA-256 of the database into which the files were folded, where that was needed; no part of `digest`. */
  readonly folded?: string | undefined;
}

const hashedFile = z.object({ path: z.string(), size: z.number(), sha256: z.string() });
const manifestFile = z.object({
  system: z.string(),
  digest: z.string(),
  files: z.instanceof(FileList),
  around: z.array(hashedFile).optional(),
  unread: z.array(z.string()).optional(),
  folded: z.string().optional(),
});

/** What a manifest's `digest` has to be. */
export function digestOf(files: FileList): string {
  const hash = createHash('sha256');
  for (const { path, sha256 } of files) hash.update(`${sha256}  ${path}\n`);
  return hash.digest('hex');
}

export const manifestText = (manifest: Manifest): string => `${JSON.stringify(manifest, null, 2)}\n`;

export function writeManifest(path: string, manifest: Manifest): Promise<void> {
  return writeFile(path, manifestText(manifest), { mode: 0o600 });
}

/** What stands before the list of files. No string of JSON has a line feed in it. */
const BEFORE_FILES = '\n  "files": ';
/** So much of a manifest has the beginning of the list in it. */
const HEAD = 4096;

/**
 * Reads what `writeManifest` wrote, piece by piece: neither a hundred thousand objects nor their text are there at once.
 * @returns undefined where there is none
 * @throws CutoverError `source` for a damaged one
 */
export async function readManifest(path: string): Promise<Manifest | undefined> {
  let file: FileHandle;
  try {
    file = await open(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { buffer } = await file.read(Buffer.alloc(HEAD), 0, HEAD, 0);
    const begin = buffer.indexOf(BEFORE_FILES) + BEFORE_FILES.length;
    const elements = new Elements(path, begin);
    const files = FileList.of(elements);
    const tail = await text(file.createReadStream({ start: elements.end, autoClose: false }));
    const rest = JSON.parse(`${buffer.toString('utf8', 0, begin)}[${tail}`);
    return manifestFile.parse({ ...rest, files });
  } catch (cause) {
    throw new CutoverError(
      'source',
      `${path} is damaged`,
      `Delete the folder ${dirname(path)} and run: cutover backup`,
      { cause },
    );
  } finally {
    await file.close();
  }
}

/** The elements of the array that begins at a place of a file. */
class Elements implements Iterable<HashedFile> {
  /** Behind the last one that was there. */
  end: number;

  constructor(
    private readonly path: string,
    private readonly begin: number,
  ) {
    this.end = begin + 1;
  }

  *[Symbol.iterator](): Generator<HashedFile> {
    const walk = new JsonWalk(this.path, undefined, { at: 0, offset: this.begin });
    try {
      while (walk.next()) {
        yield hashedFile.parse(JSON.parse(walk.bytes.toString('utf8', walk.start, walk.end)));
        this.end = walk.offset + walk.end - walk.start;
      }
    } finally {
      walk.close();
    }
  }
}
