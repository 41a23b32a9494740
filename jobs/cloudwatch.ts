import { CutoverError } from './errors.ts';
import type { Report } from './report.ts';
import { SYSTEMS, storeOf } from './systems/index.ts';

export const NAMESPACE = 'cutover';

/** A value of the dimension `System`, which is the name of a legacy store, and its figures. */
export interface StoreFigures {
  readonly store: string;
  /** 95th percentile of its slowest hot query; absent when none of its runs succeeded. */
  readonly milliseconds?: number;
  /** Failed runs in percent of all. */
  readonly errorRate: number;
}

/** The figures of each store: of its slowest system, and of all runs of its systems together. */
export function figuresOf(report: Report): StoreFigures[] {
  const stores = new Map<string, { p95: number[]; runs: number; failed: number }>();
  for (const system of SYSTEMS) {
    const measured = report.systems[system.name]?.measured;
    if (measured === undefined || measured.runs === 0) continue;
    const of = stores.get(storeOf(system)) ?? { p95: [], runs: 0, failed: 0 };
    if (measured.p95 !== undefined) of.p95.push(measured.p95);
    of.runs += measured.runs;
    of.failed += measured.failed;
    stores.set(storeOf(system), of);
  }
  return [...stores].map(([store, { p95, runs, failed }]) => ({
    store,
    ...(p95.length > 0 && { milliseconds: Math.max(...p95) }),
    errorRate: (100 * failed) / runs,
  }));
}

/**
 * Puts the metrics `QueryMilliseconds` and `ErrorRate` (percent) of each store into CloudWatch, with the credentials, region
 * and endpoint that the environment names.
 * @throws CutoverError `target`
 */
export async function publishFigures(figures: readonly StoreFigures[]): Promise<void> {
  if (figures.length === 0) return;
  const { CloudWatchClient, PutMetricDataCommand } = await import('@aws-sdk/client-cloudwatch');
  const client = new CloudWatchClient();
  const MetricData = figures.flatMap(({ store, milliseconds, errorRate }) => {
    const Dimensions = [{ Name: 'System', Value: store }];
    return [
      ...(milliseconds === undefined
        ? []
        : [
            {
              MetricName: 'QueryMilliseconds',
              Unit: 'Milliseconds' as const,
              Value: milliseconds,
              Dimensions,
            },
          ]),
      { MetricName: 'ErrorRate', Unit: 'Percent' as const, Value: errorRate, Dimensions },
    ];
  });
  try {
    await client.send(new PutMetricDataCommand({ Namespace: NAMESPACE, MetricData }));
  } catch (error) {
    // Without the error itself as the cause: it holds the request with its signature.
    const { name, message } = error as Error;
    throw new CutoverError(
      'target',
      `CloudWatch: ${name}: ${message}`,
      "Give the Job's role cloudwatch:PutMetricData for the namespace cutover, and set AWS_REGION.",
    );
  } finally {
    client.destroy();
  }
}
