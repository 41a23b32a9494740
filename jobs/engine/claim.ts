import type pg from 'pg';
import { type PartProgress, partProgressOf, type Run } from './ledger.ts';

/**
 * Does `work` on a part, with what is done of it by then; nothing when it is complete, or when another session is at it,
 * which is not waited for. The claim dies with the session that writes, so that what a process leaves behind is free for
 * the others at once.
 */
export async function claimed(
  client: pg.Client,
  run: Run,
  table: string,
  part: number,
  work: (done: PartProgress | undefined) => Promise<void>,
): Promise<void> {
  // Two integers are another space of locks than the bigint that stands for the target. Two tables of one hash only wait
  // for each other.
  const key = [`${run.id} ${table}`, part];
  const { rows } = await client.query<{ mine: boolean }>(
    'select pg_try_advisory_lock(hashtext($1), $2) as mine',
    key,
  );
  if (!rows[0]!.mine) return;
  try {
    // Not before: whoever had it may have gone on until then.
    const done = (await partProgressOf(client, run.id, table)).get(part);
    if (!done?.complete) await work(done);
  } finally {
    await client.query('select pg_advisory_unlock(hashtext($1), $2)', key).catch(() => {});
  }
}
