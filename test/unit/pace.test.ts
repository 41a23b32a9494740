import { describe, expect, it } from 'vitest';
import { Pace, parseWindow, untilOpen } from '../../jobs/engine/pace.ts';

const at = (hours: number, minutes: number, seconds = 0) => new Date(2026, 4, 5, hours, minutes, seconds);
const MINUTE = 60_000;

describe('a window', () => {
  it.each([
    ['01:00-05:00', { from: 60, to: 300 }],
    ['22:30-04:00', { from: 1350, to: 240 }],
    ['00:00-23:59', { from: 0, to: 1439 }],
  ])('%s', (text, window) => expect(parseWindow(text)).toEqual(window));

  it.each(['1:00-5:00', '01:00', '24:00-05:00', '01:60-05:00', '01:00-01:00', '01:00-05:00 ', ''])(
    '%j is none',
    (text) => expect(parseWindow(text)).toBeUndefined(),
  );

  it.each([
    ['01:00-05:00', at(0, 59), MINUTE],
    ['01:00-05:00', at(0, 59, 30), MINUTE / 2],
    ['01:00-05:00', at(1, 0), 0],
    ['01:00-05:00', at(4, 59, 59), 0],
    ['01:00-05:00', at(5, 0), 20 * 60 * MINUTE],
    ['22:00-04:00', at(23, 0), 0],
    ['22:00-04:00', at(3, 59), 0],
    ['22:00-04:00', at(4, 0), 18 * 60 * MINUTE],
  ])('%s at %s', (window, now, wait) => expect(untilOpen(parseWindow(window)!, now)).toBe(wait));
});

describe('a pace', () => {
  it('lets no more rows pass than the rate allows, however large the batches are', async () => {
    const pace = new Pace({ maxRowsPerSecond: 10_000 });
    const begun = performance.now();
    for (const rows of [500, 1000, 500, 1]) await pace.pass(rows);
    // The last one waits for the 2,000 rows before it.
    expect(performance.now() - begun).toBeGreaterThan(195);
  });

  it('does not save up what it did not use', async () => {
    const pace = new Pace({ maxRowsPerSecond: 10_000 });
    await pace.pass(1);
    await new Promise((resolve) => setTimeout(resolve, 150));
    const begun = performance.now();
    for (const rows of [1000, 1]) await pace.pass(rows);
    expect(performance.now() - begun).toBeGreaterThan(95);
  });

  it('outside its window waits, says until when, and ends at a signal', async () => {
    const now = new Date();
    const minutes = (by: number) => (now.getHours() * 60 + now.getMinutes() + by + 1440) % 1440;
    const told: Date[] = [];
    const stop = new AbortController();
    const pace = new Pace({ window: { from: minutes(120), to: minutes(180) } }, (until) => {
      told.push(until);
      stop.abort(new Error('stopped'));
    });
    await expect(pace.pass(1, stop.signal)).rejects.toThrow('stopped');
    expect(Math.abs(told[0]!.getTime() - now.getTime() - 120 * MINUTE)).toBeLessThan(2 * MINUTE);
    await new Pace({ window: { from: minutes(-60), to: minutes(60) } }).pass(1, stop.signal);
  });
});
