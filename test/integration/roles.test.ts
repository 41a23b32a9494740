import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { ROLE_KINDS, type RoleKind, roleName, urlFor } from '../../jobs/database.ts';
import { Secrets } from '../../jobs/secrets.ts';
import { SYSTEMS } from '../../jobs/systems/index.ts';
import { readState } from '../../stacks/embedded/state.ts';
import { asAdmin, cutover, dropSystems, run, scratch, systemNamed } from './harness.ts';
import { BUDGET } from './proof.ts';

const platform = inject('platform');

/** SQLSTATE insufficient_privilege. */
const REFUSED = '42501';

const PROVISION = ['inspect', 'backup', 'preflight', 'provision', 'schema', 'load'];

/** A table of each system that nothing refers to, and a row that it would take. */
const SAMPLES = {
  'lightning-talk': {
    table: 'users',
    update: `update users set name = name`,
    insert: `insert into users (email) values ('new@example.com')`,
  },
  trdinger: {
    table: 'ohlcv_data',
    update: 'update ohlcv_data set volume = volume',
    insert: `insert into ohlcv_data (symbol, timeframe, timestamp, open, high, low, close, volume, source_symbol, source_timeframe)
      values ('X', '1h', '2030-01-01Z', 1, 1, 1, 1, 1, 'X', '1h')`,
  },
} as const;

