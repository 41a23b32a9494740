import { describe, expect, it } from 'vitest';
import type { Case, Peer } from '../../bench/case.ts';
import { nameOf, plotGrowth } from '../../bench/growth-plot.ts';
import { plot } from '../../bench/plot.ts';
import { figuresOf, formatCase } from '../../bench/print.ts';
import { timeIn } from '../../bench/psql.ts';
import { median, type Result, ratio, runCase, summarize } from '../../bench/run.ts';

const result = (peer: string, seconds: readonly number[], more: Partial<Result> = {}): Result => ({
  peer,
  rows: 1000,
  runs: seconds.map((each) => ({ seconds: each })),
  ...more,
});

const caseOf = (peers: readonly Peer[], more: Partial<Case> = {}): Case => ({
  name: 'candles',
  what: 'SQLite into a table',
  rows: 1000,
  against: 'a',
  peers,
  close: async () => {},
  ...more,
});

describe('the median', () => {
  it('is the one in the middle by value, or between the two there', () => {
    expect(median([10, 9, 100])).toBe(10);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([7])).toBe(7);
  });
});

describe('the ratio', () => {
  it('is the median of those of the same round, not that of the medians', () => {
    // The machine was slow in the second round, for both.
    const against = result('a', [1, 10, 2]);
    const own = result('b', [2, 20, 1]);
    expect(ratio(own, against)).toBe(0.5);
    expect(median([1, 10, 2]) / median([2, 20, 1])).toBe(1);
  });

  it('is above 1 for the faster one, and 1 for itself', () => {
    expect(ratio(result('b', [1, 1]), result('a', [2, 4]))).toBe(3);
    expect(ratio(result('a', [2, 3]), result('a', [2, 3]))).toBe(1);
  });

  it('is that of the rates where a peer does fewer rows', () => {
    expect(ratio(result('b', [1], { rows: 100 }), result('a', [2]))).toBe(0.2);
  });

  it('is none where either is missing', () => {
    expect(ratio(result('b', []), result('a', [1]))).toBeUndefined();
    expect(ratio(result('b', [1]), result('a', []))).toBeUndefined();
  });
});

describe('the rounds of a case', () => {
  it('take the peers in turn, each put right before its run, and do not count the first', async () => {
    const did: string[] = [];
    let run = 0;
    const peer = (name: string): Peer => ({
      name,
      prepare: async () => void did.push(`prepare ${name}`),
      run: async () => {
        did.push(name);
        return { seconds: ++run };
      },
    });
    const missing: Peer = {
      ...peer('c'),
      missing: async () => 'a program',
    };
    const results = await runCase(caseOf([peer('a'), missing, peer('b')]), { rounds: 2, log: () => {} });
    const round = ['prepare a', 'a', 'prepare b', 'b'];
    expect(did).toEqual([...round, ...round, ...round]);
    expect(results).toEqual([
      { peer: 'a', rows: 1000, missing: undefined, runs: [{ seconds: 3 }, { seconds: 5 }] },
      { peer: 'c', rows: 1000, missing: 'a program', runs: [] },
      { peer: 'b', rows: 1000, missing: undefined, runs: [{ seconds: 4 }, { seconds: 6 }] },
    ]);
  });

  it('end between two runs when they are interrupted', async () => {
    const interruption = new AbortController();
    const did: string[] = [];
    const peer = (name: string, end = false): Peer => ({
      name,
      run: async () => {
        did.push(name);
        if (end) interruption.abort(new Error('enough'));
        return { seconds: 1 };
      },
    });
    const running = runCase(caseOf([peer('a'), peer('b', true), peer('c')]), {
      rounds: 5,
      log: () => {},
      signal: interruption.signal,
    });
    await expect(running).rejects.toThrow('enough');
    expect(did).toEqual(['a', 'b']);
  });
});

