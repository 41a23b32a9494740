import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'libsql';
import { beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { asAdmin, copyOfLegacy, cutover, dropSystems, run, scratch, systemNamed } from './harness.ts';
import { BUDGET, prove } from './proof.ts';

const CATALOG = 'catalog is as the schema step left it of *';
const ledger = (table: string) => `the ledger keeps what was set aside of ${table}`;
const rows = (table: string) => `count(*) of ${table}`;

/** One record that the ledger set aside, and a row that the table must not have. */
const SET_ASIDE = {
  trdinger: {
    quarantined: { table: 'ohlcv_data', locator: 'ohlcv_data rowid 180', code: 'FUTURE_TIMESTAMP' },
    merged: { table: 'ohlcv_data', locator: 'ohlcv_data rowid 164' },
    // Record 192 is in quarantine because it repeats the bar nine hours earlier.
    forbidden: {
      table: 'ohlcv_data',
      row: `select t.* from public.ohlcv_data as t, migration.quarantine as q
        where q.locator = 'ohlcv_data rowid 192'
          and t.symbol = q.payload::jsonb ->> 'symbol' and t.timeframe = q.payload::jsonb ->> 'timeframe'
          and t.timestamp = (q.payload::jsonb ->> 'timestamp')::timestamp at time zone 'UTC' - interval '9 hours'`,
      change: `timestamp = timestamp + interval '9 hours', legacy_id = 192`,
    },
    hidden: { table: 'strategy_templates', where: 'id = 5', locator: 'strategy_templates rowid 5' },
    present: { table: 'ohlcv_data', locator: 'ohlcv_data rowid 1' },
  },
  'lightning-talk': {
    quarantined: { table: 'talks', locator: 'talks.json[16]', code: 'DUPLICATE_ID' },
    merged: { table: 'participants', locator: 'participants.json[27]' },
    // Record 17 is in quarantine because it has no id.
    forbidden: {
      table: 'talks',
      row: 'select * from public.talks order by id limit 1',
      change: 'id = gen_random_uuid(), legacy_id = null',
    },
    hidden: { table: 'users', where: 'true', locator: 'users.json[0]' },
    present: { table: 'users', locator: 'users.json[1]' },
  },
} as const;

describe.each(Object.entries(SET_ASIDE))('what verify finds in the ledger of %s', (system, known) => {
  const platform = inject('platform');
  const { database, source } = systemNamed(system);
  // A JSON store has no engine of its own.
  const asksEngines = source.kind === 'sqlite';
  let home: string;
  /** Says of a record that is stored that it is in quarantine. */
  const forge = (table: string, locator: string) =>
    sql(
      `insert into migration.quarantine (run_id, table_name, batch, locator, code, field, detail, payload)
       select run_id, $1, n, $2, 'FORGED', '', '', '{}' from migration.batch where table_name = $1`,
      [table, locator],
    );
  const sql = <T extends object>(text: string, values?: unknown[]) =>
    asAdmin(platform, database, async (client) => (await client.query<T>(text, values)).rows);

  beforeAll(async () => {
    home = await scratch();
    await dropSystems(platform);
    expect((await run(platform, home, { system, budget: BUDGET })).error).toBeUndefined();
  });

  it('a quarantine entry that is gone', async () => {
    const { table, locator, code } = known.quarantined;
    const [kept] = await sql<{ row: object }>(
      'delete from migration.quarantine as q where locator = $1 returning to_jsonb(q) as row',
      [locator],
    );
    const proof = await prove(platform, home, system);
    await sql(
      `insert into migration.quarantine overriding system value
       select (jsonb_populate_record(null::migration.quarantine, $1)).*`,
      [kept!.row],
    );
    expect(proof.code).toBe(7);
    expect(proof.divergences).toEqual([
      {
        table: `public.${table}`,
        key: locator,
        field: null,
        source: expect.stringMatching(new RegExp(`^${code}: `)),
        target: null,
        kind: 'missing',
      },
    ]);
    expect(proof.report.error!.message).toContain(locator);
    expect(proof.failed).toEqual(
      asksEngines ? expect.arrayContaining([ledger(table), rows(table)]) : [ledger(table)],
    );
  });

  it('an entry of a merged duplicate that is gone', async () => {
    const { table, locator } = known.merged;
    const [kept] = await sql<{ row: object }>(
      'delete from migration.merged as m where locator = $1 returning to_jsonb(m) as row',
      [locator],
    );
    const proof = await prove(platform, home, system);
    await sql('insert into migration.merged select (jsonb_populate_record(null::migration.merged, $1)).*', [
      kept!.row,
    ]);
    expect(proof).toMatchObject({ code: 7, divergences: [] });
    expect(proof.failed).toEqual(
      asksEngines ? expect.arrayContaining([ledger(table), rows(table)]) : [ledger(table)],
    );
  });

  it('a row that is gone and passed off as quarantined', async () => {
    const { table, where, locator } = known.hidden;
    const [kept] = await sql<{ row: object }>(
      `with gone as (select * from ${table} where ${where} order by id limit 1)
       delete from ${table} as t using gone where t.id = gone.id returning to_jsonb(t) as row`,
    );
    await forge(table, locator);
    const proof = await prove(platform, home, system);
    await sql(`delete from migration.quarantine where code = 'FORGED'`);
    await sql(`insert into ${table} select (jsonb_populate_record(null::${table}, $1)).*`, [kept!.row]);
    expect(proof).toMatchObject({ code: 7, divergences: [], failed: [ledger(table)] });
  });

  it('a row that is there and in quarantine, too', async () => {
    const { table, locator } = known.present;
    await forge(table, locator);
    const proof = await prove(platform, home, system);
    await sql(`delete from migration.quarantine where code = 'FORGED'`);
    expect(proof.code).toBe(7);
    expect(proof.divergences).toMatchObject([{ table: `public.${table}`, field: null, kind: 'extra' }]);
  });

  it('a row of a record that is in quarantine', async () => {
    const { table, row, change } = known.forbidden;
    await asAdmin(platform, database, (client) =>
      client.query(
        `create temporary table forbidden as ${row}; update forbidden set ${change};
         insert into public.${table} select * from forbidden`,
      ),
    );
    const proof = await prove(platform, home, system);
    await sql(`delete from ${table} where legacy_id is null or legacy_id::text = '192'`);
    expect(proof.code).toBe(7);
    expect(proof.divergences).toMatchObject([
      { table: `public.${table}`, field: null, source: null, kind: 'extra' },
    ]);
    expect(proof.failed.includes(rows(table))).toBe(asksEngines);
    expect(proof.failed).not.toContain(ledger(table));
  });

  it('nothing, once all of that is undone', async () => {
    expect(await prove(platform, home, system)).toMatchObject({ code: 0, divergences: [], failed: [] });
  });

  it('what it found is recorded, and only the verifier may do so', async () => {
    const { rolePrefix } = systemNamed(system);
    const count = async () => {
      const [row] = await sql<{ proofs: number; divergences: number }>(
        `select (select count(*)::int from migration.verification) as proofs,
           (select count(*)::int from migration.divergence) as divergences`,
      );
      return row!;
    };
    const before = await count();
    const [kept] = await sql<{ row: object }>(
      'delete from migration.quarantine as q where locator = $1 returning to_jsonb(q) as row',
      [known.quarantined.locator],
    );
    await sql(`revoke insert on migration.verification from ${rolePrefix}_verifier`);
    const refused = await run(platform, home, { system, steps: ['verify'], budget: BUDGET });
    expect(refused.error).toMatchObject({
      exitCode: 4,
      message: expect.stringContaining('permission denied'),
    });
    expect(await count()).toEqual(before);
    await sql(`grant insert on migration.verification to ${rolePrefix}_verifier`);
    await prove(platform, home, system);
    await sql(
      `insert into migration.quarantine overriding system value
       select (jsonb_populate_record(null::migration.quarantine, $1)).*`,
      [kept!.row],
    );
    expect(await count()).toEqual({ proofs: before.proofs + 1, divergences: before.divergences + 1 });
    const [last] = await sql<object>(
      `select v.system, v.snapshot, v.code, v.schema, v.rows_compared > 0 as rows, v.fields_compared > 0 as fields,
         v.differences::int, v.finished_at >= v.started_at as ended, jsonb_array_length(v.checks) > 0 as checks
       from migration.verification as v order by id desc limit 1`,
    );
    const [loaded] = await sql<object>(
      'select snapshot, code, schema from migration.run order by id desc limit 1',
    );
    expect(last).toEqual({
      ...loaded,
      system,
      rows: true,
      fields: true,
      differences: 1,
      ended: true,
      checks: true,
    });
  });
});

describe('a record that the table refused', () => {
  const platform = inject('platform');
  const system = 'trdinger';
  let home: string;

  beforeEach(async () => {
    home = await scratch();
    await dropSystems(platform);
  });

  async function storeWith(sql: string): Promise<string> {
    const source = await copyOfLegacy();
    const store = new Database(join(source, system, 'trdinger.db'));
    // Without the store's own constraints.
    store.exec(`create table loose as select * from strategy_showcase; drop table strategy_showcase;
      alter table loose rename to strategy_showcase; ${sql}`);
    store.close();
    return source;
  }

  it('is not missed in the table, and found when it is there', async () => {
    const source = await storeWith(
      `update strategy_showcase set name = (select name from strategy_showcase where id = 1) where id = 2`,
    );
    const report = await run(platform, home, { system, source, budget: BUDGET + 1 });
    expect(report.error).toBeUndefined();
    expect(report.tables['public.strategy_showcase']!.reasons).toMatchObject({
      strategy_showcase_name_key: 1,
    });
    const { rows } = await asAdmin(platform, system, (client) =>
      client.query<{ name: string; payload: string }>(
        `select name, payload from strategy_showcase, migration.quarantine
         where strategy_showcase.id = 1 and locator = 'strategy_showcase rowid 2'`,
      ),
    );
    const { name, payload } = rows[0]!;
    await asAdmin(platform, system, async (client) => {
      await client.query(`update strategy_showcase set name = 'moved away' where id = 1`);
      // The very row that the record would have become.
      await client.query(
        `insert into strategy_showcase
         select (jsonb_populate_record(null::strategy_showcase, $1::jsonb || jsonb_build_object(
           'indicators', ($1::jsonb ->> 'indicators')::jsonb, 'parameters', ($1::jsonb ->> 'parameters')::jsonb,
           'gene_data', ($1::jsonb ->> 'gene_data')::jsonb,
           'is_active', $1::jsonb ->> 'is_active' = '1',
           'created_at', ($1::jsonb ->> 'created_at') || 'Z', 'updated_at', ($1::jsonb ->> 'updated_at') || 'Z'))).*`,
        [payload],
      );
    });
    const { code, divergences, failed } = await prove(platform, home, system);
    expect(code).toBe(7);
    expect(failed).toContain('count(*) of strategy_showcase');
    expect(divergences).toMatchObject([
      { key: 'id=1', field: 'name', source: name, target: 'moved away', kind: 'changed' },
      { key: 'id=2', field: null, source: null, kind: 'extra' },
    ]);
  });

  it('for a key that no index holds does not stop the others', async () => {
    // 2,704 bytes are the most that a B-tree takes, once they are compressed; these can't be.
    const source = await storeWith(`update strategy_showcase set name = hex(randomblob(9000)) where id = 2`);
    const report = await run(platform, home, { system, source, budget: BUDGET + 1 });
    expect(report.error).toBeUndefined();
    expect(report.tables['public.strategy_showcase']).toMatchObject({
      inserted: 10,
      reasons: { SQLSTATE_54000: 1 },
    });
  });
});

describe('what verify finds in the snapshot', () => {
  const platform = inject('platform');

  it.each([
    { system: 'trdinger', file: 'trdinger.db' },
    { system: 'lightning-talk', file: 'users.json' },
  ])('$file with one other byte', async ({ system, file }) => {
    await dropSystems(platform);
    const home = await scratch();
    expect((await run(platform, home, { system, budget: BUDGET })).error).toBeUndefined();
    const base = join(home, 'snapshots', system);
    const current = (await readFile(join(base, 'current'), 'utf8')).trim();
    const copy = join(base, current, 'files', file);
    const bytes = await readFile(copy);
    await chmod(copy, 0o600);
    await writeFile(copy, bytes.fill(bytes.at(-2)! ^ 1, bytes.length - 2, bytes.length - 1));
    const { report } = await prove(platform, home, system);
    expect(report.error).toMatchObject({ exitCode: 3, message: `${copy} is not as its manifest says` });
  });
});

describe('what verify finds in the catalog', () => {
  const platform = inject('platform');
  let home: string;

  beforeAll(async () => {
    home = await scratch();
    await dropSystems(platform);
    for (const system of ['trdinger', 'lightning-talk']) {
      expect((await run(platform, home, { system, budget: BUDGET })).error).toBeUndefined();
    }
  });

  const SPEAKER = 'talks_participant_id_fkey foreign key (participant_id) references participants (id)';
  it.each([
    {
      name: 'another column',
      system: 'lightning-talk',
      sql: 'alter table events add column mood text',
      undo: 'alter table events drop column mood',
      failed: [CATALOG],
    },
    {
      name: 'another constraint',
      system: 'trdinger',
      sql: 'alter table strategy_templates add constraint named check (length(name) > 0)',
      undo: 'alter table strategy_templates drop constraint named',
      failed: [CATALOG],
    },
    {
      name: 'a constraint that is gone',
      system: 'trdinger',
      sql: 'alter table strategy_templates drop constraint strategy_templates_name_key',
      undo: 'alter table strategy_templates add constraint strategy_templates_name_key unique (name)',
      failed: [CATALOG],
    },
    {
      name: 'another trigger',
      system: 'lightning-talk',
      sql: `create trigger stamp before update on users for each row execute function stamp_updated_at()`,
      undo: 'drop trigger stamp on users',
      failed: [CATALOG],
    },
    {
      name: 'a trigger that is switched off',
      system: 'lightning-talk',
      sql: 'alter table events disable trigger stamp_updated_at',
      undo: 'alter table events enable trigger stamp_updated_at',
      failed: [CATALOG],
    },
    {
      name: 'another default',
      system: 'lightning-talk',
      sql: `alter table events alter column max_talks set default 200`,
      undo: 'alter table events alter column max_talks set default 20',
      failed: [CATALOG],
    },
    {
      name: 'another table',
      system: 'trdinger',
      sql: 'create table public.notes (note text)',
      undo: 'drop table public.notes',
      failed: [CATALOG],
    },
    {
      name: 'a foreign key that nobody checked',
      system: 'lightning-talk',
      sql: `alter table talks drop constraint talks_participant_id_fkey,
        add constraint ${SPEAKER} on update cascade on delete set null not valid`,
      undo: 'alter table talks validate constraint talks_participant_id_fkey',
      failed: ['foreign keys are validated of *', CATALOG],
    },
    {
      name: 'chunks of another length',
      system: 'trdinger',
      sql: `select set_chunk_time_interval('ohlcv_data', interval '1 day')`,
      undo: `select set_chunk_time_interval('ohlcv_data', interval '365 days')`,
      failed: ['hypertable partitioned by time of ohlcv_data'],
    },
  ])('$name', async ({ system, sql, undo, failed }) => {
    const by = (text: string) =>
      asAdmin(platform, systemNamed(system).database, (client) => client.query(text));
    await by(sql);
    const proof = await prove(platform, home, system);
    await by(undo);
    expect(proof).toMatchObject({ code: 7, failed, divergences: [] });
    expect(proof.report.error!.message).toContain(`check ${failed[0]}`);
    expect(await prove(platform, home, system)).toMatchObject({ code: 0, failed: [] });
  });

  it('a change that was there when the schema step ran again', async () => {
    const by = (text: string) => asAdmin(platform, 'lightningtalk', (client) => client.query(text));
    await by('alter table events add column mood text');
    const report = await run(platform, home, { system: 'lightning-talk', budget: BUDGET });
    expect(report.error).toMatchObject({ exitCode: 7, message: expect.stringContaining(`check ${CATALOG}`) });
    const { stdout } = await cutover(platform, home, 'status', '--system', 'lightning-talk');
    expect(stdout).toMatch(/0 differences, 1 failed checks/);
    await by('alter table events drop column mood');
    expect(await run(platform, home, { system: 'lightning-talk', budget: BUDGET })).toMatchObject({
      ok: true,
    });
  });
});
