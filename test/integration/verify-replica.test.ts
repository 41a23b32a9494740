import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { ident, type RoleKind, roleName, urlFor } from '../../jobs/database.ts';
import type { Platform } from '../../jobs/platform.ts';
import { Secrets } from '../../jobs/secrets.ts';
import { SYSTEMS } from '../../jobs/systems/index.ts';
import { asAdmin, copyOfLegacy, dropSystems, dump, run, scratch, systemNamed, until } from './harness.ts';
import { BUDGET } from './proof.ts';

const platform = inject('platform');
/** The replica in the primary's place. */
const standby: Platform = { ...platform, postgres: platform.replica! };
const lightningTalk = systemNamed('lightning-talk');

describe('the replica', () => {
  let home: string;

  beforeAll(async () => {
    home = await scratch();
    await dropSystems(platform);
    for (const { name: system } of SYSTEMS) {
      const report = await run(platform, home, { system, budget: BUDGET });
      expect(report.error).toBeUndefined();
    }
  });

  async function onReplica<T>(kind: RoleKind, use: (client: pg.Client) => Promise<T>): Promise<T> {
    const role = roleName(lightningTalk, kind);
    const password = (await Secrets.open(home)).password(role);
    const url = urlFor(platform.replica!, lightningTalk.database, role, password);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    return use(client).finally(() => client.end());
  }

  const count = (client: pg.Client, table: string) =>
    client
      .query<{ n: number }>(`select count(*)::int as n from ${ident(table)}`)
      .then(({ rows }) => rows[0]!.n);

  it('serves every migrated row to the applications', async () => {
    const places = await onReplica('readonly', async (client) => {
      const { rows } = await client.query('select pg_is_in_recovery() as standby, current_user as name');
      const counts: Record<string, number> = {};
      for (const { table } of lightningTalk.tables) counts[table] = await count(client, table);
      return { ...rows[0], counts };
    });
    expect(places).toMatchObject({
      standby: true,
      name: 'lt_readonly',
      counts: { events: 16, participants: 44 },
    });
    for (const system of SYSTEMS) {
      const expected = await dump(platform, system);
      await until('the replica replays', async () => {
        const found = await dump(standby, system);
        return JSON.stringify(found) === JSON.stringify(expected);
      });
    }
  });

  it('takes no writes, whoever wants to', async () => {
    const write = (client: pg.Client) => client.query(`update events set title = 'changed'`);
    await expect(onReplica('readwrite', write)).rejects.toMatchObject({ code: '25006' });
    await expect(asAdmin(standby, 'lightningtalk', write)).rejects.toMatchObject({ code: '25006' });
  });

  it('is compared, table by table', async () => {
    const { checks } = await run(platform, home, {
      system: 'lightning-talk',
      steps: ['verify'],
      budget: BUDGET,
    });
    const found = checks.filter((check) => check.name === 'replica');
    expect(found.map((check) => check.table)).toEqual(lightningTalk.tables.map((mapping) => mapping.table));
    for (const { ok, source, target } of found) {
      expect(ok).toBe(true);
      expect(target).toBe(source);
      expect(source).toMatch(/^[1-9]\d* rows, sum of hashes -?[1-9]\d*$/);
    }
  });

  it('is waited for when it lags', async () => {
    const source = await copyOfLegacy();
    const file = join(source, 'lightning-talk', 'server', 'data', 'presentations.json');
    const text = await readFile(file, 'utf8');
    const added = text.replace(/\]\s*$/, ',{"id":"late","title":"arrives late"}]');
    expect(added).not.toBe(text);
    await writeFile(file, added);

    const before = await asAdmin(standby, 'lightningtalk', (client) => count(client, 'presentations'));
    await asAdmin(standby, 'postgres', (client) => client.query('select pg_wal_replay_pause()'));
    let settled = false;
    try {
      const steps = ['backup', 'load'];
      const loaded = await run(platform, home, { system: 'lightning-talk', steps, source, budget: BUDGET });
      expect(loaded).toMatchObject({ ok: true, tables: { 'public.presentations': { inserted: 1 } } });
      const verification = run(platform, home, {
        system: 'lightning-talk',
        steps: ['verify'],
        budget: BUDGET,
      });
      void verification.then(() => {
        settled = true;
      });
      await until('verify waits for the replica', () =>
        asAdmin(standby, 'lightningtalk', async (client) => {
          const { rowCount } = await client.query(
            `select from pg_stat_activity where usename = 'lt_verifier' and query like '%pg_last_wal_replay_lsn%'`,
          );
          return rowCount === 1 || settled;
        }),
      );
      expect(settled).toBe(false);
      expect(await asAdmin(standby, 'lightningtalk', (client) => count(client, 'presentations'))).toBe(
        before,
      );
      await asAdmin(standby, 'postgres', (client) => client.query('select pg_wal_replay_resume()'));
      const report = await verification;
      expect(report.error).toBeUndefined();
      expect(report.checks).toContainEqual({
        name: 'replica',
        table: 'presentations',
        ok: true,
        source: expect.stringContaining(`${before + 1} rows`),
        target: expect.stringContaining(`${before + 1} rows`),
      });
    } finally {
      await asAdmin(standby, 'postgres', (client) =>
        client.query('select pg_wal_replay_resume() where pg_is_wal_replay_paused()'),
      );
    }
  });

  it('is no replica when it takes writes itself', async () => {
    const report = await run({ ...platform, replica: platform.postgres }, home, {
      system: 'lightning-talk',
      steps: ['verify'],
      budget: BUDGET,
    });
    expect(report.error).toMatchObject({ exitCode: 4, message: expect.stringContaining('is no replica') });
  });
});
