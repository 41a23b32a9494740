import { beforeAll, describe, expect, inject, it } from 'vitest';
import { asAdmin, cutover, dropSystems, run, scratch } from './harness.ts';

describe('the plan, step by step', () => {
  const platform = inject('platform');
  let home: string;
  beforeAll(async () => {
    home = await scratch();
    await dropSystems(platform);
  });

  it('loads and proves both systems', async () => {
    for (const system of ['trdinger', 'lightning-talk']) {
      expect(await run(platform, home, { system, budget: 11 })).toMatchObject({ ok: true });
    }
    const candles = await asAdmin(platform, 'trdinger', (client) =>
      client.query('select count(*)::int as n from ohlcv_data'),
    );
    expect(candles.rows[0]!.n).toBe(190);
  });

  it('says what it knows', async () => {
    const { code, stdout } = await cutover(
      platform,
      home,
      ...['status', '--json', '--quarantine-budget', '11', '--system', 'trdinger', 'lightning-talk'],
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout).systems.trdinger.tables['public.ohlcv_data']).toMatchObject({
      read: 201,
      inserted: 190,
      merged: 6,
      quarantined: 5,
    });
  });
});
