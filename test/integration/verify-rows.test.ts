import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { urlFor } from '../../jobs/database.ts';
import type { Divergence } from '../../jobs/engine/compare.ts';
import { asAdmin, cutover, dropSystems, run, scratch, systemNamed } from './harness.ts';
import { BUDGET, prove } from './proof.ts';

/** One value changed by hand. What a verification must say about it is what PostgreSQL itself shows before and after. */
interface Change {
  readonly name: string;
  readonly table: string;
  /** Picks one row. */
  readonly where: string;
  readonly column: string;
  /** SQL of the new value. */
  readonly to: string;
  /** SQL that shows a value; default: its text. */
  readonly shown?: string;
  /** Whether the engines' own aggregates see it too. */
  readonly engines?: boolean;
  /** For values whose text is worth being written here. */
  readonly source?: string | null;
  readonly target?: string | null;
}

/** SQL that writes a row's key as a divergence names it. */
const instant = (column: string) => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
const KEYS: Readonly<Record<string, string>> = {
  ohlcv_data: `'symbol=' || symbol || ' timeframe=' || timeframe || ' timestamp=' || ${instant('timestamp')}`,
  funding_rate_data: `'symbol=' || symbol || ' funding_timestamp=' || ${instant('funding_timestamp')}`,
  participants: `'event_id=' || event_id || ' email_key=' || email_key`,
  analytics: `'id=' || id || ' occurred_at=' || ${instant('occurred_at')}`,
  settings: `'key=' || key`,
};
const keyOf = (table: string) => KEYS[table] ?? `'id=' || id`;

