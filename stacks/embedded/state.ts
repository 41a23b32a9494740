import { randomBytes } from 'node:crypto';
import { chown, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CutoverError } from '../../jobs/errors.ts';

const server = z.object({
  name: z.string(),
  kind: z.enum(['postgres', 'redis']),
  /** Of the last start; the process may be gone. 0: never started. */
  pid: z.number(),
  startTime: z.number(),
  port: z.number(),
  /** Redis nodes speak to one another here. */
  busPort: z.number().optional(),
  dataDir: z.string(),
  logFile: z.string(),
  /** Its data is whole: an interrupted start is begun again from nothing, never continued. */
  made: z.boolean(),
});
export type Server = z.infer<typeof server>;

const state = z.object({
  version: z.literal(1),
  platform: z.object({
    postgres: z.string(),
    replica: z.string(),
    timescale: z.string(),
    redis: z.array(z.string()),
    redisCa: z.string(),
    clientTools: z.string().optional(),
  }),
  servers: z.array(server),
  passwords: z.object({ postgres: z.string(), replicator: z.string(), redis: z.string() }),
  dirs: z.object({
    /** Of this file: a copy of it elsewhere would lay hands on the first one's servers. */
    home: z.string(),
    /** Data and logs: below the home, or elsewhere when the servers' account cannot enter it. */
    data: z.string(),
  }),
  /** The login that runs the servers and owns their data. */
  account: z.object({ name: z.string(), uid: z.number(), gid: z.number() }),
});
/** Content of `state.json` in the home. Holds passwords. */
export type State = z.infer<typeof state>;

/** @throws CutoverError prerequisite when the file is there but is not ours, or not what we write */
export async function readState(home: string): Promise<State | undefined> {
  const file = join(home, 'state.json');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code !== 'EACCES') throw error;
    throw new CutoverError(
      'prerequisite',
      `${file} belongs to another user, who started the servers of this home`,
      'Run as that user, or choose another --home.',
      { cause: error },
    );
  }
  let content: State;
  try {
    content = state.parse(JSON.parse(text));
  } catch (error) {
    throw new CutoverError(
      'prerequisite',
      `${file} is not a state file of this version: ${(error as Error).message}`,
      'Put back a whole one, or choose another --home.',
      { cause: error },
    );
  }
  if (content.dirs.home === home) return content;
  throw new CutoverError(
    'prerequisite',
    `${file} was made in ${content.dirs.home} and names files there`,
    `Move it back, or choose another --home.`,
  );
}

/** Replaces the file in one step, readable for its owner only. */
export async function writeState(home: string, content: State): Promise<void> {
  const file = join(home, 'state.json');
  await writeFile(`${file}.new`, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600, flush: true });
  // root may lend a hand in another user's home, which stays theirs.
  const owner = await stat(file).catch(() => undefined);
  if (owner && owner.uid !== process.getuid!()) await chown(`${file}.new`, owner.uid, owner.gid);
  await rename(`${file}.new`, file);
}

/** 192 random bits in letters that need no quoting in a URL, a configuration file or SQL. */
export function password(): string {
  return randomBytes(24).toString('base64url');
}
