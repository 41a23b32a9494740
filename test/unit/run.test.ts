import { describe, expect, it } from 'vitest';
import { CutoverError, ExitCode } from '../../jobs/errors.ts';
import { JOBS, type NamedStep, PLAN } from '../../jobs/plan.ts';
import type { Report } from '../../jobs/report.ts';
import { exitCodeOf, runSteps } from '../../jobs/run.ts';
import type { Secrets } from '../../jobs/secrets.ts';
import type { Step } from '../../jobs/steps/context.ts';
import { SYSTEMS, systemsNamed } from '../../jobs/systems/index.ts';

const step = (name: string, run: Step): NamedStep => ({ name, what: '', run });

/** Runs steps for all systems, without a server. */
function runAll(steps: NamedStep[], signal?: AbortSignal): Promise<Report> {
  return runSteps(SYSTEMS, steps, (system) => ({
    system,
    platform: {
      postgres: 'postgresql://u:hunter2@db.example.com:5433/postgres',
      timescale: 'postgresql://u:hunter2@ts.example.com/postgres',
      redis: [],
    },
    home: '.',
    secrets: undefined as unknown as Secrets,
    sources: { folders: [], stores: new Map() },
    batchRows: 1,
    threads: 1,
    partRows: 1,
    budget: 0,
    dryRun: false,
    signal,
    log: () => {},
  }));
}

describe('the plan', () => {
  it('lists each step behind those that it waits for', () => {
    const names = PLAN.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const [i, { after }] of PLAN.entries()) {
      for (const name of after) expect(names.slice(0, i)).toContain(name);
    }
  });

  it('changes nothing in the target before its rows are dumped, and proves at the end', () => {
    const at = (name: string) => PLAN.findIndex((each) => each.name === name);
    expect(at('backup')).toBeLessThan(at('provision'));
    expect(at('preflight')).toBeLessThan(at('provision'));
    expect(at('load')).toBeLessThan(at('verify'));
    expect(PLAN.at(-1)!.name).toBe('verify');
  });
});

describe('the Jobs of the plan', () => {
  it('have every step once, in its order, and wait for the Jobs of what their steps wait for', () => {
    expect(JOBS).toEqual([
      { name: 'provision', steps: ['preflight', 'provision'], after: [] },
      { name: 'backup', steps: ['inspect', 'backup'], after: ['provision'] },
      { name: 'load', steps: ['schema', 'load', 'index'], after: ['backup', 'provision'] },
      { name: 'verify', steps: ['verify'], after: ['load'] },
      { name: 'recheck', steps: ['recheck'], after: ['verify'] },
    ]);
  });
});

describe('steps', () => {
  it('run in order for each system, which all get a report of their own', async () => {
    const seen: string[] = [];
    const note = (name: string) =>
      step(name, async ({ system, report }) => {
        seen.push(`${system.name} ${name}`);
        report.remarks.push(name);
      });
    const report = await runAll([note('one'), note('two')]);
    expect(report.ok).toBe(true);
    expect(exitCodeOf(report)).toBe(ExitCode.ok);
    for (const { name } of SYSTEMS) {
      expect(seen.filter((each) => each.startsWith(`${name} `))).toEqual([`${name} one`, `${name} two`]);
      expect(report.systems[name]).toMatchObject({ ok: true, remarks: ['one', 'two'] });
    }
  });

  it('that fail end their own system and no other', async () => {
    const after: string[] = [];
    const report = await runAll([
      step('fails', async ({ system }) => {
        if (system.name === 'trdinger') throw new CutoverError('budget', 'too many', 'Accept them.');
      }),
      step('next', async ({ system }) => void after.push(system.name)),
    ]);
    expect(report.ok).toBe(false);
    expect(report.systems.trdinger).toMatchObject({
      ok: false,
      error: { code: 'budget', exitCode: 6, message: 'too many', fix: 'Accept them.' },
    });
    expect(report.systems['lightning-talk']!.ok).toBe(true);
    expect(after).toEqual(SYSTEMS.map(({ name }) => name).filter((name) => name !== 'trdinger'));
    expect(exitCodeOf(report)).toBe(6);
  });

  it('a server that does not answer is named without its password', async () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    const report = await runAll([step('load', () => Promise.reject(refused))]);
    expect(report.systems['lightning-talk']!.error).toMatchObject({ code: 'target', exitCode: 4 });
    expect(report.systems['lightning-talk']!.error!.message).toContain('db.example.com:5433/postgres');
    expect(report.systems.trdinger!.error!.message).toContain('ts.example.com:5432/postgres');
    expect(JSON.stringify(report)).not.toContain('hunter2');
  });

  it('an error that nobody foresaw is a bug', async () => {
    const report = await runAll([step('load', () => Promise.reject(new TypeError('x is undefined')))]);
    expect(report.systems.trdinger!.error).toMatchObject({
      code: 'internal',
      exitCode: 1,
      message: expect.stringContaining('x is undefined'),
    });
  });

  it('don’t begin once the user has interrupted, and say so whatever broke on the way', async () => {
    const controller = new AbortController();
    const begun: string[] = [];
    const report = await runAll(
      [
        step('first', async () => {
          controller.abort();
          throw new Error('the connection was closed under it');
        }),
        step('second', async ({ system }) => void begun.push(system.name)),
      ],
      controller.signal,
    );
    expect(begun).toEqual([]);
    for (const { error } of Object.values(report.systems)) {
      expect(error).toMatchObject({ code: 'interrupted', exitCode: 130 });
    }
  });
});

describe('systems', () => {
  it('are all of them, or the named ones in their own order', () => {
    expect(systemsNamed([])).toBe(SYSTEMS);
    expect(systemsNamed(['trdinger']).map(({ name }) => name)).toEqual(['trdinger']);
    expect(systemsNamed([...SYSTEMS].reverse().map(({ name }) => name))).toEqual(SYSTEMS);
  });

  it('an unknown one is a mistake that names the known', () => {
    expect(() => systemsNamed(['trdinger', 'tradinger'])).toThrow(
      expect.objectContaining({
        kind: 'usage',
        message: 'unknown system tradinger',
        fix: expect.stringContaining('trdinger'),
      }),
    );
  });

  it('share no database and no role', () => {
    for (const name of ['name', 'database', 'rolePrefix'] as const) {
      expect(new Set(SYSTEMS.map((system) => system[name])).size).toBe(SYSTEMS.length);
    }
  });

  it.each(
    SYSTEMS.flatMap((system) =>
      system.tables.map((mapping) => [`${system.name} ${mapping.table}`, mapping] as const),
    ),
  )(
    '%s: no column twice, a key that can be ordered, and no name left out that is also stored',
    (_name, mapping) => {
      const columns = mapping.fields.map(({ column }) => column);
      expect(new Set([...columns, mapping.extra]).size).toBe(columns.length + 1);
      for (const key of mapping.key) {
        expect(mapping.fields.find(({ column }) => column === key)?.type.order).toBeDefined();
      }
      const left = Object.keys(mapping.leftOut ?? {});
      expect(mapping.fields.filter(({ from }) => left.includes(from ?? ''))).toEqual([]);
    },
  );
});