const CHANGES: Readonly<Record<string, readonly Change[]>> = {
  trdinger: [
    {
      name: 'one unit in the last place of a double, in a hypertable',
      table: 'ohlcv_data',
      where: 'legacy_id = 3',
      column: 'open',
      to: `open + float8 '1.5e-11'`,
      source: '104426.36',
      target: '104426.36000000002',
    },
    {
      name: '0.0 that became -0.0',
      table: 'funding_rate_data',
      where: 'funding_rate = 0 limit 1',
      column: 'funding_rate',
      to: `'-0'`,
      source: '0',
      target: '-0',
    },
    {
      name: 'a number that became NaN',
      table: 'ohlcv_data',
      where: 'legacy_id = 2',
      column: 'volume',
      to: `'NaN'`,
      target: 'NaN',
      engines: true,
    },
    {
      name: 'one trailing space',
      table: 'data_collection_log',
      where: 'id = 1',
      column: 'status',
      to: `status || ' '`,
      source: 'success',
      target: 'success ',
      engines: true,
    },
    {
      name: 'one microsecond',
      table: 'ohlcv_data',
      where: 'legacy_id = 3',
      column: 'created_at',
      to: `created_at + interval '1 microsecond'`,
      shown: instant('created_at'),
      engines: true,
    },
    {
      name: 'a number inside a jsonb',
      table: 'strategy_templates',
      where: 'id = 1',
      column: 'config_json',
      to: `jsonb_set(config_json, '{commission_rate}', '0.0010000000000000001')`,
    },
    {
      name: 'a key removed from a jsonb',
      table: 'strategy_templates',
      where: 'id = 1',
      column: 'config_json',
      to: `config_json - 'commission_rate'`,
    },
    {
      name: 'null that became empty',
      table: 'data_collection_log',
      where: 'id = 1',
      column: 'error_message',
      to: `''`,
      source: null,
      target: '',
      engines: true,
    },
    {
      name: 'a legacy id',
      table: 'ohlcv_data',
      where: 'legacy_id = 4',
      column: 'legacy_id',
      to: '9007199254740993',
      source: '4',
      target: '9007199254740993',
      engines: true,
    },
    {
      name: 'a note in extra that was dropped',
      table: 'backtest_results',
      where: 'length(extra::text) < 200 order by id limit 1',
      column: 'extra',
      to: 'null',
      target: null,
    },
  ],
  'lightning-talk': [
    {
      name: 'one unit in the last place of a double',
      table: 'talks',
      where: 'average_rating = 4.33 limit 1',
      column: 'average_rating',
      to: '4.330000000000001',
      source: '4.33',
      target: '4.330000000000001',
    },
    {
      name: '0 that became -0',
      table: 'talks',
      where: 'average_rating = 0 limit 1',
      column: 'average_rating',
      to: `'-0'`,
      source: '0',
      target: '-0',
    },
    {
      name: 'one trailing space',
      table: 'presentations',
      where: `legacy_id = 'pres-102'`,
      column: 'title',
      to: `title || ' '`,
    },
    {
      name: 'a character in another normal form',
      table: 'talks',
      where: `normalize(title, NFD) <> title order by id limit 1`,
      column: 'title',
      to: 'normalize(title, NFD)',
    },
    {
      name: 'one microsecond',
      table: 'users',
      where: 'last_login is not null order by id limit 1',
      column: 'last_login',
      to: `last_login - interval '1 microsecond'`,
      shown: instant('last_login'),
    },
    {
      name: 'a number inside a jsonb',
      table: 'settings',
      where: `key = 'registrationSettings'`,
      column: 'value',
      to: `jsonb_set(value, '{maxParticipants}', '101')`,
    },
    {
      name: 'a key removed from a jsonb',
      table: 'settings',
      where: `key = 'notificationSettings'`,
      column: 'value',
      to: `value - 'reminderEmails'`,
    },
    {
      name: 'a jsonb text that became a jsonb number',
      table: 'talks',
      where: `last_voting_results ->> 'averageRating' = '4.33' limit 1`,
      column: 'last_voting_results',
      to: `jsonb_set(last_voting_results, '{averageRating}', '4.33')`,
    },
    {
      name: 'empty that became null',
      table: 'participants',
      where: `message = '' order by id limit 1`,
      column: 'message',
      to: 'null',
      source: '',
      target: null,
    },
    {
      name: 'null that became empty',
      table: 'participants',
      where: 'message is null order by id limit 1',
      column: 'message',
      to: `''`,
      source: null,
      target: '',
    },
    {
      name: 'a truth value',
      table: 'participants',
      where: 'newsletter order by id limit 1',
      column: 'newsletter',
      to: 'false',
      source: 'true',
      target: 'false',
    },
    {
      name: 'a day',
      table: 'analytics',
      where: 'server_date is not null order by id limit 1',
      column: 'server_date',
      to: 'server_date + 1',
    },
    {
      name: 'a foreign key',
      table: 'presentation_interactions',
      where: 'presentation_id is not null order by id limit 1',
      column: 'presentation_id',
      to: '(select id from presentations p where p.id <> presentation_id order by id limit 1)',
    },
  ],
};

/** Rows of a hypertable, of a partition, and of plain tables. `other` gives a copy of the row a key of its own. */
const ROWS: Readonly<Record<string, readonly { table: string; where: string; other: string }[]>> = {
  trdinger: [
    { table: 'ohlcv_data', where: 'legacy_id = 1', other: `timestamp = timestamp - interval '1 year'` },
    { table: 'strategy_templates', where: 'id = 1', other: `id = 0, name = 'the first in order'` },
    { table: 'strategy_templates', where: 'id = 5', other: `id = 999, name = 'the last in order'` },
  ],
  'lightning-talk': [
    { table: 'analytics', where: 'true order by id limit 1', other: `occurred_at = '2031-01-01 00:00Z'` },
    {
      table: 'users',
      where: 'true order by id limit 1',
      other: `id = gen_random_uuid(), legacy_id = 'other'`,
    },
  ],
};

