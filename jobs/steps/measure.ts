import { CutoverError } from '../errors.ts';
import { connectAs, type StepContext } from './context.ts';

const RUNS = 20;
/** An application would have given up long before. */
const TIMEOUT_MS = 10_000;

/**
 * Times the system's hot queries as the role that reads.
 * @throws CutoverError `target` when any run failed; the figures are in the report all the same
 */
export async function measure(context: StepContext): Promise<void> {
  const { system, report, signal } = context;
  const queries = system.hotQueries ?? [];
  const client = await connectAs(context, 'readonly').catch((error: unknown) => {
    // A server that is down fails every query, and that is what has to be told.
    if (error instanceof CutoverError && error.kind === 'target') return error;
    throw error;
  });
  const slowest: number[] = [];
  let failed = 0;
  let reason: unknown;
  try {
    if (!(client instanceof CutoverError)) await client.query(`set statement_timeout = ${TIMEOUT_MS}`);
    for (const { name, sql } of queries) {
      const times: number[] = [];
      for (let run = 0; run < RUNS; run++) {
        signal?.throwIfAborted();
        const begun = performance.now();
        try {
          if (client instanceof CutoverError) throw client;
          await client.query(sql);
          times.push(performance.now() - begun);
        } catch (error) {
          reason ??= error;
        }
      }
      failed += RUNS - times.length;
      const p95 = percentile95(times);
      if (p95 !== undefined) slowest.push(p95);
      const took = p95 === undefined ? 'no run succeeded' : `p95 ${p95.toFixed(2)} ms`;
      report.remarks.push(`hot query "${name}": ${took}, ${RUNS - times.length} of ${RUNS} runs failed`);
    }
  } finally {
    if (!(client instanceof CutoverError)) await client.end().catch(() => {});
  }
  const p95 = slowest.length > 0 ? Math.max(...slowest) : undefined;
  report.measured = { p95, runs: queries.length * RUNS, failed };
  if (failed > 0) {
    throw new CutoverError(
      'target',
      `${system.name}: ${failed} of ${queries.length * RUNS} runs of hot queries failed: ${(reason as Error).message}`,
      'Look at the server; the queries are in the mapping of the system.',
      { cause: reason },
    );
  }
}

/** The 95th percentile by nearest rank; undefined of nothing. */
export function percentile95(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.ceil(0.95 * values.length) - 1];
}
