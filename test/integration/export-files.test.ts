import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { change, type Exported, exported, tampered } from './exported.ts';
import { copyOfLegacy, cutover, dropSystems, LEGACY, run, scratch } from './harness.ts';

const platform = inject('platform');

const SYSTEM = 'voice-roleplay';
const ANALYTICS = 'voice-roleplay-analytics';
const BUDGET = 10;
const STEPS = ['backup', 'provision', 'schema', 'load'];
const LIMITS = 'data/usage_limits.json';
const LOGS = 'data/reminder_logs.json';
const TESTS = 'data/ab_tests';

async function loaded(home: string, source: string, budget: number, system = SYSTEM): Promise<void> {
  const report = await run(platform, home, { system, source, budget, steps: STEPS });
  expect(report.error).toBeUndefined();
}

const legacy = (path: string) => readFile(join(LEGACY, SYSTEM, path), 'utf8');
const textIn = ({ folder }: Exported, path: string) => readFile(join(folder, path), 'utf8');
const parse = (text: string) => JSON.parse(text.replaceAll(/-?\b(NaN|Infinity)\b/g, '"$&"'));
const jsonIn = async (of: Exported, path: string) => parse(await textIn(of, path));

/** What was set aside: the record of a key that is there twice, and those that no row could be made of. */
const SET_ASIDE = ['null_days', 'nul'];

const filesIn = async ({ folder }: Exported) => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1)).sort();
};