describe.each(Object.keys(CHANGES))('what verify finds in the rows of %s', (system) => {
  const platform = inject('platform');
  const { database } = systemNamed(system);
  let home: string;
  let client: pg.Client;

  beforeAll(async () => {
    home = await scratch();
    await dropSystems(platform);
    expect((await run(platform, home, { system, budget: BUDGET })).error).toBeUndefined();
    client = new pg.Client({ connectionString: urlFor(platform.postgres, database) });
    await client.connect();
    // The application's triggers stay out of it: one change is one change.
    await client.query(`set cutover.loading = 'on'`);
  });

  afterAll(async () => {
    await client?.end();
  });

  // A JSON store has no engine of its own.
  const asksEngines = systemNamed(system).source.kind === 'sqlite';

  const shownKey = async (table: string, where: string): Promise<string> => {
    const { rows } = await client.query<{ key: string }>(
      `select ${keyOf(table)} as key from ${table} where ${where}`,
    );
    return rows[0]!.key;
  };

  it.each(CHANGES[system]!)(
    '$name',
    async ({ table, where, column, to, shown = `${column}::text`, engines = false, ...hand }) => {
      const key = await shownKey(table, where);
      const row = `${table} where ${keyOf(table)} = ${pg.escapeLiteral(key)}`;
      const look = async () => {
        const { rows } = await client.query<{ text: string | null; shown: string | null }>(
          `select ${column}::text as text, ${shown} as shown from ${row}`,
        );
        return rows[0]!;
      };
      const before = await look();
      const set = row.replace(' where ', ` set ${column} = $1 where `);
      await client.query(`update ${set.replace('$1', () => to)}`);
      const after = await look();
      const proof = await prove(platform, home, system);
      await client.query(`update ${set}`, [before.text]);

      const { source = before.shown, target = after.shown } = hand;
      expect(source).not.toBe(target);
      expect(proof.divergences).toEqual([
        { table: `public.${table}`, key, field: column, source, target, kind: 'changed' },
      ] satisfies Divergence[]);
      expect(proof.code).toBe(7);
      expect(proof.report.error!.message).toContain(`public.${table} ${key} field ${column} changed`);
      expect(proof.failed.length > 0).toBe(engines);
    },
  );

  it.each(ROWS[system]!)('a row deleted from $table', async ({ table, where }) => {
    const key = await shownKey(table, where);
    const { rows } = await client.query<{ row: object }>(
      `delete from ${table} as t where ${keyOf(table)} = $1 returning to_jsonb(t) as row`,
      [key],
    );
    const proof = await prove(platform, home, system);
    await client.query(`insert into ${table} select (jsonb_populate_record(null::${table}, $1)).*`, [
      rows[0]!.row,
    ]);
    expect(proof.divergences).toMatchObject([
      { table: `public.${table}`, key, field: null, target: null, kind: 'missing' },
    ]);
    expect(proof.divergences[0]!.source).toContain(key);
    expect(proof.code).toBe(7);
    expect(proof.report.error!.message).toContain(`public.${table} ${key} missing`);
    expect(proof.failed.includes(`count(*) of ${table}`)).toBe(asksEngines);
  });

  it.each(ROWS[system]!)('a row added to $table', async ({ table, where, other }) => {
    await client.query('begin');
    await client.query(
      `create temporary table another on commit drop as select * from ${table} where ${where};
       update another set ${other}`,
    );
    const { rows } = await client.query<{ key: string }>(`select ${keyOf(table)} as key from another`);
    const { key } = rows[0]!;
    await client.query(`insert into ${table} select * from another`);
    await client.query('commit');
    const proof = await prove(platform, home, system);
    await client.query(`delete from ${table} where ${keyOf(table)} = $1`, [key]);
    expect(proof.divergences).toMatchObject([
      { table: `public.${table}`, key, field: null, source: null, kind: 'extra' },
    ]);
    expect(proof.divergences[0]!.target).toContain(key);
    expect(proof.code).toBe(7);
    expect(proof.report.error!.message).toContain(`public.${table} ${key} extra`);
    expect(proof.failed.includes(`count(*) of ${table}`)).toBe(asksEngines);
  });

  it('nothing, once all of that is undone', async () => {
    const proof = await prove(platform, home, system);
    expect(proof).toMatchObject({ code: 0, divergences: [], failed: [] });
    // Zero differences would also be the answer of a verify that compares nothing.
    for (const table of Object.values(proof.report.tables)) expect(table.compared).toBeGreaterThan(0);
  });
});

