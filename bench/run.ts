import type { Case, Peer, Run } from './case.ts';

/** What the runs of one peer came to. */
export interface Result {
  readonly peer: string;
  readonly rows: number;
  /** What this machine lacks for it; it has no runs then. */
  readonly missing?: string | undefined;
  /** Counted runs, one a round; those of different peers at the same place were done in the same round. */
  readonly runs: readonly Run[];
}

export interface RunOptions {
  /** Rounds that count; one more comes before them, to warm up. */
  readonly rounds: number;
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs the peers of a case in turn, round by round (A B C, A B C, …): what slows the machine down for a while slows all of
 * them.
 */
export async function runCase(of: Case, { rounds, log, signal }: RunOptions): Promise<Result[]> {
  const done: { peer: Peer; missing?: string | undefined; runs: Run[] }[] = [];
  for (const peer of of.peers) done.push({ peer, missing: await peer.missing?.(), runs: [] });
  for (let round = 0; round <= rounds; round++) {
    for (const { peer, missing, runs } of done) {
      if (missing !== undefined) continue;
      signal?.throwIfAborted();
      await peer.prepare?.();
      signal?.throwIfAborted();
      const run = await peer.run();
      signal?.throwIfAborted();
      const which = round === 0 ? 'warm-up' : `round ${round} of ${rounds}`;
      log(`${of.name}, ${which}: ${peer.name} ${run.seconds.toFixed(3)} s`);
      if (round > 0) runs.push(run);
    }
  }
  return done.map(({ peer, missing, runs }) => ({
    peer: peer.name,
    rows: peer.rows ?? of.rows,
    missing,
    runs,
  }));
}

/** @param values at least one */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * How many times as fast one peer is as another: the median of the ratios of the rounds, as the two runs of one round met
 * the machine in the same state.
 * @returns undefined when either has no runs
 */
export function ratio(own: Result, against: Result): number | undefined {
  const ratios = own.runs.flatMap((run, round) => {
    const other = against.runs[round];
    return other ? [other.seconds / against.rows / (run.seconds / own.rows)] : [];
  });
  return ratios.length === 0 ? undefined : median(ratios);
}

/** What the runs of one peer come to. */
export interface Summary {
  /** Median, least and greatest. */
  readonly seconds: number;
  readonly fastest: number;
  readonly slowest: number;
  readonly rowsPerSecond: number;
  /** Of 10⁶ bytes. */
  readonly megabytesPerSecond?: number | undefined;
  /** Greatest peak of all runs, in bytes. */
  readonly rss?: number | undefined;
  readonly ratio?: number | undefined;
}

/** @returns undefined for a peer without runs */
export function summarize(of: Case, result: Result, results: readonly Result[]): Summary | undefined {
  if (result.runs.length === 0) return undefined;
  const times = result.runs.map((run) => run.seconds);
  const peaks = result.runs.flatMap(({ rss }) => (rss === undefined ? [] : [rss]));
  const wanted = of.peers.find(({ name }) => name === result.peer)?.against ?? of.against;
  const against = results.find(({ peer }) => peer === wanted);
  const seconds = median(times);
  return {
    seconds,
    fastest: Math.min(...times),
    slowest: Math.max(...times),
    rowsPerSecond: result.rows / seconds,
    megabytesPerSecond:
      of.bytes === undefined ? undefined : (of.bytes * (result.rows / of.rows)) / 1e6 / seconds,
    rss: peaks.length === 0 ? undefined : Math.max(...peaks),
    ratio: against && ratio(result, against),
  };
}