describe.each(Object.entries(SAMPLES))('the roles of %s', (name, { table, update, insert }) => {
  const system = systemNamed(name);
  let home: string;

  beforeAll(async () => {
    home = await scratch();
    await dropSystems(platform);
    expect(
      (await run(platform, home, { system: name, steps: PROVISION, budget: BUDGET })).error,
    ).toBeUndefined();
  });

  /**
   * Runs a statement as a role and takes it back. What it may write is asked in a transaction that may, whatever the role's
   * default is. @returns the SQLSTATE of its refusal, `ok` when it was done
   */
  async function attempt(kind: RoleKind, sql: string, begin = 'begin read write'): Promise<string> {
    const role = roleName(system, kind);
    const password = (await Secrets.open(home)).password(role);
    const client = new pg.Client({
      connectionString: urlFor(platform[system.server], system.database, role, password),
    });
    await client.connect();
    try {
      await client.query(begin);
      await client.query(sql);
      await client.query('rollback');
      return 'ok';
    } catch (error) {
      return (error as pg.DatabaseError).code ?? String(error);
    } finally {
      await client.end();
    }
  }

  it('readonly makes no large object either, which no privilege could keep it from', async () => {
    expect(await attempt('readonly', `select lo_from_bytea(0, '1')`, 'begin')).toBe('25006');
  });

  /** What a role may do of a list of statements. */
  async function allowed(kind: RoleKind, statements: Readonly<Record<string, string>>): Promise<string[]> {
    const done: string[] = [];
    for (const [what, sql] of Object.entries(statements)) {
      const found = await attempt(kind, sql);
      if (found === 'ok') done.push(what);
      else expect(`${what}: ${found}`).toBe(`${what}: ${REFUSED}`);
    }
    return done;
  }

  const ROWS = { select: `select * from ${table}`, insert, update, delete: `delete from ${table}` };
  const LAYOUT = {
    'create table': 'create table public.another (id int)',
    'create temporary table': 'create temporary table scratch (id int)',
    'create schema': 'create schema another',
    'create function': 'create function public.f() returns int language sql return 1',
    'create trigger': `create trigger t before update on ${table} for each row execute function suppress_redundant_updates_trigger()`,
    truncate: `truncate ${table} cascade`,
    'alter table': `alter table ${table} add column another int`,
    'create index': `create index on ${table} (created_at)`,
    'drop table': `drop table ${table} cascade`,
    'drop schema': 'drop schema migration cascade',
    'create role': 'create role another',
    'become the owner': `set role ${system.rolePrefix}_owner`,
  };
  const LEDGER = {
    'read runs': 'select * from migration.run',
    'read quarantine': 'select * from migration.quarantine',
    'write runs': `update migration.run set step = step`,
    'write batches': 'update migration.batch set read = read',
    'write quarantine': `insert into migration.quarantine (run_id, table_name, batch, locator, code, field, detail, payload)
      select run_id, table_name, n, 'made up', '', '', '', '' from migration.batch limit 1`,
    'release from quarantine': 'update migration.quarantine set replayed_at = now()',
    'take the target': 'update migration.target set fence = fence',
    'write proofs': `insert into migration.verification (system, snapshot, code, schema, started_at, rows_compared,
        fields_compared, differences, checks) values ('', '', '', '', now(), 0, 0, 0, '[]')`,
    'change proofs': 'update migration.verification set differences = 0',
    'write the fingerprint': `insert into migration.fingerprint (digest) values ('')`,
    'forget batches': 'delete from migration.batch',
  };

  it('readonly reads rows', async () => {
    expect(await allowed('readonly', { ...ROWS, ...LAYOUT, ...LEDGER })).toEqual(['select']);
  });

  it('readwrite reads and writes rows', async () => {
    expect(await allowed('readwrite', { ...ROWS, ...LAYOUT, ...LEDGER })).toEqual(Object.keys(ROWS));
  });

  it('verifier reads everything and writes its findings', async () => {
    expect(await allowed('verifier', { ...ROWS, ...LAYOUT, ...LEDGER })).toEqual([
      'select',
      'read runs',
      'read quarantine',
      'write proofs',
    ]);
  });

  it('migrator writes rows and what became of them, no proof and no layout', async () => {
    expect(await allowed('migrator', { ...ROWS, ...LAYOUT, ...LEDGER })).toEqual([
      ...Object.keys(ROWS),
      'create temporary table',
      'read runs',
      'read quarantine',
      'write runs',
      'write batches',
      'write quarantine',
      'release from quarantine',
      'take the target',
    ]);
  });

  it('admin writes rows and reads the ledger, and does not own the schema', async () => {
    const can = await allowed('admin', { ...ROWS, ...LAYOUT, ...LEDGER });
    expect(can).toEqual(expect.arrayContaining([...Object.keys(ROWS), 'read runs', 'read quarantine']));
    for (const what of [
      'create table',
      'alter table',
      'drop table',
      'drop schema',
      'create role',
      'write proofs',
    ]) {
      expect(can).not.toContain(what);
    }
  });

  it('owner makes the layout, and makes no roles', async () => {
    const can = await allowed('owner', LAYOUT);
    expect(can).toEqual(
      expect.arrayContaining(['create table', 'alter table', 'create index', 'drop table']),
    );
    expect(can).not.toContain('create role');
  });

  it('each is a login of its own, and none is more than that', async () => {
    const found = await asAdmin(platform, 'postgres', async (client) => {
      const { rows } = await client.query(
        `select rolname, rolcanlogin, rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls as more,
           rolpassword ~ '^SCRAM-SHA-256\\$4096:' as scram,
           array(select g.rolname::text from pg_auth_members m join pg_roles g on g.oid = m.roleid
                 where m.member = a.oid) as of
         from pg_authid a where rolname = any($1) order by rolname`,
        [ROLE_KINDS.map((kind) => roleName(system, kind))],
      );
      return rows;
    });
    expect(found).toEqual(
      ROLE_KINDS.map((kind) => ({
        rolname: roleName(system, kind),
        rolcanlogin: true,
        more: false,
        scram: true,
        of: [],
      })).toSorted((a, b) => (a.rolname < b.rolname ? -1 : 1)),
    );
  });

  it('a table that the owner makes later is open to the same roles', async () => {
    const owner = roleName(system, 'owner');
    await asAdmin(platform, system.database, (client) =>
      client.query(
        `set role ${owner}; create table public.later (id bigint generated by default as identity, note text)`,
      ),
    );
    const statements = {
      select: 'select * from later',
      insert: `insert into later (note) values ('x')`,
      update: 'update later set note = note',
      delete: 'delete from later',
    };
    expect(await allowed('readonly', statements)).toEqual(['select']);
    expect(await allowed('verifier', statements)).toEqual(['select']);
    for (const kind of ['readwrite', 'migrator', 'admin'] as const) {
      expect(await allowed(kind, statements)).toEqual(Object.keys(statements));
    }
    await asAdmin(platform, system.database, (client) => client.query('drop table public.later'));
  });

  it('nobody else may connect', async () => {
    const [login, password] = ['cutover_test_stranger', 'a-password-of-the-test'];
    await asAdmin(platform, 'postgres', (client) =>
      client.query(`drop role if exists ${login}; create role ${login} login password '${password}'`),
    );
    try {
      const into = (database: string) =>
        new pg.Client({ connectionString: urlFor(platform.postgres, database, login, password) });
      const postgres = into('postgres');
      await postgres.connect();
      await postgres.end();
      const refused = into(system.database);
      await expect(refused.connect()).rejects.toMatchObject({ code: REFUSED });
    } finally {
      await asAdmin(platform, 'postgres', (client) => client.query(`drop role ${login}`));
    }
  });
});

