import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFile, cp, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'libsql';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { $ } from 'zx';
import { urlFor } from '../../jobs/database.ts';
import type { Platform } from '../../jobs/platform.ts';
import { SYSTEMS } from '../../jobs/systems/index.ts';
import { freePort } from '../../stacks/embedded/ports.ts';
import { makeTls } from '../../stacks/embedded/tls.ts';
import { asAdmin, cutover, dropSystems, dump, LEGACY, run, scratch } from './harness.ts';
import { canCopy, type PlainServer, plainServer } from './plain-server.ts';
import { BUDGET } from './proof.ts';

const platform = inject('platform');
// Whoever names servers of his own has a pg_dump of their version on his path.
if (platform.clientTools) process.env.PATH = `${platform.clientTools}:${process.env.PATH}`;

/** Everything of a folder: names, bytes, times. */
async function everything(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    const { mtimeMs, size, mode } = await stat(path);
    const sha256 = entry.isFile()
      ? createHash('sha256')
          .update(await readFile(path))
          .digest('hex')
      : '';
    found[path] = `${mode} ${size} ${mtimeMs} ${sha256}`;
  }
  return found;
}

/** The same without the folders, whose time changes with every draft in them. */
async function filesOf(folder: string): Promise<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(await everything(folder)).filter(([, what]) => !what.endsWith(' ')),
  );
}

const LEDGER = [
  'run',
  'batch',
  'quarantine',
  'merged',
  'removed',
  'removal',
  'target',
  'verification',
  'fingerprint',
];

/** All that a failing command might have written into the target. */
async function target(): Promise<unknown> {
  const servers = await asAdmin(platform, 'postgres', async (client) => {
    const { rows } = await client.query(
      `select array(select datname::text from pg_database order by 1) as databases,
         array(select rolname || coalesce(rolpassword, '') from pg_authid order by 1) as roles`,
    );
    return rows[0];
  });
  const systems: Record<string, unknown> = {};
  for (const system of SYSTEMS) {
    const ledger = await asAdmin(platform, system.database, async (client) => {
      const parts = LEDGER.map(
        (table) => `select '${table}' as table, t::text as row from migration.${table} as t`,
      );
      const { rows } = await client.query(
        `select "table", count(*)::int as rows, md5(string_agg(row, '|' order by row)) as content
         from (${parts.join(' union all ')}) as all_rows group by 1 order by 1`,
      );
      return rows;
    });
    systems[system.name] = { tables: await dump(platform, system), ledger };
  }
  return { servers, systems };
}

let home: string;
let folder: string;
/** Of the target and the snapshots, before anything went wrong. */
let loaded: unknown;
let snapshots: unknown;

beforeAll(async () => {
  home = await scratch();
  folder = await scratch();
  await dropSystems(platform);
  for (const { name: system } of SYSTEMS) {
    expect((await run(platform, home, { system, budget: BUDGET })).error).toBeUndefined();
  }
  loaded = await target();
  snapshots = await filesOf(join(home, 'snapshots'));
});

let copies = 0;

/** A copy of the sample data, changed by `damage`, which is given each store's folder. */
async function damaged(
  damage: (trdinger: string, lightningTalk: string) => Promise<unknown>,
): Promise<string> {
  const source = join(folder, String(++copies));
  await cp(LEGACY, source, { recursive: true });
  await damage(join(source, 'trdinger'), join(source, 'lightning-talk', 'server', 'data'));
  return source;
}

const sqlite = (folder: string, sql: string, file = 'trdinger.db') => {
  const db = new Database(join(folder, file));
  db.exec(sql);
  db.close();
};