describe('what runs come to', () => {
  const of = caseOf([], { bytes: 4_000_000 });

  it('are the median, the spread, rates by it, and the greatest peak', () => {
    const own = {
      ...result('b', []),
      runs: [
        { seconds: 2, rss: 10 },
        { seconds: 8, rss: 30 },
        { seconds: 4, rss: 20 },
      ],
    };
    expect(summarize(of, own, [result('a', [1, 4, 4]), own])).toEqual({
      seconds: 4,
      fastest: 2,
      slowest: 8,
      rowsPerSecond: 250,
      megabytesPerSecond: 1,
      rss: 30,
      ratio: 0.5,
    });
  });

  it('are of the bytes of its own rows', () => {
    const fewer = result('b', [1], { rows: 250 });
    expect(summarize(of, fewer, [fewer])).toMatchObject({ rowsPerSecond: 250, megabytesPerSecond: 1 });
  });

  it('are nothing without runs', () => {
    expect(summarize(of, result('b', []), [])).toBeUndefined();
  });
});

describe('the figures', () => {
  const results = [
    { ...result('a', [2]), runs: [{ seconds: 2, rss: 1 << 20 }] },
    result('b', [4]),
    result('c', [], { missing: 'c (Debian: c)' }),
  ];

  it('as JSON name what is missing, and are never estimated', () => {
    const figures = { case: 'candles', rows: 1000, rss: null };
    expect(figuresOf(caseOf([]), results)).toEqual([
      { ...figures, peer: 'a', seconds: 2, ratio: 1, rss: 1 << 20 },
      { ...figures, peer: 'b', seconds: 4, ratio: 0.5 },
      { ...figures, peer: 'c', seconds: null, ratio: null, missing: 'c (Debian: c)' },
    ]);
  });

  it('as a table stand below their heads', () => {
    expect(formatCase(caseOf([], { bytes: 5_000_000 }), results).split('\n')).toEqual([
      'candles: SQLite into a table; ratio to a',
      '  peer   rows  median s     spread s  rows/s  MB/s  peak RSS  ratio',
      '  a     1,000     2.000  2.000–2.000     500   2.5     1 MiB   1.00',
      '  b     1,000     4.000  4.000–4.000     250  1.25             0.50',
      '  c     1,000  missing: c (Debian: c)',
    ]);
  });

  it('have three digits', () => {
    const table = formatCase(caseOf([]), [result('a', [0.00081234]), result('b', [12.3456])]);
    expect(table).toContain('0.00081  0.00081–0.00081  1,230,000');
    expect(table).toContain('12.3        12.3–12.3         81');
  });
});

describe("psql's own time", () => {
  it('is that of the last statement', () => {
    const stdout = 'Timing is on.\nTime: 0.5 ms\nCOPY 5000050\nTime: 2610.123 ms (00:02.610)\n';
    expect(timeIn(stdout)).toBe(2.610123);
  });

  it('must be there', () => {
    expect(() => timeIn('COPY 5\n')).toThrow('no time');
  });
});

describe('the plot', () => {
  it('has logarithmic axes from decade to decade', () => {
    const line = {
      name: 'a < b',
      points: [
        [10, 1],
        [100, 10],
        [1000, 100],
      ] as const,
    };
    const svg = plot('Growth', 'rows', [{ title: 'Time', unit: 'seconds', series: [line] }]);
    // 70 to 420 across, 344 up to 70: the middle one is in the middle of both.
    expect(svg).toContain('points="70.0,344.0 245.0,207.0 420.0,70.0"');
    expect(svg).toContain('>a &lt; b</text>');
    for (const text of ['Growth', 'rows', 'Time', 'seconds', '1,000', '100', '10', '1']) {
      expect(svg).toContain(`>${text}</text>`);
    }
  });

  it('of growth has a line for each step, of its measured rows alone', () => {
    const figures = [10, 100].flatMap((rows) =>
      ['load', 'verify'].map((step) => ({
        case: 'growth',
        peer: nameOf(step, rows),
        rows,
        seconds: rows / 10,
        ratio: 1,
        rss: 1 << 20,
      })),
    );
    const svg = plotGrowth([...figures, { ...figures[0]!, case: 'candles', rows: 7 }]);
    expect(svg.match(/<polyline/g)).toHaveLength(4);
    expect(svg.match(/<circle/g)).toHaveLength(8);
    expect(svg).toContain('MiB');
  });
});