describe('provisioning', () => {
  let home: string;
  let settings: () => Promise<unknown>;

  beforeAll(async () => {
    home = await scratch();
    await dropSystems(platform);
    settings = () =>
      asAdmin(platform, 'postgres', async (client) => {
        const { rows } = await client.query(
          `select pg_read_file('postgresql.auto.conf') as auto, current_setting('shared_preload_libraries') as preloaded,
             (select json_agg(f order by seqno) from pg_file_settings as f) as files`,
        );
        return rows[0];
      });
  });

  it('leaves the server as it is, and may be repeated', async () => {
    const before = await settings();
    expect(before).toMatchObject({ preloaded: expect.stringContaining('timescaledb') });
    const steps = ['inspect', 'backup', 'preflight', 'provision', 'schema'];
    for (let turn = 0; turn < 2; turn++) {
      for (const { name: system } of SYSTEMS) {
        expect((await run(platform, home, { system, steps })).error).toBeUndefined();
      }
    }
    expect(await settings()).toEqual(before);
  });

  it('takes an empty database that somebody else has made', async () => {
    await dropSystems(platform);
    await asAdmin(platform, 'postgres', (client) => client.query('create database lightningtalk'));
    const report = await run(platform, home, { system: 'lightning-talk', budget: BUDGET });
    expect(report.error).toBeUndefined();
  });

  it('makes the roles that the plan names', async () => {
    const { rows } = await asAdmin(platform, 'postgres', (client) =>
      client.query(
        `select rolname from pg_roles where rolname in ('lt_readonly', 'lt_readwrite', 'lt_admin')`,
      ),
    );
    expect(rows).toHaveLength(3);
  });

  it('keeps passwords out of the log, even of one that has every statement', async () => {
    const mine = await scratch();
    const log = (setting: string) =>
      asAdmin(platform, 'postgres', (client) =>
        client.query(`alter role postgres in database postgres ${setting}`),
      );
    await log(`set log_statement = 'all'`);
    try {
      const steps = ['inspect', 'backup', 'preflight', 'provision'];
      for (const { name: system } of SYSTEMS) {
        expect((await run(platform, mine, { system, steps })).error).toBeUndefined();
      }
    } finally {
      await log('reset log_statement');
    }
    const passwords = Object.values(await secretsIn(mine));
    expect(passwords).toHaveLength(SYSTEMS.length * ROLE_KINDS.length);
    const { servers } = (await readState(dirname(platform.redisCa!)))!;
    const [primary] = servers;
    const text = await readFile(primary!.logFile, 'utf8');
    expect(text).toContain('alter role "lt_readonly" password');
    for (const password of passwords) expect(text).not.toContain(password);
  });

  it('writes passwords and records into files that nobody else can read', async () => {
    const mine = await scratch();
    const report = join(mine, 'report.json');
    const budget = ['--quarantine-budget', String(BUDGET)];
    for (const step of ['backup', 'provision', 'schema', 'load']) {
      const args = ['--source', 'test/legacy', '--report', report, ...budget];
      expect(await cutover(platform, mine, step, ...args)).toMatchObject({ code: 0 });
    }
    expect(await readFile(report, 'utf8')).toContain((await secretsIn(mine)).lt_readonly);
    const modes = Object.fromEntries(
      await Promise.all(
        ['secrets.json', 'reports/last.json', 'report.json', 'snapshots', 'scratch'].map(
          async (path) => [path, ((await stat(join(mine, path))).mode & 0o777).toString(8)] as const,
        ),
      ),
    );
    expect(modes).toEqual({
      'secrets.json': '600',
      'reports/last.json': '600',
      'report.json': '600',
      snapshots: '700',
      scratch: '700',
    });
  });
});

async function secretsIn(home: string): Promise<Record<string, string>> {
  return JSON.parse(await readFile(join(home, 'secrets.json'), 'utf8'));
}
