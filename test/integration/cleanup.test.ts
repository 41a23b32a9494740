import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { asAdmin, copyOfLegacy, cutover, dropSystems, run, scratch } from './harness.ts';

describe('cleanup', () => {
  const platform = inject('platform');
  let home: string;
  let source: string;
  const budget = 11;
  const steps = (names?: string[], accepted = budget) =>
    run(platform, home, { system: 'lightning-talk', steps: names, source, budget: accepted });
  const cleanup = (...args: string[]) =>
    cutover(platform, home, 'cleanup', '--system', 'lightning-talk', '--source', source, ...args);
  const accepted = ['--quarantine-budget', String(budget)];
  const snapshots = () =>
    readdirSync(join(home, 'snapshots/lightning-talk')).filter((name) => name !== 'current');

  beforeAll(async () => {
    home = await scratch();
    source = await copyOfLegacy();
    await dropSystems(platform);
    expect((await steps()).error).toBeUndefined();
    writeFileSync(join(source, 'lightning-talk/server/data/voting_sessions.json'), '[]');
    expect((await steps()).error).toBeUndefined();
  });

  it('removes nothing while more is in quarantine than tolerated', async () => {
    const { code, stdout } = await cleanup();
    expect(code).toBe(6);
    expect(stdout).toMatch(/records are in quarantine, the budget is 0/);
    expect(snapshots()).toHaveLength(2);
  });

  it('removes nothing in a dry run', async () => {
    expect((await cleanup(...accepted, '--dry-run')).code).toBe(0);
    expect(snapshots()).toHaveLength(2);
  });

  it('removes older snapshots and what another process is making not, and says that the store is as it was', async () => {
    const draft = join(home, 'snapshots/lightning-talk/draft-1');
    writeFileSync(draft, '');
    const dumps = readdirSync(join(home, 'dumps'));
    const { code, stdout } = await cleanup(...accepted);
    expect(code).toBe(0);
    expect(stdout).toMatch(/is proved, and .* still holds exactly that: 9 files/);
    expect(snapshots()).toHaveLength(2);
    expect(existsSync(draft)).toBe(true);
    // The dump from before this snapshot's load is the way back.
    expect(readdirSync(join(home, 'dumps'))).toEqual(dumps);
    rmSync(draft);
  });

  it('says that a store has changed since, and lost a file', async () => {
    rmSync(join(source, 'lightning-talk/server/data/voting_sessions.json'));
    const { code, stdout } = await cleanup(...accepted);
    expect(code).toBe(0);
    expect(stdout).toMatch(/has changed since the proof \(voting_sessions\.json\)/);
  });

  it('wants a proof of the current snapshot, without differences', async () => {
    const query = (sql: string) => asAdmin(platform, 'lightningtalk', (client) => client.query(sql));
    await query(`update talks set title = title || '!' where id = (select min(id::text)::uuid from talks)`);
    expect((await steps(['verify'])).error?.exitCode).toBe(7);
    const { code, stdout } = await cleanup(...accepted);
    expect(code).toBe(4);
    expect(stdout).toMatch(/the last verification is not a proof/);
  });
});
