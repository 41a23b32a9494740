import { hostname } from 'node:os';
import type pg from 'pg';
import { setForSession } from '../database.ts';
import { CutoverError } from '../errors.ts';

/** Advisory lock of a target database: "cutover" in ASCII, cut to what a bigint holds. */
const LOCK_KEY = 0x6375746f766572n;
const PATIENCE_MS = 5000;
const PAUSE_MS = 200;
/**
 * The server notices within two minutes that a session's machine is gone, and frees what it has locked: by default it
 * asks for the first time after two hours.
 */
export const NOTICED: Readonly<Record<string, string>> = {
  tcp_keepalives_idle: '60',
  tcp_keepalives_interval: '10',
  tcp_keepalives_count: '6',
};

/** PostgreSQL cuts a session's name here. */
const NAME_BYTES = 63;

/**
 * Takes the target for one run. The lock dies with its session; the fencing number outlives it, so that a run that lost
 * its lock unnoticed can't write any more: every batch checks the number in its own transaction.
 *
 * @param client stays open and unused as long as the target is held
 * @param what the step that wants it
 * @returns the fencing number; a dry run, which writes nothing, gets the one that is there
 * @throws CutoverError `held` that says who holds it since when
 */
export async function holdTarget(client: pg.Client, what: string, dryRun: boolean): Promise<bigint> {
  await setForSession(client, NOTICED);
  await lock(client, 'pg_try_advisory_lock', dryRun ? `${what} --dry-run` : what);
  if (dryRun) {
    const { rows } = await client.query<{ fence: string }>('select fence from migration.target');
    return BigInt(rows[0]!.fence);
  }
  // Waits for the batches that an earlier run may still have open, and so is ahead of its next ones: a lock of a table has
  // a queue, while one of a row lets everybody in who shares it, as long as anybody does.
  await client.query('begin; lock table migration.target in exclusive mode');
  const { rows } = await client.query<{ fence: string }>(
    `update migration.target set fence = fence + 1, holder = $1, held_since = clock_timestamp() returning fence`,
    [`${hostname()} pid ${process.pid} (${what})`],
  );
  await client.query('commit');
  return BigInt(rows[0]!.fence);
}

/** Keeps writers away while the session reads; readers don't exclude each other. */
export async function shareTarget(client: pg.Client): Promise<void> {
  await lock(client, 'pg_try_advisory_lock_shared', 'verify');
}

/** Whoever holds the lock says so in the one thing that every role may see of another's session: its name. */
async function lock(client: pg.Client, how: string, what: string): Promise<void> {
  const since = `${new Date().toISOString().slice(0, 19)}Z`;
  const name = `cutover ${what} since ${since} pid ${process.pid} on ${hostname()}`;
  await client.query(`select set_config('application_name', $1, false)`, [name.slice(0, NAME_BYTES)]);
  // A run that was just killed may hold the lock until the server notices: patience, then the truth.
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const { rows } = await client.query<{ locked: boolean }>(`select ${how}($1) as locked`, [LOCK_KEY]);
    if (rows[0]!.locked) return;
    if (Date.now() > deadline) break;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  throw new CutoverError(
    'held',
    `database ${client.database} is held by ${(await holderOf(client))?.name ?? 'a run that has just ended'}`,
    'Wait until that run has ended, or end it; then run the same command again.',
  );
}

/** Who holds the target now, by the name of the session, and whether alone: those who read it share it. */
export async function holderOf(
  client: pg.Client,
): Promise<{ readonly name: string; readonly isAlone: boolean } | undefined> {
  const { rows } = await client.query<{ name: string; isAlone: boolean }>(
    `select application_name as name, mode = 'ExclusiveLock' as "isAlone" from pg_locks join pg_stat_activity using (pid)
     where locktype = 'advisory' and granted and objsubid = 1 and (classid::bigint << 32 | objid::bigint) = $1
       and database = (select oid from pg_database where datname = current_database())`,
    [LOCK_KEY],
  );
  return rows[0];
}

/** What writes in a transaction of its own has to say. */
export interface Writing {
  readonly fence: bigint;
  /** The caller has opened a transaction around everything and will roll it back. */
  readonly dryRun: boolean;
}

/** One transaction under the fence; within a dry run, a savepoint of the caller's. */
export async function atomically<T>(
  client: pg.Client,
  { fence, dryRun }: Writing,
  work: () => Promise<T>,
): Promise<T> {
  const [begin, commit, rollback] = dryRun
    ? ['savepoint writing', 'release writing', 'rollback to writing']
    : ['begin', 'commit', 'rollback'];
  try {
    await checkFence(client, begin, fence);
    const result = await work();
    await client.query(commit);
    return result;
  } catch (error) {
    await client.query(rollback).catch(() => {});
    throw error;
  }
}

/** Begins, and refuses what a run writes that another one has replaced. */
async function checkFence(client: pg.Client, begin: string, fence: bigint): Promise<void> {
  // Two statements in one message answer twice. Not `for key share`, which lets the number change under an open batch.
  const results = (await client.query(
    `${begin}; select fence, holder, held_since from migration.target for share`,
  )) as unknown as pg.QueryResult<{ fence: string; holder: string; held_since: Date }>[];
  const found = results[1]!.rows[0]!;
  if (BigInt(found.fence) !== fence) {
    throw new CutoverError(
      'held',
      `database ${client.database} was taken over by ${found.holder} at ${found.held_since.toISOString()}`,
      'This run stopped before it wrote anything more. Let the other one finish.',
    );
  }
}