describe('a source that cannot be read', () => {
  interface Bad {
    readonly name: string;
    readonly system: 'trdinger' | 'lightning-talk';
    readonly damage: (trdinger: string, lightningTalk: string) => Promise<unknown>;
    readonly code?: number;
    /** What the message says, beside the path of the store. */
    readonly says: readonly RegExp[];
  }

  it.concurrent.each<Bad>([
    {
      name: 'no folder',
      system: 'trdinger',
      damage: (trdinger) => rm(trdinger, { recursive: true }),
      says: [/trdinger does not exist/, /--source trdinger=PATH/],
    },
    {
      name: 'no database in the folder',
      system: 'trdinger',
      damage: (trdinger) => rm(join(trdinger, 'trdinger.db')),
      says: [/no file trdinger\.db in /, /--source trdinger=PATH/],
    },
    {
      name: 'two databases',
      system: 'trdinger',
      damage: async (trdinger) => {
        await mkdir(join(trdinger, 'backend'));
        await cp(join(trdinger, 'trdinger.db'), join(trdinger, 'backend', 'trdinger.db'));
      },
      code: 2,
      says: [/trdinger\/trdinger\.db/, /trdinger\/backend\/trdinger\.db/, /--source trdinger=PATH/],
    },
    {
      name: 'an empty database',
      system: 'trdinger',
      damage: (trdinger) => truncate(join(trdinger, 'trdinger.db')),
      says: [/trdinger\.db is empty/, /Restore it/],
    },
    {
      name: 'a text by the name of the database',
      system: 'trdinger',
      damage: (trdinger) =>
        writeFile(join(trdinger, 'trdinger.db'), 'version https://git-lfs.github.com/spec/v1\n'),
      says: [/trdinger\.db is not a SQLite database: it begins with "version https:/, /Name the right file/],
    },
    ...[100, 376_832].map((size) => ({
      name: `a database cut after ${size} bytes`,
      system: 'trdinger' as const,
      damage: (trdinger: string) => truncate(join(trdinger, 'trdinger.db'), size),
      says: [/trdinger\.db is damaged: /, /Restore it from a backup/],
    })),
    {
      name: 'a database with bytes overwritten',
      system: 'trdinger',
      damage: async (trdinger) => {
        const bytes = await readFile(join(trdinger, 'trdinger.db'));
        await writeFile(join(trdinger, 'trdinger.db'), bytes.fill(0xff, 40_960, 45_056));
      },
      says: [/trdinger\.db is damaged: /, /Restore it from a backup/],
    },
    {
      name: 'a database without one of its tables',
      system: 'trdinger',
      damage: async (trdinger) => sqlite(trdinger, 'drop table strategy_templates'),
      says: [/trdinger\.db: table strategy_templates is missing/, /--source SYSTEM=PATH/],
    },
    {
      name: 'a database without one of its columns',
      system: 'trdinger',
      damage: async (trdinger) => sqlite(trdinger, 'alter table ohlcv_data rename column volume to amount'),
      says: [/trdinger\.db: table ohlcv_data has no column volume/, /another version/],
    },
    {
      name: 'no data folder',
      system: 'lightning-talk',
      damage: (_, data) => rm(join(data, 'events.json')),
      says: [/no folder with events\.json in /, /--source lightning-talk=PATH/],
    },
    {
      name: 'a required collection is missing',
      system: 'lightning-talk',
      damage: (_, data) => rm(join(data, 'settings.json')),
      says: [/server\/data\/settings\.json is missing/, /restore the file/],
    },
    {
      name: 'a collection of blanks',
      system: 'lightning-talk',
      damage: (_, data) => writeFile(join(data, 'talks.json'), ' \n\n'),
      says: [/server\/data\/talks\.json is empty \(3 bytes\)/, /take the backup again/],
    },
    {
      name: 'the last collection is cut, the earlier ones are whole',
      system: 'lightning-talk',
      damage: (_, data) => truncate(join(data, 'voting_sessions.json'), 5000),
      says: [
        /server\/data\/voting_sessions\.json is cut: .*line 208, column 20 \(byte 5000\)/,
        /Stop the application/,
      ],
    },
    {
      name: 'something behind the end of a collection',
      system: 'lightning-talk',
      damage: (_, data) => appendFile(join(data, 'users.json'), '\n]'),
      says: [
        /server\/data\/users\.json, line \d+, column 1 .*expected the end of the file, found "\]"/,
        /Repair/,
      ],
    },
    {
      name: 'an object where an array belongs',
      system: 'lightning-talk',
      damage: (_, data) => writeFile(join(data, 'users.json'), '{"users": []}'),
      says: [
        /server\/data\/users\.json, line 1, column 1 .*expected a top-level array, "\[", found "\{"/,
        /Repair/,
      ],
    },
    {
      name: 'a collection that is no JSON',
      system: 'lightning-talk',
      damage: (_, data) => writeFile(join(data, 'analytics.json'), '[{"id": "a", "action": undefined}]'),
      says: [
        /server\/data\/analytics\.json, line 1, column 24 \(byte 23\) in record 0: expected .* found "u"/,
        /Repair/,
      ],
    },
  ])('$name', async ({ system, damage, code = 3, says }) => {
    const source = await damaged(damage);
    const before = await everything(source);
    const outcome = await cutover(platform, home, 'backup', '--system', system, '--source', source);
    expect(outcome).toMatchObject({ code });
    const said = outcome.stdout + outcome.stderr;
    expect(said).toContain(join(source, system));
    expect(said).toMatch(/^ *fix: ./m);
    for (const words of says) expect(said).toMatch(words);
    expect(await everything(source)).toEqual(before);
  });

  it('is rewritten all the time', async () => {
    // So long that it is rewritten many times while it is read, however busy the machine is.
    const source = await damaged((_, data) => truncate(join(data, 'analytics.json'), 64 << 20));
    const file = join(source, 'lightning-talk', 'server', 'data', 'analytics.json');
    const writers = [1, 2].map((place) =>
      spawn(process.execPath, [
        '-e',
        `const fs = require('node:fs');
         const file = fs.openSync(process.argv[1], 'r+');
         for (let n = 0; ; n++) fs.writeSync(file, String(n), ${place << 25} - 100);`,
        file,
      ]),
    );
    try {
      const args = ['--system', 'lightning-talk', '--source', source];
      const outcome = await cutover(platform, home, 'backup', ...args);
      expect(outcome.code).toBe(3);
      expect(outcome.stdout).toContain(`${file} changed while it was read, 5 times in a row`);
      expect(outcome.stdout).toContain('fix: Stop the legacy application');
    } finally {
      for (const writer of writers) writer.kill('SIGKILL');
    }
  });

  it('leaves target and snapshots as they were', async () => {
    expect(await target()).toEqual(loaded);
    expect(await filesOf(join(home, 'snapshots'))).toEqual(snapshots);
  });

  it('is told on stderr too, when stdout is JSON', async () => {
    const source = await damaged((trdinger) => truncate(join(trdinger, 'trdinger.db')));
    const outcome = await cutover(
      platform,
      home,
      'inspect',
      '--system',
      'trdinger',
      '--source',
      source,
      '--json',
    );
    expect(outcome.code).toBe(3);
    expect(JSON.parse(outcome.stdout)).toMatchObject({
      ok: false,
      systems: { trdinger: { ok: false, error: { code: 'source', exitCode: 3 } } },
    });
    expect(outcome.stderr).toMatch(/trdinger: .*trdinger\.db is empty\n.*Restore it/);
  });
});

describe('a command line that is wrong', () => {
  it.concurrent.each([
    { args: ['verify', '--system', 'nope'], says: /unknown system nope[\s\S]*lightning-talk, trdinger/ },
    { args: ['verify', '--nonsense'], says: /unknown option '--nonsense'/ },
    { args: ['verify', '--quarantine-budget', 'many'], says: /--quarantine-budget many is not \[SYSTEM=\]N/ },
    { args: ['load', '--batch-rows', '0'], says: /--batch-rows.*whole number above 0/ },
    { args: ['backup', '--source', 'nope=x'], says: /--source nope=…: unknown system nope/ },
    { args: ['backup'], says: /backup needs a legacy store[\s\S]*--source/ },
    {
      args: ['preflight', '--postgres', 'http://127.0.0.1'],
      says: /--postgres is not a URL of a PostgreSQL server/,
    },
    {
      args: ['preflight', '--postgres', 'postgresql://me:hidden@[1/postgres'],
      says: /--postgres is not a URL of a PostgreSQL server/,
    },
  ])('$args', async ({ args, says }) => {
    const outcome = await cutover(platform, home, ...args);
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toMatch(says);
    expect(outcome.stderr).not.toContain('hidden');
    expect(outcome.stderr).not.toMatch(/^ +at /m);
  });
});

describe('a target that cannot be used', () => {
  /** The same servers under another URL. */
  const at = (url: string): Platform => ({ ...platform, postgres: url, timescale: url });
  const replaced = (what: RegExp, by: string) => {
    const url = platform.postgres.replace(what, by);
    expect(url).not.toBe(platform.postgres);
    return at(url);
  };

  it('is named nowhere, and none runs', async () => {
    const nowhere = { ...platform, postgres: undefined, timescale: undefined, replica: undefined } as never;
    const outcome = await cutover(nowhere, await scratch(), 'verify');
    expect(outcome.code).toBe(5);
    expect(outcome.stderr).toMatch(/no servers are named[\s\S]*npm start[\s\S]*--postgres URL/);
  });

  it.concurrent.each([
    {
      name: 'is down',
      make: async () => at(`postgresql://postgres:hidden@127.0.0.1:${await freePort(new Set())}/postgres`),
      says: /127\.0\.0\.1:\d+\/postgres: no PostgreSQL server answers \(ECONNREFUSED\)[\s\S]*fix: Start it/,
    },
    {
      name: 'does not know the password',
      make: async () => replaced(/postgres:[^@]*@/, 'postgres:hidden@'),
      says: /password authentication failed for user "postgres"[\s\S]*fix: Correct user and password/,
    },
    {
      name: 'has a certificate of another authority',
      make: async () => {
        await writeFile(join(folder, 'other.pem'), (await makeTls()).ca);
        return replaced(/sslrootcert=.*/, `sslrootcert=${join(folder, 'other.pem')}`);
      },
      says: /TLS: .*certificate[\s\S]*fix: Give the CA that signed the server certificate/,
    },
    {
      name: 'is to be checked against no authority at all',
      make: async () => replaced(/&sslrootcert=.*/, ''),
      says: /TLS: .*certificate[\s\S]*fix: Give the CA that signed the server certificate/,
    },
    {
      name: 'is to be checked against a file that is not there',
      make: async () => replaced(/sslrootcert=.*/, 'sslrootcert=/nonexistent/authority'),
      says: /'\/nonexistent\/authority'[\s\S]*fix: Correct sslrootcert in the URL/,
    },
    {
      name: 'wants TLS and is asked without',
      make: async () => replaced(/\?sslmode.*/, ''),
      says: /no encryption[\s\S]*fix: Ask for TLS/,
    },
  ])('$name', async ({ make, says }) => {
    const outcome = await cutover(await make(), home, 'preflight', '--system', 'trdinger');
    expect(outcome).toMatchObject({ code: 4 });
    expect(outcome.stdout).toMatch(says);
    expect(outcome.stdout + outcome.stderr).not.toContain('hidden');
  });

  it('does not let the login create databases', async () => {
    const login = 'cutover_test_limited';
    await asAdmin(platform, 'postgres', (client) =>
      client.query(`drop role if exists ${login}; create role ${login} login password 'limited'`),
    );
    try {
      const url = urlFor(platform.postgres, 'postgres', login, 'limited');
      const outcome = await cutover(at(url), home, 'preflight', '--system', 'lightning-talk');
      expect(outcome.code).toBe(5);
      expect(outcome.stdout).toMatch(
        /role cutover_test_limited may not create databases and roles[\s\S]*fix: .*CREATEDB CREATEROLE/,
      );
    } finally {
      await asAdmin(platform, 'postgres', (client) => client.query(`drop role ${login}`));
    }
  });

  it('was migrated by a file that has changed since', async () => {
    const change = (md5: string) =>
      asAdmin(platform, 'lightningtalk', async (client) => {
        const { rows } = await client.query<{ md5: string }>(
          `update migration.schema_version as new set md5 = $1 from migration.schema_version as old
           where new.version = 2 and old.version = 2 returning old.md5`,
          [md5],
        );
        return rows[0]!.md5;
      });
    const md5 = await change('0123456789abcdef0123456789abcdef');
    const outcome = await cutover(platform, home, 'schema', '--system', 'lightning-talk');
    await change(md5);
    expect(outcome.code).toBe(4);
    expect(outcome.stdout).toMatch(
      /sql\/lightning-talk: .*checksum.*2[\s\S]*fix: A file that was applied must not change/i,
    );
  });

  it('is as it was after all of that', async () => {
    expect(await target()).toEqual(loaded);
  });

  describe('a server of its own', () => {
    let plain: PlainServer | undefined;
    beforeAll(async () => {
      if (await canCopy(platform.clientTools)) plain = await plainServer(platform.clientTools!);
    });
    afterAll(async () => {
      await plain?.stop();
    });

    it('has no TimescaleDB; has it, but not preloaded', async (context) => {
      if (!plain) return context.skip('the programs of this PostgreSQL cannot be copied');
      const look = () => cutover(at(plain!.url), home, 'preflight', '--system', 'trdinger');
      const without = await look();
      expect(without.code).toBe(5);
      expect(without.stdout).toMatch(
        /127\.0\.0\.1:\d+\/postgres: the server has no extension timescaledb, which trdinger needs[\s\S]*--timescale URL/,
      );
      await plain.install('timescaledb');
      const idle = await look();
      expect(idle.code).toBe(5);
      expect(idle.stdout).toMatch(
        /installed but not preloaded[\s\S]*fix: Add timescaledb to the shared_preload_libraries/,
      );
      // What needs no extension may go there.
      const other = await cutover(at(plain.url), home, 'preflight', '--system', 'lightning-talk');
      expect(other.code).toBe(0);
    });
  });
});

describe('a target that holds other rows', () => {
  it.each(SYSTEMS)(
    '$name: is dumped before anything is written, and the dump can be restored',
    async (system) => {
      const { name, database } = system;
      const { table } = system.tables[0]!;
      const change = `update ${table} set extra = '{"by": "hand"}'`;
      await asAdmin(platform, database, (client) => client.query(change));
      const expected = await dump(platform, system);
      const source = await damaged(async (trdinger, data) => {
        sqlite(trdinger, 'delete from strategy_templates where id = 1');
        await writeFile(join(data, 'voting_sessions.json'), '[]');
        sqlite(join(trdinger, '..', 'instant-search'), 'delete from typing_logs where rowid = 1', 'app.db');
        await writeFile(join(trdinger, '../voice-roleplay/data/reminder_logs.json'), '[]');
        const store = new Database(join(trdinger, '../instant-search/app.db'));
        store.exec('delete from learning_events');
        store.close();
        await rm(join(trdinger, '../harca/modules/document-rag/.cache/vector-store.json'));
      });
      const outcome = await cutover(platform, home, 'backup', '--system', name, '--source', source);
      expect(outcome.code).toBe(0);
      const file = /target database dumped to (\S+)/.exec(outcome.stdout)![1]!;
      expect((await stat(join(file, '..'))).mode & 0o077).toBe(0);
      expect(await dump(platform, system)).toEqual(expected);

      const restored = { ...system, database: 'cutover_test_restored' };
      const url = new URL(platform.postgres);
      const env = {
        ...process.env,
        PGHOST: url.hostname,
        PGPORT: url.port,
        PGUSER: url.username,
        PGPASSWORD: decodeURIComponent(url.password),
        PGSSLMODE: 'verify-full',
        PGSSLROOTCERT: url.searchParams.get('sslrootcert')!,
      };
      const restore = platform.clientTools ? join(platform.clientTools, 'pg_restore') : 'pg_restore';
      await asAdmin(platform, 'postgres', async (client) => {
        await client.query('drop database if exists cutover_test_restored with (force)');
        await client.query('create database cutover_test_restored template template0');
      });
      try {
        const timescale = system.extensions.includes('timescaledb');
        if (timescale) {
          await asAdmin(platform, restored.database, (client) =>
            client.query('create extension timescaledb; select timescaledb_pre_restore()'),
          );
        }
        await $({
          env,
          quiet: true,
        })`${restore} --no-owner --no-acl --exit-on-error --dbname=${restored.database} ${file}`;
        if (timescale) {
          await asAdmin(platform, restored.database, (client) =>
            client.query('select timescaledb_post_restore()'),
          );
        }
        expect(await dump(platform, restored)).toEqual(expected);
      } finally {
        await asAdmin(platform, 'postgres', (client) =>
          client.query('drop database cutover_test_restored with (force)'),
        );
      }
    },
  );

  it('of another application entirely: they are dumped, and nothing else is done', async () => {
    await dropSystems(platform);
    await asAdmin(platform, 'postgres', (client) => client.query('create database lightningtalk'));
    await asAdmin(platform, 'lightningtalk', (client) =>
      client.query(`create table events (name text); insert into events values ('not ours')`),
    );
    const own = await scratch();
    const backup = await cutover(platform, own, 'backup', '--system', 'lightning-talk', '--source', LEGACY);
    expect(backup).toMatchObject({ code: 0, stdout: expect.stringContaining('target database dumped to') });
    const report = await run(platform, own, { system: 'lightning-talk', budget: BUDGET });
    expect(report.error).toMatchObject({
      exitCode: 4,
      message: expect.stringContaining('database lightningtalk has tables that were not made here: events'),
    });
    const { rows } = await asAdmin(platform, 'lightningtalk', (client) =>
      client.query(
        `select name, (select nspowner::regrole::text from pg_namespace where nspname = 'public') as owner,
           to_regnamespace('migration') as ledger from public.events`,
      ),
    );
    expect(rows).toEqual([{ name: 'not ours', owner: 'pg_database_owner', ledger: null }]);
  });
});
