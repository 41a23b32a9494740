import { type Panel, plot, type Series } from './plot.ts';
import type { Figures } from './print.ts';

export const LOAD = 'load';
export const VERIFY = 'verify';

/** What a peer of the case `growth` is called. */
export const nameOf = (step: string, rows: number) => `${step} ${rows.toLocaleString('en-US')}`;

/** The case `growth` as a picture: seconds and memory over rows. */
export function plotGrowth(figures: readonly Figures[]): string {
  const growth = figures.filter((each) => each.case === 'growth');
  const series = (value: (each: Figures) => number | null): Series[] =>
    [LOAD, VERIFY].map((step) => ({
      name: step,
      points: growth.flatMap((each) => {
        const y = each.peer === nameOf(step, each.rows) ? value(each) : null;
        return y === null ? [] : [[each.rows, y] as const];
      }),
    }));
  const panels: Panel[] = [
    { title: 'Time of the step', unit: 'seconds', series: series((each) => each.seconds) },
    {
      title: 'Peak memory of the process',
      unit: 'MiB',
      series: series((each) => each.rss && each.rss / (1 << 20)),
    },
  ];
  return plot('How load and verify of SQLite candles grow', 'rows', panels);
}
