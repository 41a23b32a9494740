import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { COPY_HEADER, COPY_TRAILER, type CopyBuffer } from './copy-buffer.ts';

/** Bytes handed to the socket at once. */
const CHUNK = 1 << 20;

/** Sends finished rows by `COPY … FROM STDIN (FORMAT binary)`. @param target table and column list, as SQL */
export async function copyIn(client: pg.Client, target: string, rows: CopyBuffer): Promise<void> {
  const stream = client.query(copyFrom(`copy ${target} from stdin (format binary)`));
  const done = finished(stream);
  done.catch(() => {});
  const send = async (chunk: Buffer) => {
    if (!stream.write(chunk)) await Promise.race([once(stream, 'drain'), done]);
  };
  await send(COPY_HEADER);
  for (let at = 0; at < rows.length; at += CHUNK) {
    await send(rows.bytes.subarray(at, Math.min(at + CHUNK, rows.length)));
  }
  stream.end(COPY_TRAILER);
  await done;
}
