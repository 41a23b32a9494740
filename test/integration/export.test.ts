import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import Database from 'libsql';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { change, type Exported, exported, tampered } from './exported.ts';
import { copyOfLegacy, cutover, dropSystems, LEGACY, run, scratch, systemNamed } from './harness.ts';
import { BUDGET } from './proof.ts';

const platform = inject('platform');

/** Nothing of the plan's later steps matters to an export. */
const STEPS = ['backup', 'provision', 'schema', 'load'];

async function loadedOne(home: string, source: string, system: string, budget: number): Promise<void> {
  const report = await run(platform, home, { system, source, budget, steps: STEPS });
  expect(report.error).toBeUndefined();
}

async function loaded(home: string, source: string, budget: number): Promise<void> {
  for (const system of ['trdinger', 'lightning-talk']) await loadedOne(home, source, system, budget);
}

function query(file: string, sql: string): unknown[][] {
  const db = new Database(file, { readonly: true });
  try {
    return db.prepare(sql).raw(true).all() as unknown[][];
  } finally {
    db.close();
  }
}

const collection = async (folder: string, name: string) =>
  JSON.parse(await readFile(join(folder, 'server/data', `${name}.json`), 'utf8')) as Record<
    string,
    unknown
  >[];

describe('an export of the sample', () => {
  let home: string;
  let trdinger: Exported;
  let lightning: Exported;
  beforeAll(async () => {
    home = await scratch();
    await dropSystems(platform);
    await loaded(home, LEGACY, BUDGET);
    trdinger = await exported(platform, home, 'trdinger');
    lightning = await exported(platform, home, 'lightning-talk');
  });

  it('is proved equal to the snapshot, every record accounted for', () => {
    for (const { report, divergences, code } of [trdinger, lightning]) {
      expect(divergences).toEqual([]);
      expect(report.error).toBeUndefined();
      expect(code).toBe(0);
      for (const table of Object.values(report.tables)) {
        expect(table.unchanged + table.merged + table.quarantined).toBe(table.source);
      }
      expect(report.remarks.at(-1)).toMatch(/equal to snapshot [0-9a-f]{64}/);
    }
    expect(trdinger.report.tables['public.ohlcv_data']).toMatchObject({
      source: 201,
      unchanged: 190,
      compared: 2090,
    });
  });

  it('has the very tables of the legacy database', () => {
    const sql = 'select type, name, tbl_name, sql from sqlite_master order by type, name';
    const found = query(join(trdinger.folder, 'trdinger.db'), sql);
    expect(found).toEqual(query(join(LEGACY, 'trdinger/trdinger.db'), sql));
  });

  it('undoes what the rules of trdinger changed', () => {
    const file = join(trdinger.folder, 'trdinger.db');
    const legacy = join(LEGACY, 'trdinger/trdinger.db');
    // H1, H13: the source's spelling; H2, H4, H14: what no equivalence is needed for is the same to the letter.
    const bars = `select id, symbol, timeframe, open, high, low, close, volume from ohlcv_data where id in (168, 169, 171, 173)`;
    expect(query(file, bars)).toEqual(query(legacy, bars));
    expect(query(file, `select count(*) from ohlcv_data where timeframe = '1D'`)).not.toEqual([[0]]);
    expect(query(file, `select distinct length(timestamp), length(created_at) from ohlcv_data`)).toEqual([
      [26, 26],
    ]);
    // H4: tokens, in Python's own notation.
    const tokens = `select id from backtest_results where performance_metrics like '%: NaN%' order by id`;
    expect(query(file, tokens)).toEqual(query(legacy, tokens));
    expect(query(file, tokens)).not.toEqual([]);
    // H5: the text null, and none.
    const nulls = `select id, parent_ids is null, parent_ids = 'null' from generated_strategies order by id`;
    expect(query(file, nulls)).toEqual(
      query(legacy, nulls).filter(([id]) => query(file, nulls).some((row) => row[0] === id)),
    );
    expect(new Set(query(file, nulls).map((row) => row[1]))).toEqual(new Set([0, 1]));
    // H7: a backtest that is not there.
    const orphans = `select id, backtest_result_id from strategy_showcase
      where backtest_result_id not in (select id from backtest_results)`;
    expect(query(file, orphans)).toEqual(query(legacy, orphans));
    expect(query(file, orphans)).not.toEqual([]);
  });

  it('undoes what the rules of lightning-talk changed', async () => {
    const spelled = (key: string, value: unknown) =>
      key !== 'uploadedAt' && typeof value === 'string' && /^[-\dT:]{19}Z$/.test(value)
        ? value.replace('Z', '.000Z')
        : value;
    for (const name of ['participants', 'talks', 'presentations', 'analytics', 'voting_sessions']) {
      const text = await readFile(join(LEGACY, `lightning-talk/server/data/${name}.json`), 'utf8');
      const before: Record<string, unknown>[] = JSON.parse(text.replaceAll(': NaN', ': null'), spelled);
      const legacy = new Map(before.toReversed().map((document) => [document.id, document]));
      for (const document of await collection(lightning.folder, name)) {
        const { password, ...own } = legacy.get(document.id)!;
        expect(document).toEqual(own);
      }
    }
    const newsletters = (await collection(lightning.folder, 'participants')).map((each) => each.newsletter);
    expect(newsletters).toEqual(expect.arrayContaining([true, 'true', '1', 1]));
  });

  it('is written as the application writes: indent 2, no newline at the end, one settings object', async () => {
    const { collections } = systemNamed('lightning-talk').source as unknown as {
      collections: Record<string, { files: string[] }>;
    };
    for (const {
      files: [file],
    } of Object.values(collections)) {
      const text = await readFile(join(lightning.folder, 'server/data', file!), 'utf8');
      expect(text).toBe(JSON.stringify(JSON.parse(text), null, 2));
    }
    expect(await collection(lightning.folder, 'settings')).toHaveLength(1);
  });

  it('has no credentials', async () => {
    for (const name of ['users', 'talks']) {
      const text = await readFile(join(lightning.folder, `server/data/${name}.json`), 'utf8');
      expect(text).not.toMatch(/PLANTED-FAKE-SECRET|"password/);
    }
  });

  it.each([
    {
      name: 'a double by one unit in the last place',
      system: 'trdinger',
      sql: 'update ohlcv_data set open = open + 2e-11 where legacy_id = 3',
      undo: 'update ohlcv_data set open = open - 2e-11 where legacy_id = 3',
      finds: [{ table: 'ohlcv_data', key: 'id=3', field: 'open', kind: 'changed' }],
    },
    {
      name: 'a number inside a document',
      system: 'trdinger',
      sql: `update strategy_templates set config_json = jsonb_set(config_json, '{commission_rate}', '0.0010000000000000002') where id = 1`,
      undo: `update strategy_templates set config_json = jsonb_set(config_json, '{commission_rate}', '0.001') where id = 1`,
      finds: [
        { table: 'strategy_templates', key: 'id=1', field: 'config_json.commission_rate', kind: 'changed' },
      ],
    },
    {
      name: 'a NaN that the legacy column refuses',
      system: 'trdinger',
      sql: `create table kept as select * from ohlcv_data where legacy_id = 2; update ohlcv_data set volume = 'NaN' where legacy_id = 2`,
      undo: `update ohlcv_data set volume = kept.volume from kept where ohlcv_data.legacy_id = 2; drop table kept`,
      finds: [
        { table: 'ohlcv_data', field: 'volume', target: 'NaN', kind: 'extra' },
        { table: 'ohlcv_data', field: null, target: expect.stringMatching(/NOT NULL/), kind: 'extra' },
        { table: 'ohlcv_data', key: 'id=2', field: null, kind: 'missing' },
      ],
    },
    {
      name: 'a row that is gone and one that is new',
      system: 'trdinger',
      sql: `update data_collection_log set id = 4711 where id = 1`,
      undo: `update data_collection_log set id = 1 where id = 4711`,
      finds: [
        { table: 'data_collection_log', key: 'id=1', field: null, target: null, kind: 'missing' },
        { table: 'data_collection_log', key: 'id=4711', field: null, source: null, kind: 'extra' },
      ],
    },
    {
      name: 'a canonical symbol whose source spelling was left alone',
      system: 'trdinger',
      sql: `update ohlcv_data set symbol = 'XRP/USDT:USDT' where legacy_id = 168`,
      undo: `update ohlcv_data set symbol = 'BTC/USDT:USDT' where legacy_id = 168`,
      finds: [
        { table: 'ohlcv_data', key: 'id=168', field: 'symbol', source: 'BTCUSDT', target: 'XRP/USDT:USDT' },
      ],
    },
    {
      name: 'a value that a note still describes as it was',
      system: 'lightning-talk',
      sql: `update participants set newsletter = not newsletter where extra @@ '$."$notes".path == "newsletter"'`,
      undo: `update participants set newsletter = not newsletter where extra @@ '$."$notes".path == "newsletter"'`,
      finds: [
        { table: 'participants', field: 'newsletter', kind: 'changed', target: 'false' },
        { table: 'participants', field: 'newsletter', kind: 'changed', target: 'false' },
        { table: 'participants', field: 'newsletter', kind: 'changed', target: 'false' },
      ],
    },
    {
      name: 'a nested member and null in place of nothing',
      system: 'lightning-talk',
      sql: `create table kept as select * from events where extra is null and venue_name is not null limit 1;
        update events set venue_name = 'elsewhere', extra = '{"$null": ["endDate"], "note": null}', end_date = null
        where id = (select id from kept)`,
      undo: `update events as e set venue_name = k.venue_name, extra = k.extra, end_date = k.end_date from kept as k
        where e.id = k.id; drop table kept`,
      finds: [
        { table: 'events', field: 'venue.name', target: '"elsewhere"', kind: 'changed' },
        { table: 'events', field: 'endDate', kind: 'changed', target: 'null' },
        { table: 'events', field: 'note', kind: 'changed', source: null, target: 'null' },
      ],
    },
    {
      name: 'a value in a column that the legacy form has not',
      system: 'lightning-talk',
      sql: 'update talks set order_position = 1 where id = (select id from talks order by id limit 1)',
      undo: 'update talks set order_position = null',
      finds: [
        { table: 'talks', key: '*', field: 'order_position', source: null, target: '1 rows have a value' },
      ],
    },
    {
      name: 'a credential that somebody stored, without showing it',
      system: 'lightning-talk',
      sql: `update users set extra = coalesce(extra, '{}') || '{"profile": {"password": "hunter2"}}'
        where id = (select id from users order by id limit 1)`,
      undo: `update users set extra = extra - 'profile'; update users set extra = null where extra = '{}'`,
      finds: [
        { table: 'users', field: 'password', target: 'what no export may have', kind: 'extra' },
        { table: 'users', field: 'profile', target: '{}', kind: 'changed' },
      ],
    },
    {
      name: 'a setting',
      system: 'lightning-talk',
      sql: `create table kept as select * from settings where key = 'siteName';
        update settings set value = '"another"' where key = 'siteName'`,
      undo: `update settings as s set value = k.value from kept as k where s.key = k.key; drop table kept`,
      finds: [{ table: 'settings', field: 'siteName', target: '"another"', kind: 'changed' }],
    },
  ])('fails with 7 and names what differs: $name', async ({ system, sql, undo, finds }) => {
    const { code, divergences, report } = await tampered(platform, home, system, sql, undo);
    expect(code).toBe(7);
    expect(divergences).toHaveLength(finds.length);
    expect(divergences).toEqual(expect.arrayContaining(finds.map((each) => expect.objectContaining(each))));
    expect(report.error?.message).toContain(`${divergences[0]!.table} ${divergences[0]!.key}`);
  });
});

describe('an export of a store with what no sample has', () => {
  let home: string;
  let source: string;
  beforeAll(async () => {
    home = await scratch();
    source = await copyOfLegacy();
    const db = new Database(join(source, 'trdinger/trdinger.db'));
    db.exec(`alter table ga_experiments add column experiment_id varchar(36);
      alter table ga_experiments add column hypervolume float;
      update ga_experiments set experiment_id = 'x-' || id, hypervolume = 1e999 where id = 1;
      create table long_short_ratio (id integer primary key, ratio float);
      insert into long_short_ratio (ratio) values (1.5)`);
    // A name that JSON spells in two ways, and a number that no double holds.
    db.prepare('update strategy_templates set config_json = ? where id = 1').run(
      '{"名": 9007199254740993, "n": [1e16, 1.50, -0.0, -Infinity], "": {}}',
    );
    db.close();
    const file = join(source, 'lightning-talk/server/data/events.json');
    const events: Record<string, unknown>[] = JSON.parse(await readFile(file, 'utf8'));
    const shape = { title: 'x', date: '2025-07-01T10:00:00+09:00', status: 'upcoming' };
    events.push(
      { id: 7, ...shape },
      { id: 'no venue', ...shape, venue: null },
      { id: 'empty venue', ...shape, venue: {} },
      {
        id: 'odd venue',
        ...shape,
        venue: { name: null, online: 'true', capacity: '12', floor: 3, rooms: [null] },
      },
      {
        id: 'keys of ours',
        ...shape,
        $null: 1,
        $notes: 'text',
        $$: [],
        a: { b: '2025-07-01T10:00:00+09:00' },
      },
    );
    await writeFile(file, JSON.stringify(events, null, 2));
    await writeFile(join(source, 'lightning-talk/server/data/polls.json'), '[]');
    await dropSystems(platform);
    await loaded(home, source, BUDGET);
  });

  it('gives it all back, and names what was never loaded', async () => {
    const trdinger = await exported(platform, home, 'trdinger');
    expect(trdinger.divergences).toEqual([
      expect.objectContaining({ table: 'long_short_ratio', source: '1 rows that were never loaded' }),
    ]);
    expect(trdinger.code).toBe(7);
    const file = join(trdinger.folder, 'trdinger.db');
    expect(query(file, 'select experiment_id, hypervolume = 1e999 from ga_experiments where id = 1')).toEqual(
      [['x-1', 1]],
    );
    const lightning = await exported(platform, home, 'lightning-talk');
    expect(lightning.divergences).toEqual([expect.objectContaining({ key: 'polls.json', kind: 'missing' })]);
    expect((await collection(lightning.folder, 'events')).filter(({ title }) => title === 'x')).toHaveLength(
      5,
    );
  });
});

describe('an export as a store of its own', () => {
  it('loads without a single record set aside, and its export is the same to the byte', async () => {
    const [home, again] = [await scratch(), await scratch()];
    await dropSystems(platform);
    await loaded(home, LEGACY, BUDGET);
    const first = [
      await exported(platform, home, 'trdinger'),
      await exported(platform, home, 'lightning-talk'),
    ];
    await dropSystems(platform);
    for (const [i, system] of ['trdinger', 'lightning-talk'].entries()) {
      await loadedOne(again, join(first[i]!.folder, '..'), system, 0);
      const second = await exported(platform, again, system);
      expect(second.divergences).toEqual([]);
      for (const table of Object.values(second.report.tables)) expect(table.unchanged).toBe(table.source);
      if (system === 'trdinger') continue;
      for (const name of ['events', 'participants', 'talks', 'settings', 'analytics', 'voting_sessions']) {
        const path = `server/data/${name}.json`;
        expect(await readFile(join(second.folder, path), 'utf8')).toBe(
          await readFile(join(first[i]!.folder, path), 'utf8'),
        );
      }
    }
  });
});

/** Real data that is no part of this repository; where it lies, it is a test. */
const REAL = resolve('../shared/legacy-data');
const hasReal = existsSync(REAL);
if (!hasReal) console.warn(`SKIPPED: the reverse trip of real legacy data, because ${REAL} is not there`);

describe.skipIf(!hasReal)('an export of real legacy data', () => {
  it('is equal to the snapshot', async () => {
    const home = await scratch();
    await dropSystems(platform);
    await loaded(home, REAL, 0);
    for (const system of ['trdinger', 'lightning-talk']) {
      const { divergences, report } = await exported(platform, home, system);
      expect(divergences).toEqual([]);
      expect(report.error).toBeUndefined();
    }
  });
});

describe('the command', () => {
  it('writes, proves, and never overwrites', async () => {
    const [home, out] = [await scratch(), await scratch()];
    await dropSystems(platform);
    await loaded(home, LEGACY, BUDGET);
    const args = ['export', '--system', 'lightning-talk', '--json', '--out'] as const;
    expect(await cutover(platform, home, ...args, join(out, 'a'))).toMatchObject({ code: 0, stdout: '[]\n' });
    const again = await cutover(platform, home, ...args, join(out, 'a'));
    expect(again).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/is not empty: it has lightning-talk/),
    });
    expect(await cutover(platform, home, 'export')).toMatchObject({ code: 2 });
    await change(
      platform,
      'lightning-talk',
      `update talks set title = 'changed' where id = (select min(id::text)::uuid from talks)`,
    );
    const { code, stdout, stderr } = await cutover(platform, home, ...args, join(out, 'b'));
    expect(code).toBe(7);
    expect(JSON.parse(stdout)).toEqual([
      expect.objectContaining({
        system: 'lightning-talk',
        table: 'talks',
        field: 'title',
        target: '"changed"',
      }),
    ]);
    expect(stderr).toMatch(/talks id=\S+ field title/);
  });
});
