import { beforeAll, expect, inject, it } from 'vitest';
import type { MakeCase } from '../../bench/case.ts';
import { make as again } from '../../bench/cases/again.ts';
import { make as candles } from '../../bench/cases/candles.ts';
import { make as verify } from '../../bench/cases/verify.ts';
import { figuresOf } from '../../bench/print.ts';
import { runCase } from '../../bench/run.ts';
import { asAdmin, scratch } from './harness.ts';

/** Whether a case runs is what is tested, not how fast. */
const ROWS = 300;
/** Each peer is a process or two, on a machine that may do something else. */
const TIMEOUT_MS = 600_000;

let folder: string;

beforeAll(async () => {
  folder = await scratch();
});

it.each<[string, MakeCase]>([
  ['candles', candles],
  ['verify', verify],
  ['again', again],
])(
  'the case %s runs, and leaves no database behind',
  async (name, make) => {
    const { postgres, timescale, clientTools } = inject('platform');
    const platform = { postgres, timescale, clientTools, redis: [] };
    const made = await make({ platform, folder, rows: ROWS, log: () => {} });
    try {
      const figures = figuresOf(made, await runCase(made, { rounds: 1, log: () => {} }));
      expect(made.name).toBe(name);
      expect(made.rows).toBeGreaterThanOrEqual(ROWS);
      expect(figures.find(({ peer }) => peer === made.against)?.ratio).toBe(1);
      for (const { peer, seconds, missing } of figures) {
        if (missing === undefined) expect(seconds, peer).toBeGreaterThan(0);
        // Whether a machine has it is not for us to say.
        else expect(missing).toContain('pgloader');
      }
    } finally {
      await made.close();
    }
    const { rows } = await asAdmin(inject('platform'), 'postgres', (client) =>
      client.query(`select datname from pg_database where datname like 'bench%'`),
    );
    expect(rows).toEqual([]);
  },
  TIMEOUT_MS,
);