describe('how verify tells it', () => {
  const platform = inject('platform');
  let home: string;

  beforeAll(async () => {
    home = await scratch();
    await dropSystems(platform);
    for (const system of ['trdinger', 'lightning-talk']) {
      expect((await run(platform, home, { system, budget: BUDGET })).error).toBeUndefined();
    }
  });

  const verify = [
    ...['verify', '--json', '--quarantine-budget', String(BUDGET)],
    ...['--system', 'trdinger', 'lightning-talk'],
  ];

  it('--json is a list of divergences, an empty one when there is none', async () => {
    const ok = await cutover(platform, home, ...verify);
    expect(ok).toMatchObject({ code: 0, stdout: '[]\n', stderr: '' });
    await asAdmin(platform, 'trdinger', (client) =>
      client.query(`update strategy_showcase set description = null where id = 1`),
    );
    await asAdmin(platform, 'lightningtalk', (client) =>
      client.query(`update settings set value = 'true' where key = 'emailEnabled'`),
    );
    const differ = await cutover(platform, home, ...verify);
    expect(differ.code).toBe(7);
    expect(differ.stderr).toContain('trdinger: 1 differences');
    expect(differ.stderr).toContain('lightning-talk: 1 differences');
    const list: unknown[] = JSON.parse(differ.stdout);
    expect(list).toHaveLength(2);
    expect(list).toContainEqual({
      system: 'trdinger',
      table: 'public.strategy_showcase',
      key: 'id=1',
      field: 'description',
      source: expect.any(String),
      target: null,
      kind: 'changed',
    });
    expect(list).toContainEqual({
      system: 'lightning-talk',
      table: 'public.settings',
      key: 'key=emailEnabled',
      field: 'value',
      source: 'false',
      target: 'true',
      kind: 'changed',
    });
  });

  it('values that two rows have exchanged: the rows differ, the engines agree', async () => {
    await asAdmin(platform, 'trdinger', (client) =>
      client.query(
        `update ohlcv_data as a set close = b.close from ohlcv_data as b
         where (a.legacy_id, b.legacy_id) in ((1, 2), (2, 1))`,
      ),
    );
    const { code, divergences, failed } = await prove(platform, home, 'trdinger');
    expect(code).toBe(7);
    const [first, second] = divergences.filter((each) => each.field === 'close');
    expect(first).toMatchObject({ source: '104039.58', target: '104426.36' });
    expect(second).toMatchObject({ source: '104426.36', target: '104039.58' });
    expect(failed.filter((check) => check.endsWith('of ohlcv_data'))).toEqual([]);
  });

  it('the place where long values differ is shown', async () => {
    await asAdmin(platform, 'trdinger', (client) =>
      client.query(
        `update backtest_results set equity_curve = jsonb_set(equity_curve, '{-1,drawdown_pct}', '12.25') where id = 2;
         update data_collection_log set error_message = error_message || '!' where length(error_message) = 800`,
      ),
    );
    const { divergences } = await prove(platform, home, 'trdinger');
    const [text, json] = ['data_collection_log', 'backtest_results'].map(
      (table) => divergences.find((each) => each.table === `public.${table}`)!,
    );
    expect(json!.target).toContain('12.25');
    expect(json!.source).not.toContain('12.25');
    expect(text!.target).toMatch(/!/);
    expect(text!.source).not.toMatch(/!/);
    for (const { source, target } of [text!, json!]) {
      expect(source!.length).toBeLessThan(400);
      expect(target!.length).toBeLessThan(400);
    }
  });
});
