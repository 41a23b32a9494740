import { spawn } from 'node:child_process';
import { copyFile, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { ROLE_KINDS, type RoleKind, roleName } from '../../jobs/database.ts';
import { SYSTEMS, storeOf, systemsNamed } from '../../jobs/systems/index.ts';
import {
  asAdmin,
  cutover as cutoverHere,
  dropSystems,
  LEGACY,
  type Outcome,
  run,
  scratch,
} from './harness.ts';

const STORE = 'voice-roleplay';
const BUDGET = '11';
/** Of a role, in this file only. */
const passwordOf = (role: string) => `pass word/of:${role}@`;

/** A whole store, whose two systems lie on the two kinds of servers, through the Jobs of a cluster. */
describe('the Jobs of a store', () => {
  const platform = inject('platform');
  const systems = systemsNamed([STORE]);
  let home: string;
  let folder: string;

  /** Files of a mounted folder, as Kubernetes and people write them. */
  async function files(server: string, contents: Record<string, string>): Promise<void> {
    await mkdir(join(folder, server), { recursive: true });
    for (const [name, content] of Object.entries(contents))
      await writeFile(join(folder, server, name), content);
  }
  async function server(name: string, url: string, login: boolean): Promise<void> {
    const { hostname, port, username, password, searchParams } = new URL(url);
    await files(name, { host: `${hostname}\n`, port });
    await copyFile(searchParams.get('sslrootcert')!, join(folder, name, 'ca.crt'));
    if (login) await files(name, { username, password: `${decodeURIComponent(password)}\n` });
  }
  /** The folder that a Job gets. */
  async function mount(wants: {
    readonly login: boolean;
    readonly roles: readonly RoleKind[];
  }): Promise<void> {
    await rm(folder, { recursive: true, force: true });
    await server('postgres', platform.postgres, wants.login);
    await server('timescale', platform.timescale, wants.login);
    await server('replica', platform.replica!, false);
    const redis = new URL(platform.redis[0]!);
    await files('redis', { host: redis.hostname, port: redis.port, tls: 'true', password: redis.password });
    await copyFile(platform.redisCa!, join(folder, 'redis', 'ca.crt'));
    for (const kind of wants.roles) {
      for (const role of systems.map((system) => roleName(system, kind))) {
        await files('roles', { [role]: `${passwordOf(role)}\n` });
      }
    }
  }

  const job = (...args: string[]) => cutover('job', ...args);
  function cutover(...args: string[]): Promise<Outcome> {
    const env = {
      PATH: `${platform.clientTools ?? ''}:${process.env.PATH}`,
      CUTOVER_HOME: home,
      CUTOVER_PLATFORM: folder,
    };
    const all = ['--import', 'tsx', 'jobs/main.ts', ...args, '--system', STORE];
    const child = spawn(process.execPath, all, { env });
    const outcome = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].on('data', (chunk) => {
        outcome[name] += chunk;
      });
    }
    return new Promise((settle) => {
      child.on('close', (code, signal) => settle({ code, signal, ...outcome }));
    });
  }

  beforeAll(async () => {
    home = await scratch();
    folder = join(await scratch(), 'platform');
    await dropSystems(platform);
  });

  it('are of one store', () => {
    expect(systems.map((system) => [storeOf(system), system.server])).toEqual([
      [STORE, 'postgres'],
      [STORE, 'timescale'],
    ]);
  });

  it('provision needs no snapshot, and looks at Redis', async () => {
    await mount({ login: true, roles: ROLE_KINDS });
    const password = join(folder, 'redis', 'password');
    const right = await readFile(password);
    await writeFile(password, 'wrong');
    const refused = await job('provision');
    expect(refused).toMatchObject({ code: 4, stdout: '', stderr: expect.stringContaining('Redis at ') });
    await writeFile(password, right);
    expect(await job('provision')).toMatchObject({ code: 0, stderr: '' });
  });

  it('backup wants the login of an administrator, and says which file is missing', async () => {
    await mount({ login: false, roles: [] });
    const { code, stderr } = await job('backup', '--source', LEGACY);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: voice-roleplay: .*postgres has no login of an administrator; fix: .*\n$/);
    await mount({ login: true, roles: [] });
    expect(await job('backup', '--source', LEGACY)).toMatchObject({ code: 0, stderr: '' });
  });

  it('load needs owner and migrator, and nobody else', async () => {
    await mount({ login: false, roles: ['owner', 'migrator'] });
    const { code, stdout, stderr } = await job('load', '--quarantine-budget', BUDGET);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('Done');
  });

  it('verify needs the verifier, and nobody else; it proves the replica, too', async () => {
    await mount({ login: false, roles: ['verifier'] });
    const report = join(home, 'verify.json');
    const outcome = await job('verify', '--quarantine-budget', BUDGET, '--report', report);
    expect([outcome.code, outcome.stderr]).toEqual([0, '']);
    expect(outcome.stdout).toContain('All systems are proved equal to their sources');
    const said = JSON.parse(await readFile(report, 'utf8'));
    for (const { name } of systems) {
      expect(said.systems[name].compared).toMatchObject({ snapshot: expect.stringMatching(/^\w{64}$/) });
      expect(said.systems[name].checks).toContainEqual(
        expect.objectContaining({ name: 'replica', ok: true }),
      );
    }
    expect(said.connections).toBeUndefined();
  });

  it('verify says why it failed without a value of the data, which its report has', async () => {
    const change = (to: string) =>
      asAdmin(platform, 'voice_roleplay', (client) => client.query(`update reminder_logs set extra = ${to}`));
    await change(`jsonb_build_object('was', extra, 'said', 'a value of the data')`);
    const { code, stdout, stderr } = await job('verify', '--quarantine-budget', BUDGET);
    await change(`nullif(extra -> 'was', 'null')`);
    expect(code).toBe(7);
    expect(stdout).toContain('differences in public.reminder_logs');
    expect(stdout + stderr).not.toContain('a value of the data');
    expect(await readFile(join(home, 'reports', 'last.json'), 'utf8')).toContain('a value of the data');
    expect(stderr).toMatch(/^error: voice-roleplay: \d+ differences in public\.reminder_logs; fix: .*\n$/);
  });

  it('tell nobody a password, and want those that they are not given', async () => {
    const [system] = systems;
    const file = join(folder, 'roles', roleName(system!, 'verifier'));
    await writeFile(file, 'of-yesterday');
    const old = await job('verify');
    expect(old.code).toBe(4);
    expect(old.stdout + old.stderr).not.toContain('of-yesterday');
    await rm(file);
    const none = await job('verify');
    expect(none.code).toBe(2);
    expect(none.stderr).toContain(`${file} is missing or empty`);
    expect(await readFile(join(home, 'reports', 'last.json'), 'utf8')).not.toContain('pass word');
  });

  it('are followed by the weekly ANALYZE, which needs the owner', async () => {
    await mount({ login: false, roles: ['owner'] });
    const analyzed = () =>
      asAdmin(platform, 'voice_roleplay', async (client) => {
        const { rows } = await client.query<{ at: Date | null }>(
          `select min(last_analyze) as at from pg_stat_user_tables where schemaname = 'public'`,
        );
        return rows[0]!.at;
      });
    const before = await analyzed();
    expect(await cutover('analyze')).toMatchObject({ code: 0, stderr: '' });
    expect(Number(await analyzed())).toBeGreaterThan(Number(before));
  });

  it('are followed by measurements, which need the role that reads', async () => {
    await mount({ login: false, roles: ['readonly'] });
    const measure = async () => {
      const { code, stdout } = await cutover('measure', '--json');
      return { code, measured: JSON.parse(stdout).systems[STORE].measured };
    };
    expect(await measure()).toEqual({ code: 0, measured: { p95: expect.any(Number), runs: 40, failed: 0 } });
    const grant = (how: string) =>
      asAdmin(platform, 'voice_roleplay', (client) =>
        client.query(`${how} ${roleName(systems[0]!, 'readonly')}`),
      );
    await grant('revoke select on user_usage_limits from');
    const refused = await measure();
    await grant('grant select on user_usage_limits to');
    expect(refused).toEqual({ code: 4, measured: { runs: 40, failed: 40 } });
    await files('postgres', { port: '1' });
    expect(await measure()).toEqual({ code: 4, measured: { runs: 40, failed: 40 } });
  });

  describe('of a final sync', () => {
    const ALL = ['--quarantine-budget', BUDGET, '--final', '2'];
    let source: string;
    let written: string;
    beforeAll(async () => {
      source = join(await scratch(), STORE);
      await cp(join(LEGACY, STORE), source, { recursive: true });
      written = join(source, 'data', 'reminder_logs.json');
      await mount({ login: true, roles: ROLE_KINDS });
    });
    const from = () => ['--source', `${STORE}=${source}`];

    it('prove the living store, and refuse one that was written to after its snapshot', async () => {
      for (const name of ['backup', 'load', 'verify'])
        expect(await job(name, ...(name === 'backup' ? from() : []), ...ALL)).toMatchObject({ code: 0 });
      const before = await readFile(written);
      await writeFile(written, `${before} `);
      const changed = await job('recheck', ...from(), ...ALL);
      expect(changed.code).toBe(7);
      expect(changed.stderr).toContain('data/reminder_logs.json');
      await writeFile(written, before);
      expect(await job('recheck', ...from(), ...ALL)).toMatchObject({ code: 0, stderr: '' });
    });

    it('do nothing again once it has ended: applications have written since', async () => {
      const logs = (sql: string) =>
        asAdmin(platform, 'voice_roleplay', async (client) => (await client.query(sql)).rowCount);
      const all = await logs('select from reminder_logs');
      await logs('delete from reminder_logs');
      for (const name of ['load', 'verify', 'recheck']) {
        const again = await job(name, ...(name === 'recheck' ? from() : []), ...ALL);
        expect([name, again.code]).toEqual([name, 0]);
        expect(again.stdout).toContain('generation 2: nothing is done again');
      }
      expect(await logs('select from reminder_logs')).toBe(0);
      for (const other of [[], ['--final', '3']]) {
        const { code, stderr } = await job('load', '--quarantine-budget', BUDGET, ...other);
        expect(code).toBe(9);
        expect(stderr).toMatch(/was cut over at .*, generation 2, and applications have written .*--reload/);
      }
      expect(await logs('select from reminder_logs')).toBe(0);
      // It can still be asked how far the database has gone from its snapshot.
      expect(await job('verify', '--quarantine-budget', BUDGET)).toMatchObject({ code: 7 });
      expect(all).toBeGreaterThan(0);
    });

    it('are let in again where somebody says that the file is the truth', async () => {
      const again = ['--quarantine-budget', BUDGET, '--final', '3', '--reload'];
      expect(await job('backup', ...from(), ...again)).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('target database dumped'),
      });
      for (const name of ['load', 'verify', 'recheck'])
        expect([name, await job(name, ...(name === 'recheck' ? from() : []), ...again)]).toMatchObject([
          name,
          { code: 0, stderr: '' },
        ]);
      await asAdmin(platform, 'voice_roleplay', async (client) => {
        const { rows } = await client.query('select generation from migration.cut_over order by generation');
        expect(rows).toEqual([{ generation: 2 }, { generation: 3 }]);
      });
    });
  });

  it('measure every system', async () => {
    const own = await scratch();
    await dropSystems(platform);
    for (const { name } of SYSTEMS) {
      const { error } = await run(platform, own, { system: name, budget: Number(BUDGET) });
      expect([name, error]).toEqual([name, undefined]);
    }
    const { code, stdout } = await cutoverHere(platform, own, 'measure');
    expect(code).toBe(0);
    const queries = SYSTEMS.flatMap(({ hotQueries = [] }) => hotQueries);
    expect(stdout.match(/p95 \d+\.\d\d ms, 0 of 20 runs failed/g)).toHaveLength(queries.length);
  });
});
