import type pg from 'pg';
import { CutoverError } from '../errors.ts';

/** Advisory lock of a target database: "cutover" in ASCII, cut to what a bigint holds. */
const LOCK_KEY = 0x6375746f766572n;
const PATIENCE_MS = 5000;
const PAUSE_MS = 200;

/**
 * Takes the target for one run. The lock dies with its session; the fencing number outlives it, so that a run that lost
 * its lock unnoticed can't write any more: every batch checks the number in its own transaction.
 *
 * @param client stays open and unused as long as the target is held
 * @returns the fencing number
 * @throws CutoverError `held` that says who holds it since when
 */
export async function holdTarget(client: pg.Client, holder: string): Promise<bigint> {
  await lock(client, 'pg_try_advisory_lock');
  const { rows } = await client.query<{ fence: string }>(
    `update migration.target set fence = fence + 1, holder = $1, held_since = clock_timestamp() returning fence`,
    [holder],
  );
  return BigInt(rows[0]!.fence);
}

/** Keeps writers away while the session reads; readers don't exclude each other. */
export async function shareTarget(client: pg.Client): Promise<void> {
  await lock(client, 'pg_try_advisory_lock_shared');
}

async function lock(client: pg.Client, how: string): Promise<void> {
  // A run that was just killed may hold the lock until the server notices: patience, then the truth.
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const { rows } = await client.query<{ locked: boolean }>(`select ${how}($1) as locked`, [LOCK_KEY]);
    if (rows[0]!.locked) return;
    if (Date.now() > deadline) break;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  const { rows } = await client.query<{ holder: string; held_since: Date }>(
    'select holder, held_since from migration.target',
  );
  const since = rows[0]?.held_since?.toISOString() ?? 'unknown';
  throw new CutoverError(
    'held',
    `database ${client.database} is held by ${rows[0]?.holder ?? 'a reader'} since ${since}`,
    'Wait until that run has ended, or end it; then run the same command again.',
  );
}

/** Refuses a batch of a run that another one has replaced. Call it first in every writing transaction. */
export async function checkFence(client: pg.Client, fence: bigint): Promise<void> {
  const { rows } = await client.query<{ fence: string; holder: string; held_since: Date }>(
    'select fence, holder, held_since from migration.target for key share',
  );
  const found = rows[0]!;
  if (BigInt(found.fence) !== fence) {
    throw new CutoverError(
      'held',
      `database ${client.database} was taken over by ${found.holder} at ${found.held_since.toISOString()}`,
      'This run stopped before it wrote anything more. Let the other one finish.',
    );
  }
}