describe('an export of a store of many files', () => {
  let home: string;
  let sample: Exported;
  let models: Exported;
  beforeAll(async () => {
    home = await scratch();
    await dropSystems(platform);
    await loaded(home, LEGACY, BUDGET);
    await loaded(home, LEGACY, BUDGET, ANALYTICS);
    sample = await exported(platform, home, SYSTEM);
    models = await exported(platform, home, ANALYTICS);
  });

  it('is proved equal to the snapshot, every record accounted for', () => {
    for (const { report, divergences } of [sample, models]) {
      expect(divergences).toEqual([]);
      expect(report.error).toBeUndefined();
      for (const table of Object.values(report.tables)) {
        expect(table.unchanged + table.merged + table.quarantined).toBe(table.source);
      }
      expect(report.remarks.at(-1)).toMatch(/equal to snapshot [0-9a-f]{64}/);
    }
    expect(sample.report.tables['public.users']).toMatchObject({ quarantined: 2 });
    expect(sample.report.tables['public.user_usage_limits']).toMatchObject({ quarantined: 3 });
    expect(sample.report.remarks).toContainEqual(
      '1 record of which a part is not in the target: compared, and not written',
    );
    expect(models.report.remarks).toContainEqual(
      '1 file of model_files whose content was never stored: they are in the snapshot',
    );
  });

  it('has the files where they were, but for those that were set aside or never stored', async () => {
    expect(await filesIn(sample)).toEqual([
      'app/config/reminder_scheduler.json',
      'config/custom_analysis_config.json',
      'config/prompt_templates/premium_sales_expert.json',
      'config/prompt_templates/premium_sales_expert_copy.json',
      'config/reminder_scheduler.json',
      `${TESTS}/ab_test_20250201_090000_0.json`,
      `${TESTS}/ab_test_20250427_090000_1.json`,
      `${TESTS}/planted_0.json`,
      `${TESTS}/planted_1.json`,
      `${TESTS}/planted_2.json`,
      `${TESTS}/planted_3.json`,
      `${TESTS}/planted_4.json`,
      LOGS,
      LIMITS,
      'data/voicevox/voice_settings.json',
    ]);
    expect(await filesIn(models)).toEqual([
      'data/ml_models/model_status.json',
      'data/ml_models/model_status_untrained.json',
      'data/ml_models/predictions.json',
    ]);
  });

  it('gives each user back whole, with what was missing, null, unknown and not finite', async () => {
    const before = parse(await legacy(LIMITS));
    for (const name of SET_ASIDE) delete before[name];
    // X10: what was never imported can't come back.
    delete before.with_password.reminder_settings.smtp_password;
    const after = await jsonIn(sample, LIMITS);
    expect(after).toEqual(before);
    expect(Object.keys(after)).toEqual(
      Object.keys(after).toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    );
    expect(Object.keys(after.oldest)).toHaveLength(6);
    expect(after.twice.total_roleplay_sessions).toBe(2);
    expect(after.renamed_user.user_id).toBe('former_name');
    expect(after.with_zone.last_reset_date).toBe('2025-07-01T00:00:00.5+00:00');
    expect(after.more_keys.recent_sessions[0]).toMatchObject({ weight: 'NaN', mood: '😊 “よい”' });
  });

  it('adds no key to a record, for which the application would drop all users', async () => {
    const after = await jsonIn(sample, LIMITS);
    const names = new Set(Object.values(after).flatMap((each) => Object.keys(each as object)));
    const { more_keys: unknown } = parse(await legacy(LIMITS));
    expect([...names].toSorted()).toEqual(Object.keys(unknown).toSorted());
  });

  it('gives the other files back, a file of several tests as one', async () => {
    for (const path of await filesIn(sample)) {
      if ([LIMITS, LOGS, 'config/custom_analysis_config.json'].includes(path)) continue;
      const { webhook_url: _, ...whole } = parse(await legacy(path));
      expect(await jsonIn(sample, path)).toEqual(whole);
    }
    const { api_key: _, provider, ...others } = parse(await legacy('config/custom_analysis_config.json'));
    const settings = { ...others, provider: { name: provider.name } };
    expect(await jsonIn(sample, 'config/custom_analysis_config.json')).toEqual(settings);
    for (const path of await filesIn(models)) {
      expect(await jsonIn(models, path)).toEqual(parse(await legacy(path)));
    }
    const name = (log: Record<string, unknown>) => `${log.sent_at} ${log.user_id} ${log.email_address}`;
    const byName = (a: Record<string, unknown>, b: Record<string, unknown>) => (name(a) < name(b) ? -1 : 1);
    const logs: { sent_at: string }[] = await jsonIn(sample, LOGS);
    expect(logs.toSorted(byName)).toEqual(parse(await legacy(LOGS)).toSorted(byName));
    const times = logs.map(({ sent_at }) => Date.parse(sent_at.endsWith('Z') ? sent_at : `${sent_at}+09:00`));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  it('is written as Python writes: indent 2, no newline at the end, nothing escaped that need not be', async () => {
    for (const path of await filesIn(sample)) {
      const text = await textIn(sample, path);
      expect(text.replaceAll(/-?\b(NaN|Infinity)\b/g, '"$&"')).toBe(JSON.stringify(parse(text), null, 2));
    }
    expect(await textIn(sample, LIMITS)).toContain('"performance_score": -Infinity');
  });

  it('has no credentials, and leaves nothing beside its files', async () => {
    for (const path of await filesIn(sample)) expect(await textIn(sample, path)).not.toMatch(/PLANTED-FAKE/);
    expect(await readdir(join(sample.folder, '..'))).toEqual([SYSTEM]);
  });

  it.each([
    {
      name: 'a number of a user',
      sql: `update user_usage_limits set consecutive_days = 9 where user_id = 'user_002'`,
      undo: `update user_usage_limits set consecutive_days = 1 where user_id = 'user_002'`,
      finds: [{ key: '"user_002"', field: 'consecutive_days', source: '1', target: '9', kind: 'changed' }],
    },
    {
      name: 'a number that was missing',
      sql: `update user_usage_limits set consecutive_days = 9 where user_id = 'oldest'`,
      undo: `update user_usage_limits set consecutive_days = 0 where user_id = 'oldest'`,
      finds: [{ key: '"oldest"', field: 'consecutive_days', source: null, target: '9' }],
    },
    {
      name: 'a time by a microsecond',
      sql: `update user_usage_limits set last_reset_date = last_reset_date + interval '1 microsecond' where user_id = 'with_zone'`,
      undo: `update user_usage_limits set last_reset_date = last_reset_date - interval '1 microsecond' where user_id = 'with_zone'`,
      finds: [{ field: 'last_reset_date', target: '"2025-07-01T09:00:00.500001"', kind: 'changed' }],
    },
    {
      name: 'a time that two tables have',
      sql: `update users set created_at = created_at + interval '1 day' where user_id = 'user_003'`,
      undo: `update users set created_at = created_at - interval '1 day' where user_id = 'user_003'`,
      finds: [
        { key: 'user_id=user_003', field: 'created_at', target: expect.stringMatching(/03-02T.* in users/) },
      ],
    },
    {
      name: 'an address in one of its two places',
      sql: `update users set notification_settings = jsonb_set(notification_settings, '{email_address}', '"x"') where user_id = 'family_1'`,
      undo: `update users set notification_settings = jsonb_set(notification_settings, '{email_address}', '"family@example.com"') where user_id = 'family_1'`,
      finds: [{ key: '*', field: 'email', target: '1 rows have a value' }],
    },
    {
      name: "'' where there was nothing",
      sql: `update users set email = '' where user_id = 'oldest'`,
      undo: `update users set email = null where user_id = 'oldest'`,
      finds: [
        { key: '*', field: 'email', target: '1 rows have a value' },
        { key: '"oldest"', field: 'reminder_settings', source: null },
      ],
    },
    {
      name: 'a NaN that became null',
      sql: `create table kept as select * from ab_tests where test_id = 'planted_1'; update ab_tests set extra = null where test_id = 'planted_1'`,
      undo: `update ab_tests as t set extra = k.extra from kept as k where t.test_id = k.test_id; drop table kept`,
      finds: [
        { key: `${TESTS}/planted_1.json`, field: 'p_value_quality', source: '"NaN"', target: null },
        { key: `${TESTS}/planted_1.json`, field: 'effect_size', source: '"NaN"', target: null },
      ],
    },
    {
      name: 'a user that is gone',
      sql: `create table kept as select * from users where user_id = 'family_2'; create table kept_limits as
        select * from user_usage_limits where user_id = 'family_2'; delete from users where user_id = 'family_2'`,
      undo: `insert into users select * from kept; insert into user_usage_limits select * from kept_limits;
        drop table kept, kept_limits`,
      finds: [{ key: '"family_2"', field: null, target: null, kind: 'missing' }],
    },
    {
      name: 'a user without limits, whom the application could not read',
      sql: `create table kept as select * from user_usage_limits where user_id = 'family_2';
        delete from user_usage_limits where user_id = 'family_2'`,
      undo: `insert into user_usage_limits select * from kept; drop table kept`,
      finds: [
        { key: '"family_2"', field: null, target: null, kind: 'missing' },
        {
          field: null,
          source: null,
          target: expect.stringMatching(/no row in.*user_usage_limits.*family/),
          kind: 'extra',
        },
      ],
    },
    {
      name: 'what a user has of whom the rest is in quarantine',
      sql: `update users set username = 'x' where user_id = 'null_days'`,
      undo: `update users set username = null where user_id = 'null_days'`,
      finds: [
        { key: '*', field: 'username' },
        { key: '"null_days"', field: 'reminder_settings.user_name', target: '"x"', kind: 'changed' },
      ],
    },
    {
      name: 'a user that is new',
      sql: `insert into users (user_id) values ('new'); insert into user_usage_limits (user_id) values ('new')`,
      undo: `delete from users where user_id = 'new'`,
      finds: [{ field: null, source: null, kind: 'extra', target: expect.stringMatching(/"user_id":"new"/) }],
    },
    {
      name: 'a value that everybody has and one that nobody has',
      sql: `update users set user_type = 'manager', department = 'sales' where user_id = 'user_001'`,
      undo: `update users set user_type = 'sales_person', department = null where user_id = 'user_001'`,
      finds: [
        { key: '*', field: 'department', target: '1 rows have a value' },
        { key: '*', field: 'user_type', target: '1 rows have a value' },
      ],
    },
    {
      name: 'a session in the table that repeats them',
      sql: `update roleplay_sessions set duration_minutes = 16 where session_id = 'session-1'`,
      undo: `update roleplay_sessions set duration_minutes = 15 where session_id = 'session-1'`,
      finds: [
        {
          table: 'recent_sessions',
          key: `${LIMITS}["session_names"].recent_sessions[0]`,
          field: 'duration_minutes',
          kind: 'changed',
        },
      ],
    },
    {
      name: 'a session that is gone there, and a new one',
      sql: `create table kept as select * from roleplay_sessions where session_id = 'session-4';
        update roleplay_sessions set session_id = 'new' where session_id = 'session-4'`,
      undo: `update roleplay_sessions set session_id = 'session-4' where session_id = 'new'; drop table kept`,
      finds: [
        { key: `${LIMITS}["session_names"].recent_sessions[5]`, field: null, kind: 'missing' },
        { table: 'recent_sessions', field: null, target: expect.stringMatching(/"new"/), kind: 'extra' },
      ],
    },
    {
      name: 'one of two entries that say the same',
      sql: `create table kept as select * from reminder_logs where user_id = 'family_1' and occurrence = 2 and email_address <> 'unknown'
          and sent_at = '2025-07-10T09:00:00.000001+09'; delete from reminder_logs as l using kept as k
          where l.user_id = k.user_id and l.sent_at = k.sent_at and l.occurrence = 2`,
      undo: 'insert into reminder_logs select * from kept; drop table kept',
      finds: [{ table: 'reminder_logs', field: null, target: null, kind: 'missing' }],
    },
    {
      name: 'an entry that changed, one that is new and names no file, and one that was renumbered',
      sql: `update reminder_logs set success = false where user_id = 'gone_user';
        insert into reminder_logs (user_id, sent_at, reminder_type) values ('new', '2026-01-01', '1day');
        update reminder_logs set occurrence = 7 where user_id = 'user_001' and occurrence = 1`,
      undo: `update reminder_logs set success = true where user_id = 'gone_user';
        delete from reminder_logs where user_id = 'new';
        update reminder_logs set occurrence = 1 where occurrence = 7`,
      finds: [
        { key: '*', field: 'occurrence' },
        { table: 'reminder_logs', field: 'success', source: 'true', target: 'false', kind: 'changed' },
        { table: 'reminder_logs', field: null, source: null, target: expect.stringMatching(/"new"/) },
      ],
    },
    {
      name: 'a test that moved to another file, and one that lost its own id',
      sql: `update ab_tests set source_file = '${TESTS}/moved.json' where test_id = 'planted_1';
        create table kept as select * from ab_tests where test_id = 'keyed_1';
        update ab_tests set own_test_id = null where test_id = 'keyed_1'`,
      undo: `update ab_tests set source_file = '${TESTS}/planted_1.json' where test_id = 'planted_1';
        update ab_tests as t set own_test_id = k.own_test_id from kept as k where t.test_id = k.test_id; drop table kept`,
      finds: [
        { key: `${TESTS}/planted_1.json`, kind: 'missing' },
        { key: `${TESTS}/moved.json`, kind: 'extra' },
        { key: `${TESTS}/planted_3.json["keyed_1"]`, field: 'test_id', source: '"keyed_1"', target: null },
      ],
    },
    {
      name: 'a test whose file lies elsewhere, and one that has none',
      sql: `update ab_tests set source_file = '../../ab_tests/x.json' where test_id = 'planted_1';
        insert into ab_tests (test_id) values ('a/b')`,
      undo: `update ab_tests set source_file = '${TESTS}/planted_1.json' where test_id = 'planted_1';
        delete from ab_tests where test_id = 'a/b'`,
      finds: [
        { key: 'test_id=planted_1', field: '$file', target: '../../ab_tests/x.json', kind: 'extra' },
        { key: `${TESTS}/planted_1.json`, kind: 'missing' },
        { key: `${TESTS}/a%2Fb.json`, kind: 'extra' },
      ],
    },
    {
      name: 'a setting, and a credential that somebody stored',
      sql: `create table kept as select * from application_settings where key in ('keywords', 'api_key');
        update application_settings set value = '["x"]' where key = 'keywords';
        update application_settings set value = '"hunter2"' where key = 'api_key'`,
      undo: `update application_settings as s set value = k.value from kept as k where s.key = k.key; drop table kept`,
      finds: [
        { field: 'keywords[0]', target: '"x"' },
        { field: 'keywords[1]', target: null },
        { field: 'api_key', source: null, target: 'what no export may have', kind: 'extra' },
      ],
    },
  ])('fails with 7 and names what differs: $name', async ({ sql, undo, finds }) => {
    const { code, divergences } = await tampered(platform, home, SYSTEM, sql, undo);
    expect(divergences).toEqual(expect.arrayContaining(finds.map((each) => expect.objectContaining(each))));
    expect(divergences).toHaveLength(finds.length);
    expect(code).toBe(7);
  });
});

describe('such an export as a store of its own', () => {
  it('loads with nothing set aside but a session that is there twice, and its export is the same to the byte', async () => {
    const [home, again] = [await scratch(), await scratch()];
    await dropSystems(platform);
    await loaded(home, LEGACY, BUDGET);
    const first = await exported(platform, home, SYSTEM);
    await dropSystems(platform);
    await loaded(again, join(first.folder, '..'), 1);
    const second = await exported(platform, again, SYSTEM);
    expect(second.divergences).toEqual([]);
    expect(await filesIn(second)).toEqual(await filesIn(first));
    for (const path of await filesIn(first))
      expect(await textIn(second, path)).toBe(await textIn(first, path));
  });
});

describe('an export of a store with what no sample has', () => {
  it('gives it all back', async () => {
    const [home, source] = [await scratch(), await copyOfLegacy()];
    const place = (path: string) => join(source, SYSTEM, path);
    const users = {
      'null id': { user_id: null },
      'a number': {
        user_id: 7,
        last_reset_date: '2025-07-01T09:00:00.5',
        last_roleplay_date: '2025-07-01T09:00',
      },
      'no id': { user_id: undefined },
      'half a reminder': { reminder_settings: { email_address: null, other: 1 } },
      'unknown $': { $missing: [3], $of: 1, $null: null, 'a b': [{ n: null }] },
      __proto: { recent_sessions: [], consecutive_days: undefined },
      '1': {},
    };
    const record = (user_id: string, more: object) => ({
      user_id,
      video_processing_minutes_used: 0,
      roleplay_sessions_remaining: 60,
      last_reset_date: '2025-07-01T09:00:00',
      created_at: '2025-06-01T09:00:00',
      updated_at: '2025-07-02T18:30:00.000001',
      ...more,
    });
    const limits = Object.entries(users).map(([key, more]) => [key, record(key, more)]);
    await mkdir(place('elsewhere'));
    await rm(place(LIMITS));
    await writeFile(place('elsewhere/usage_limits.json'), JSON.stringify(Object.fromEntries(limits)));
    await writeFile(place('elsewhere/reminder_logs.json'), '[]');
    await rename(place(LOGS), place('app/reminder_logs.json'));
    await writeFile(place(`${TESTS}/one.json`), '{"one": {"test_id": null}, "two": {"note": -Infinity}}');
    await writeFile(place('app/config/custom_analysis_config.json'), '{"x": null, "db_password": "hunter2"}');
    await dropSystems(platform);
    await loaded(home, source, BUDGET);
    const all = await exported(platform, home, SYSTEM);
    expect(all.divergences).toEqual([]);
    expect(await jsonIn(all, LIMITS)).toEqual(JSON.parse(JSON.stringify(Object.fromEntries(limits))));
    expect(await textIn(all, 'elsewhere/reminder_logs.json')).toBe('[]');
    expect(await jsonIn(all, `${TESTS}/one.json`)).toEqual({
      one: { test_id: null },
      two: { note: '-Infinity' },
    });
    expect(await jsonIn(all, 'app/config/custom_analysis_config.json')).toEqual({ x: null });
    expect(existsSync(join(all.folder, LOGS))).toBe(false);
    await change(
      platform,
      SYSTEM,
      `insert into reminder_logs (user_id, sent_at, reminder_type) values ('new', '2026-01-01', '1day')`,
    );
    const more = await exported(platform, home, SYSTEM);
    expect(more.divergences).toEqual([expect.objectContaining({ key: `${LOGS}[0]`, kind: 'extra' })]);
  });
});

/** Real data that is no part of this repository; where it lies, it is a test. */
const REAL = resolve('../shared/legacy-data');

describe.skipIf(!existsSync(REAL))('an export of real files', () => {
  it('is equal to the snapshot', async () => {
    const home = await scratch();
    await dropSystems(platform);
    for (const system of [SYSTEM, ANALYTICS]) {
      await loaded(home, REAL, 0, system);
      const { divergences, report } = await exported(platform, home, system);
      expect(divergences).toEqual([]);
      expect(report.error).toBeUndefined();
    }
  });
});

describe('a store that has no export', () => {
  it('is refused with the reason and what to use', async () => {
    const [home, out] = [await scratch(), await scratch()];
    const args = ['export', '--system', 'harca', '--out', join(out, 'x')] as const;
    expect(await cutover(platform, home, ...args)).toMatchObject({
      code: 2,
      stdout: expect.stringMatching(
        /single precision.* a part of the store is a database[\s\S]*snapshots.*pg_dump/,
      ),
    });
  });
});
