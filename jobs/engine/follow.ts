import type pg from 'pg';
import { CutoverError } from '../errors.ts';
import { holderOf } from './hold.ts';
import {
  type Counts,
  fenceOf,
  findRun,
  type Identity,
  isComplete,
  partsOf,
  progressOf,
  type Run,
  removalsOf,
} from './ledger.ts';
import type { LoadCrew, LoadOptions } from './load.ts';
import type { TableMapping } from './mapping.ts';
import { sleep } from './pace.ts';
import { Parents } from './parents.ts';
import { loadParts } from './parts.ts';
import type { OpenStore } from './store.ts';

/** Between two looks at what the leader does. */
const PAUSE_MS = 1000;

/** So long a target that nobody holds is one that somebody is about to hold. */
const PATIENCE_MS = 60_000;

/** Several processes that load a system together. The first one, 0, leads: it does all that is for one alone. */
export interface Processes {
  readonly own: number;
  readonly all: number;
  /** How long a target may be held by nobody until there is no leader to wait for. Default: one minute. */
  readonly patienceMs?: number | undefined;
}

/** Whether somebody holds the target to write to it, so that there may be a leader; `over`: nobody has for too long. */
type Lead = 'held' | 'awaited' | 'over';

/** Waits for the leader, as long as there may be one. */
export class Patience {
  /** When a look found nobody, and none since found anybody: a load in between takes as long as it takes. */
  #alone: number | undefined;
  #lead: Lead = 'awaited';

  constructor(
    private readonly client: pg.Client,
    private readonly ms = PATIENCE_MS,
  ) {}

  async look(): Promise<Lead> {
    const isHeld = (await holderOf(this.client))?.isAlone === true;
    const now = performance.now();
    this.#alone = isHeld ? undefined : (this.#alone ?? now);
    const isOver = this.#alone !== undefined && now - this.#alone >= this.ms;
    this.#lead = isHeld ? 'held' : isOver ? 'over' : 'awaited';
    return this.#lead;
  }

  /** Until the next look. @throws CutoverError `prerequisite` when there was no leader at the last one */
  async wait(signal: AbortSignal | undefined): Promise<void> {
    if (this.#lead === 'over') {
      throw new CutoverError(
        'prerequisite',
        `no process leads the load of database ${this.client.database}: nobody has held it for ${Math.round(this.ms / 1000)} s`,
        'Start process 0 with the same options, and the others again: the load goes on where it was.',
      );
    }
    await sleep(PAUSE_MS, signal);
  }
}

/** A crew that can begin afresh after a failure. */
export interface FollowCrew extends LoadCrew {
  end(): Promise<void>;
}

export interface FollowOptions extends Pick<LoadOptions, 'batchRows' | 'again' | 'signal' | 'pace'> {
  /** As of now: what the schema is may still change until the leader has begun. */
  readonly identity: () => Promise<Identity>;
  readonly crew: FollowCrew;
  readonly patience: Patience;
  /** @param source how many records the table has */
  readonly onBatch: (table: string, source: number, written: Counts) => void;
}

/**
 * Loads parts of what another process leads, under its fence, until that load is complete: whatever is cut into parts, and
 * nothing else. A leader that died and another one that goes on with the same load are the same.
 *
 * @param store absent where none of its tables is cut for several processes
 * @throws CutoverError `held` when another load has taken the target over, `prerequisite` when nobody leads
 */
export async function follow(
  client: pg.Client,
  store: OpenStore | undefined,
  tables: readonly TableMapping[],
  { identity, again, patience, signal, ...how }: FollowOptions,
): Promise<void> {
  let joined: Run | undefined;
  for (;;) {
    const lead = await patience.look();
    const last = await findRun(client, await identity());
    const run = joined ?? last;
    if (run !== undefined) {
      // Told to load every row again, what is complete may be what was there before.
      const isOurs = joined !== undefined || !again || lead === 'over';
      if (isOurs && (await isDone(client, run, tables))) return;
      if (run.id !== last?.id) throw replaced(client);
      const fence = lead === 'held' ? await fenceOf(client, run) : undefined;
      if (fence !== undefined) {
        joined = run;
        try {
          if (store) await loadOpen(client, store, tables, run, fence, { ...how, signal });
        } catch (error) {
          // The leader's place was taken: by one that goes on with this load, or not. The next look tells.
          if (!(error instanceof CutoverError && error.kind === 'held')) throw error;
          await how.crew.end();
        }
      }
    }
    await patience.wait(signal);
  }
}

function replaced(client: pg.Client): CutoverError {
  return new CutoverError(
    'held',
    `database ${client.database} was taken over by another load than the one that this process took part in`,
    'This process stopped before it wrote anything more. Let the other one finish.',
  );
}

async function isDone(client: pg.Client, run: Run, tables: readonly TableMapping[]): Promise<boolean> {
  return isComplete(run, tables, await progressOf(client, run.id), await removalsOf(client, run.id));
}

/** Takes part in every table that is cut and not complete. */
async function loadOpen(
  client: pg.Client,
  store: OpenStore,
  tables: readonly TableMapping[],
  run: Run,
  fence: bigint,
  options: Pick<FollowOptions, 'batchRows' | 'crew' | 'signal' | 'pace' | 'onBatch'>,
): Promise<void> {
  const progress = await progressOf(client, run.id);
  for (const mapping of tables) {
    const { table } = mapping;
    const parts = await partsOf(client, run.id, table);
    if (parts.length < 2 || progress.get(table)?.complete) continue;
    // A table that is cut needs no keys of parents.
    const parents = new Parents();
    const reader = await store.reader(mapping, parents);
    try {
      await loadParts(client, mapping, reader, parents, parts, options.crew, {
        ...options,
        run,
        fence,
        dryRun: false,
        onBatch: (written) => options.onBatch(table, reader.count, written),
      });
    } finally {
      await reader.close();
    }
  }
}
