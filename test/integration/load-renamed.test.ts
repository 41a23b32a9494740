import { join } from 'node:path';
import Database from 'libsql';
import { expect, inject, it } from 'vitest';
import { asAdmin, copyOfLegacy, dropSystems, run, scratch } from './harness.ts';

it('a name that goes from one record to another is stored, though it is taken when its turn comes', async () => {
  const platform = inject('platform');
  const home = await scratch();
  const source = await copyOfLegacy();
  await dropSystems(platform);
  expect(await run(platform, home, { system: 'trdinger', source, budget: 11 })).toMatchObject({ ok: true });

  const db = new Database(join(source, 'trdinger/trdinger.db'));
  const [first, second] = db
    .prepare('select id, name from strategy_showcase where id in (1, 2) order by id')
    .all() as { id: number; name: string }[];
  db.exec(`update strategy_showcase set name = 'another name' where id = ${second!.id}`);
  db.prepare('update strategy_showcase set name = ? where id = ?').run(second!.name, first!.id);
  db.close();

  const report = await run(platform, home, { system: 'trdinger', source, budget: 11 });
  expect(report).toMatchObject({
    ok: true,
    tables: { 'public.strategy_showcase': { inserted: 0, updated: 2, quarantined: 1, differences: 0 } },
  });
  const { rows } = await asAdmin(platform, 'trdinger', (client) =>
    client.query('select name from strategy_showcase where id in (1, 2) order by id'),
  );
  expect(rows).toEqual([{ name: second!.name }, { name: 'another name' }]);
});
