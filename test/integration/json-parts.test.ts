import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { EVENT_IDS, writeEvents } from '../../bench/json/events.ts';
import { byTime } from './by-time.ts';
import { accountsOf, asAdmin, dropSystems, dump, emptyTarget, run, scratch, stoppedIn } from './harness.ts';

describe('a large file in parts', () => {
  const platform = inject('platform');
  const origin = { module: new URL('by-time.ts', import.meta.url).href, name: 'byTime' };
  let home: string;
  let source: string;
  let onOneThread: Record<string, string>;
  let accounts: unknown;

  const steps = (names: string[], threads = 2, signal?: AbortSignal) =>
    run(platform, home, {
      ...{ system: byTime.name, mapping: { system: byTime, origin }, steps: names, source, signal },
      ...{ threads, partRows: 1, batchRows: 50, budget: 1000 },
    });
  const rows = (sql: string) =>
    asAdmin(platform, byTime.database, async (client) => (await client.query(sql)).rows);
  const ledger = () => accountsOf(rows);

  beforeAll(async () => {
    home = await scratch();
    source = await scratch();
    const folder = join(source, 'lightning-talk', 'server', 'data');
    await mkdir(folder, { recursive: true });
    const at = '2025-01-10T03:00:00.000Z';
    const events = EVENT_IDS.slice(1).map((id) => ({ id, title: id, date: at }));
    await writeFile(join(folder, 'events.json'), JSON.stringify(events));
    const file = join(folder, 'analytics.json');
    writeEvents(file, 1, 1500);
    const documents = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>[];
    // Every kind of record that goes the long way, all along the file.
    const unusual = documents.map((document, i) => {
      if (i % 100 === 7) return { ...document, note: 'not known', action: 'é\n"' };
      if (i % 100 === 17) return { ...document, timestamp: 'once' };
      if (i % 100 === 27) return { ...document, action: null };
      if (i % 100 === 37) return documents[i - 1];
      if (i % 300 === 47) return 'no object';
      if (i % 100 === 57) return { ...document, date: 'Mon Jan 01 2024' };
      return document;
    });
    await writeFile(file, JSON.stringify(unusual, null, 2));
    await dropSystems(platform);
    expect((await steps(['backup', 'provision', 'schema', 'load'], 1)).error).toBeUndefined();
    onOneThread = await dump(platform, byTime);
    accounts = await ledger();
  });

  beforeEach(() => emptyTarget(platform, byTime));

  it('has the same rows and the same accounts as on one thread', async () => {
    const report = await steps(['load', 'index', 'verify']);
    expect(report.error).toBeUndefined();
    expect(await dump(platform, byTime)).toEqual(onOneThread);
    expect(await ledger()).toEqual(accounts);
    const counts = report.tables['public.analytics']!;
    expect([counts.source, counts.quarantined, counts.merged]).toEqual([1500, 35, 15]);
    const parts = await rows(`select from migration.part where table_name = 'analytics'`);
    expect(parts.length).toBeGreaterThan(4);
  });

  it.each([1, 3])('stopped on two threads goes on with %i, from where each part was', async (threads) => {
    await stoppedIn('analytics', rows, (signal) => steps(['load'], 2, signal));
    expect((await steps(['load'], threads)).error).toBeUndefined();
    expect(await dump(platform, byTime)).toEqual(onOneThread);
    expect(await ledger()).toEqual(accounts);
  });

  it('is compared part by part: each difference is found once', async () => {
    expect((await steps(['load', 'index', 'verify'])).error).toBeUndefined();
    await rows(`insert into analytics (id, occurred_at, legacy_id, event_type)
                select gen_random_uuid(), t, 'extra ' || t, 'x'
                from unnest(array['2024-01-01', '2025-01-10 04:00', '2030-01-01']::timestamptz[]) as t`);
    await rows(`delete from analytics where occurred_at =
                (select occurred_at from analytics order by occurred_at offset 700 limit 1)`);
    const alone = await steps(['verify'], 1);
    const together = await steps(['verify'], 3);
    expect(alone.error?.code).toBe('differences');
    expect(alone.tables['public.analytics']!.differences).toBeGreaterThanOrEqual(4);
    expect(together.tables['public.analytics']!.differences).toBe(
      alone.tables['public.analytics']!.differences,
    );
  });
});
