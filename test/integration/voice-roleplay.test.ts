import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import type { Hazard, SampleManifest } from '../../jobs/sample/index.ts';
import { PLANTED_SECRET } from '../../jobs/sample/secret.ts';
import { PLANTED_SETTING } from '../../jobs/sample/voice-roleplay-values.ts';
import { SQL } from '../../jobs/sql.ts';
import {
  asAdmin,
  copyOfLegacy,
  cutover,
  dropSystems,
  dump,
  LEGACY,
  run,
  scratch,
  systemNamed,
  writers,
} from './harness.ts';

const SYSTEM = 'voice-roleplay';
const ANALYTICS = 'voice-roleplay-analytics';
const BUDGET = 9;

type Noted = readonly [path: string, was: string];

/** What must have become of a record; written by hand from docs/hazards.md and the sample's own words. */
interface Expected {
  /** Key of its row. */
  readonly at?: Readonly<Record<string, unknown>>;
  /** Columns of that row, as JSON. */
  readonly row?: Readonly<Record<string, unknown>>;
  /** All of `extra` but the notes. */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** All notes, each under the hazard's id. */
  readonly notes?: readonly Noted[];
  /** Of a merged record: the locator of the one that stayed. */
  readonly winner?: string;
  /** Of a quarantined one: the field of the reason, and what its payload has. */
  readonly field?: string;
  readonly payload?: RegExp;
}

const LIMITS = 'data/usage_limits.json';
const user = (id: string, more: Expected = {}): Expected => ({ at: { user_id: id }, ...more });
const session = (user_id: string, session_id: string, more: Expected = {}): Expected => ({
  at: { user_id, session_id },
  ...more,
});
const inFile = (source_file: string, more: Expected = {}): Expected => ({ at: { source_file }, ...more });

const EVERYBODY = {
  user_type: 'sales_person',
  experience_level: 'beginner',
  is_active: true,
  preferences: {},
  created_at: '2025-06-01T00:00:00+00:00',
  updated_at: '2025-07-02T09:30:00.000001+00:00',
};
const DEFAULT_REMINDERS = {
  email_enabled: true,
  email_address: '',
  user_name: '',
  reminder_days: [3, 1, 0],
  timezone: 'Asia/Tokyo',
  enable_shame_system: false,
};
const SHARED = '5a7b0c1d-2e3f-4a5b-8c6d-7e8f9a0b1c2d';
const TESTS = 'data/ab_tests';
const TEMPLATES = 'config/prompt_templates';
const ANALYSIS = 'config/custom_analysis_config.json';

/** By table and locator of the manifest. */
const EXPECTED: Readonly<Record<string, Expected>> = {
  [`users ${LIMITS}[""]`]: user('', { row: EVERYBODY, notes: [['user_id', 'empty']] }),
  [`users ${LIMITS}["ANALYTICAL"]`]: user('ANALYTICAL', { notes: [['user_id', 'a type of customer']] }),
  [`users ${LIMITS}["${'u'.repeat(60)}"]`]: user('u'.repeat(60), { notes: [['user_id', '60 characters']] }),
  [`users ${LIMITS}["ren.kazama@example.com"]`]: user('ren.kazama@example.com', {
    notes: [['user_id', 'an e-mail address']],
  }),
  [`users ${LIMITS}["テスト利用者𠮷"]`]: user('テスト利用者𠮷', { row: EVERYBODY, notes: [] }),
  [`user_usage_limits ${LIMITS}["renamed_user"]`]: user('renamed_user', {
    notes: [['user_id', 'former_name']],
  }),
  [`users ${LIMITS}["no_address"]`]: user('no_address', {
    row: {
      email: null,
      username: '無名',
      notification_settings: { ...DEFAULT_REMINDERS, user_name: '無名' },
    },
  }),
  [`users ${LIMITS}["family_1"]`]: user('family_1', {
    row: { email: 'family@example.com', username: '家族 1' },
  }),
  [`users ${LIMITS}["family_2"]`]: user('family_2', {
    row: { email: 'family@example.com', username: '家族 2' },
  }),
  [`users ${LIMITS}["oldest"]`]: user('oldest', {
    row: { ...EVERYBODY, email: null, username: null, notification_settings: DEFAULT_REMINDERS },
    extra: { $missing: ['reminder_settings'] },
  }),
  [`user_usage_limits ${LIMITS}["oldest"]`]: user('oldest', {
    row: {
      roleplay_sessions_remaining: 60,
      last_reset_date: '2025-07-01T00:00:00.25+00:00',
      last_roleplay_date: null,
      consecutive_days: 0,
      total_roleplay_sessions: 0,
      recent_sessions: [],
      recent_improvement_points: [],
      monthly_limit_roleplay: 60,
      monthly_limit_video_minutes: 60,
    },
    extra: {
      $missing: [
        'consecutive_days',
        'total_roleplay_sessions',
        'recent_sessions',
        'recent_improvement_points',
      ],
    },
  }),
  [`user_usage_limits ${LIMITS}["null_days"]`]: {
    field: 'consecutive_days',
    payload: /"consecutive_days": null/,
  },
  [`user_usage_limits ${LIMITS}["not_finite"]`]: user('not_finite', {
    row: { total_roleplay_sessions: 3 },
    notes: [
      ['recent_sessions[0].performance_score', 'NaN'],
      ['recent_sessions[1].performance_score', 'Infinity'],
      ['recent_sessions[2].performance_score', '-Infinity'],
    ],
  }),
  [`roleplay_sessions ${LIMITS}["not_finite"].recent_sessions[0]`]: session('not_finite', 'nan', {
    row: { performance_score: null, status: 'completed' },
    notes: [['performance_score', 'NaN']],
  }),
  [`roleplay_sessions ${LIMITS}["not_finite"].recent_sessions[1]`]: session('not_finite', 'inf', {
    row: { performance_score: null },
    notes: [['performance_score', 'Infinity']],
  }),
  [`roleplay_sessions ${LIMITS}["not_finite"].recent_sessions[2]`]: session('not_finite', 'minus-inf', {
    row: { performance_score: null },
    notes: [['performance_score', '-Infinity']],
  }),
  [`roleplay_sessions ${LIMITS}["too_good"].recent_sessions[0]`]: session(
    'too_good',
    '1c3d5e7f-0a2b-4c6d-8e9f-a1b2c3d4e5f6',
    { row: { performance_score: 1.25 }, notes: [['performance_score', '1.25']] },
  ),
  [`user_usage_limits ${LIMITS}["overdrawn"]`]: user('overdrawn', {
    row: { roleplay_sessions_remaining: -3 },
  }),
  [`user_usage_limits ${LIMITS}["generous"]`]: user('generous', {
    row: { roleplay_sessions_remaining: 120, video_processing_minutes_used: 75 },
  }),
  [`roleplay_sessions ${LIMITS}["same_session_1"].recent_sessions[0]`]: session('same_session_1', SHARED, {
    row: { duration_minutes: 1 },
  }),
  [`roleplay_sessions ${LIMITS}["same_session_2"].recent_sessions[0]`]: session('same_session_2', SHARED, {
    row: { duration_minutes: 2 },
  }),
  [`roleplay_sessions ${LIMITS}["session_names"].recent_sessions[0]`]: session('session_names', 'session-1', {
    row: {
      scenario_type: 'needs_assessment',
      started_at: '2025-07-01T01:00:00+00:00',
      completed_at: '2025-07-01T01:15:00+00:00',
      improvement_points: [],
      // Neither is known, so neither is made up.
      created_at: null,
      business_speaker_id: null,
      ai_provider: null,
    },
  }),
  [`roleplay_sessions ${LIMITS}["session_names"].recent_sessions[2]`]: {
    winner: `${LIMITS}["session_names"].recent_sessions[1]`,
    at: { user_id: 'session_names', session_id: 'session-2' },
  },
  [`roleplay_sessions ${LIMITS}["session_names"].recent_sessions[4]`]: {
    field: 'user_id, session_id',
    payload: /"session_id": "session-3".*"performance_score": 0\.75/s,
  },
  [`roleplay_sessions ${LIMITS}["session_names"].recent_sessions[5]`]: session('session_names', 'session-4', {
    row: { improvement_points: null },
    extra: { $null: ['performance_score', 'improvement_points'] },
  }),
  [`user_usage_limits ${LIMITS}["new_york"]`]: user('new_york', {
    // 02:30 in Tokyo, which New York's clocks skipped that night.
    row: { last_roleplay_date: '2025-03-08T17:30:00+00:00' },
    notes: [],
  }),
  [`user_usage_limits ${LIMITS}["with_zone"]`]: user('with_zone', {
    row: {
      last_reset_date: '2025-07-01T00:00:00.5+00:00',
      last_roleplay_date: '2025-07-01T15:00:00+00:00',
    },
    notes: [
      ['last_reset_date', '2025-07-01T00:00:00.5+00:00'],
      ['last_roleplay_date', '2025-07-02'],
    ],
  }),
  [`roleplay_sessions ${LIMITS}["long_quarter"].recent_sessions[0]`]: session(
    'long_quarter',
    '2d4e6f80-1b3c-4d5e-9fa0-b2c3d4e5f607',
    {
      row: {
        duration_minutes: 15,
        started_at: '2025-07-01T01:00:00+00:00',
        completed_at: '2025-07-01T02:30:00+00:00',
      },
    },
  ),
  [`users ${LIMITS}["more_keys"]`]: user('more_keys', { extra: { plan: 'trial' } }),
  [`roleplay_sessions ${LIMITS}["more_keys"].recent_sessions[0]`]: session('more_keys', 'session-5', {
    extra: { mood: '😊 “よい”', weight: null, $null: ['performance_score'] },
    notes: [['extra.weight', 'NaN']],
  }),
  [`users ${LIMITS}["with_password"]`]: user('with_password', {
    row: { username: '合言葉' },
    notes: [['reminder_settings.smtp_password', 'left out']],
  }),
  [`users ${LIMITS}["twice"]`]: { field: 'user_id', payload: /2025-07-03T09:00:00/ },
  [`user_usage_limits ${LIMITS}["twice"]`]: { field: 'user_id', payload: /"total_roleplay_sessions": 1,/ },
  [`users ${LIMITS}["nul"]`]: {
    field: '$.recent_sessions[0].improvement_points[0]',
    payload: /ここで\\u0000切れる/,
  },
  [`user_usage_limits ${LIMITS}["nul"]`]: {
    field: '$.recent_sessions[0].improvement_points[0]',
    payload: /ここで\\u0000切れる/,
  },
  [`roleplay_sessions ${LIMITS}["nul"].recent_sessions[0]`]: {
    field: '$.recent_sessions[0].improvement_points[0]',
    payload: /ここで\\u0000切れる/,
  },

  'reminder_logs data/reminder_logs.json[21]': {
    at: {
      user_id: 'family_1',
      sent_at: '2025-07-10T00:00:00.000001Z',
      reminder_type: '3days',
      occurrence: 2,
    },
    row: { email_address: 'family@example.com', success: true, error_message: null },
  },
  'reminder_logs data/reminder_logs.json[23]': {
    at: { user_id: 'family_1', sent_at: '2025-07-11T00:00:00Z', reminder_type: '3days', occurrence: 2 },
    row: { email_address: 'family@example.com', success: false, error_message: 'Failed to send email' },
  },
  'reminder_logs data/reminder_logs.json[24]': {
    at: {
      user_id: 'gone_user',
      sent_at: '2025-07-10T00:00:00.000001Z',
      reminder_type: '3days',
      occurrence: 1,
    },
    notes: [['user_id', 'gone_user']],
  },
  'reminder_logs data/reminder_logs.json[25]': {
    at: { user_id: 'family_1', sent_at: '2025-07-12T00:00:00Z', reminder_type: '3days', occurrence: 1 },
    notes: [['sent_at', '2025-07-12T00:00:00Z']],
  },

  'reminder_scheduler_settings config/reminder_scheduler.json': inFile('config/reminder_scheduler.json', {
    row: { enabled: false, check_interval_minutes: 1440, daily_check_hour: 9, max_emails_per_batch: 50 },
  }),
  'reminder_scheduler_settings app/config/reminder_scheduler.json': inFile(
    'app/config/reminder_scheduler.json',
    { row: { enabled: true, check_interval_minutes: 60, timezone: 'Asia/Tokyo' } },
  ),

  [`application_settings ${ANALYSIS} api_key`]: {
    at: { source_file: ANALYSIS, key: 'api_key' },
    row: { value: null },
    notes: [['api_key', 'a credential, left out']],
  },
  [`application_settings ${ANALYSIS} provider`]: {
    at: { source_file: ANALYSIS, key: 'provider' },
    row: { value: { name: 'example' } },
    notes: [['value.api_key', 'left out']],
  },

  [`prompt_templates ${TEMPLATES}/premium_sales_expert.json`]: inFile(
    `${TEMPLATES}/premium_sales_expert.json`,
    {
      row: {
        name: 'Premium Sales Expert',
        quality_settings: { max_tokens: 150, temperature: 0.6, top_p: 0.9 },
        created_at: '2025-06-30T15:00:00+00:00',
        updated_at: null,
      },
    },
  ),
  [`prompt_templates ${TEMPLATES}/premium_sales_expert_copy.json`]: inFile(
    `${TEMPLATES}/premium_sales_expert_copy.json`,
    { row: { name: 'Premium Sales Expert' } },
  ),
  [`prompt_templates ${TEMPLATES}/unfinished.json`]: {
    field: '$',
    payload:
      /^\{"\$file":"config\/prompt_templates\/unfinished\.json","\$size":\d+,"\$sha256":"[0-9a-f]{64}"/,
  },

  [`ab_tests ${TESTS}/planted_1.json`]: {
    at: { test_id: 'planted_1' },
    row: { p_value_quality: null, effect_size: null, avg_quality_a: 0.75, winner: 'premium_sales_expert' },
    notes: [
      ['p_value_quality', 'NaN'],
      ['effect_size', 'NaN'],
    ],
  },
  [`ab_tests ${TESTS}/planted_0.json`]: {
    at: { test_id: 'planted_0' },
    extra: { max_tokens: 150 },
    notes: [['webhook_url', 'left out']],
  },
  [`ab_tests ${TESTS}/planted_2.json`]: {
    at: { test_id: `${TESTS}/planted_2.json` },
    notes: [['test_id', 'none, known by its file']],
  },
  [`ab_tests ${TESTS}/planted_3.json["keyed_1"]`]: {
    at: { test_id: 'keyed_1' },
    row: { source_file: `${TESTS}/planted_3.json`, effect_size: -1.5 },
  },
  [`ab_tests ${TESTS}/planted_3.json["keyed_2"]`]: {
    at: { test_id: 'keyed_2' },
    notes: [['test_id', 'other_name']],
  },
  [`ab_tests ${TESTS}/planted_3.json["keyed_3"]`]: {
    at: { test_id: 'keyed_3' },
    row: { created_at: '2025-07-05T01:00:00+00:00', target_sample_size: 100 },
  },
  [`ab_tests ${TESTS}/planted_4_copy.json`]: {
    winner: `${TESTS}/planted_4.json`,
    at: { test_id: 'planted_4' },
  },
  [`ab_tests ${TESTS}/planted_4_edited.json`]: { field: 'test_id', payload: /"winner": null/ },

  'model_files data/ml_models/quality_model.pkl': inFile('data/ml_models/quality_model.pkl', {
    row: {
      file_name: 'quality_model.pkl',
      size_bytes: 7,
      // Of the seven bytes 80 04 95 00 ff fe 2e.
      sha256: createHash('sha256').update(Buffer.from('80049500fffe2e', 'hex')).digest('hex'),
    },
  }),
  'model_status data/ml_models/model_status_untrained.json': inFile(
    'data/ml_models/model_status_untrained.json',
    { row: { trained_at: null, quality_model_loaded: false, training_data_count: 0 } },
  ),
  'model_predictions data/ml_models/predictions.json[6]': {
    at: { time: '2025-07-29T02:00:00Z', source_file: 'data/ml_models/predictions.json', occurrence: 1 },
    row: { predicted_quality: null, quality_confidence: 0.5 },
    notes: [['predicted_quality', 'NaN']],
  },
  'model_predictions data/ml_models/predictions.json[8]': {
    at: {
      time: '2025-07-30T02:00:00.000001Z',
      source_file: 'data/ml_models/predictions.json',
      occurrence: 2,
    },
    row: { predicted_quality: 0.75 },
  },
};

const manifest = JSON.parse(readFileSync(join(LEGACY, 'sample.json'), 'utf8')) as SampleManifest;
const hazards = manifest.hazards.filter(
  ({ system, entity }) => system.startsWith(SYSTEM) && entity !== 'file',
);
const expectedOf = ({ entity, locator }: Hazard) => EXPECTED[`${entity} ${locator}`];
const of = (which: (hazard: Hazard) => boolean) =>
  hazards
    .filter(which)
    .map((hazard) => [`${hazard.id} ${hazard.entity} ${hazard.locator}: ${hazard.what}`, hazard] as const);
const isSetAside = ({ outcome }: Hazard) => !['kept', 'noted', 'merged'].includes(outcome);

const platform = inject('platform');

const query = <T extends pg.QueryResultRow>(system: string, sql: string, values: unknown[] = []) =>
  asAdmin(
    platform,
    systemNamed(system).database,
    async (client) => (await client.query<T>(sql, values)).rows,
  );

const loadBoth = async (home: string, source: string, budget: number) => {
  const reports = [];
  for (const system of [SYSTEM, ANALYTICS])
    reports.push(await run(platform, home, { system, source, budget }));
  return reports;
};

/** The rows of a table, counted. */
const count = async (system: string, table: string, where = 'true') =>
  (await query<{ n: number }>(system, `select count(*)::int as n from ${table} where ${where}`))[0]!.n;

describe('voice-roleplay, what became of each hazard', () => {
  let home: string;
  beforeAll(async () => {
    home = await scratch();
    await dropSystems(platform);
    for (const report of await loadBoth(home, LEGACY, BUDGET)) {
      expect(report.error).toBeUndefined();
      expect(report.ok).toBe(true);
    }
  });

  it('there is an expectation for each record of the manifest, and for no other', () => {
    expect(hazards.filter((hazard) => !expectedOf(hazard))).toEqual([]);
    expect(new Set(hazards.map(expectedOf)).size).toBe(Object.keys(EXPECTED).length);
  });

  async function rowAt({ system, entity }: Hazard, at: Expected['at']) {
    const key = Object.keys(at!);
    const where = key.map((column, i) => `${pg.escapeIdentifier(column)} = $${i + 1}`).join(' and ');
    const rows = await query<{ row: Record<string, unknown> }>(
      system,
      `select to_jsonb(t) as row from public.${entity} as t where ${where}`,
      Object.values(at!),
    );
    expect(rows).toHaveLength(1);
    return rows[0]!.row;
  }

  it.each(of(({ outcome }) => outcome === 'kept' || outcome === 'noted'))('%s', async (_name, hazard) => {
    const { at, row: columns = {}, extra, notes = [] } = expectedOf(hazard)!;
    const row = await rowAt(hazard, at);
    expect(row).toMatchObject(columns);
    const { $notes = [], ...rest } = (row.extra ?? {}) as { $notes?: unknown[] };
    expect($notes).toEqual(notes.map(([path, was]) => ({ rule: hazard.id, path, was })));
    if (hazard.outcome === 'noted') expect($notes.length).toBeGreaterThan(0);
    if (extra) expect(rest).toEqual(extra);
  });

  it.each(of(({ outcome }) => outcome === 'merged'))('%s: merged', async (_name, hazard) => {
    const { at, winner } = expectedOf(hazard)!;
    const found = await query(
      hazard.system,
      'select winner, rule, identical from migration.merged where table_name = $1 and locator = $2',
      [hazard.entity, hazard.locator],
    );
    expect(found).toEqual([{ winner, rule: hazard.id, identical: true }]);
    await rowAt(hazard, at);
  });

  it.each(of(isSetAside))('%s: quarantined', async (_name, hazard) => {
    const { field, payload } = expectedOf(hazard)!;
    const found = await query(
      hazard.system,
      'select code, field, payload from migration.quarantine where table_name = $1 and locator = $2',
      [hazard.entity, hazard.locator],
    );
    expect(found).toEqual([{ code: hazard.outcome, field, payload: expect.stringMatching(payload!) }]);
  });

  it('read = inserted + merged + quarantined, table by table', async () => {
    const counts = await Promise.all(
      [SYSTEM, ANALYTICS].map(async (system) =>
        query(
          system,
          `select table_name as table, sum(read)::int as read, sum(inserted)::int as inserted,
             sum(merged)::int as merged, sum(quarantined)::int as quarantined
           from migration.batch group by 1 order by 1`,
        ),
      ),
    );
    const line = (table: string, read: number, inserted: number, merged: number, quarantined: number) => ({
      table,
      read,
      inserted,
      merged,
      quarantined,
    });
    expect(counts.flat()).toEqual([
      line('ab_tests', 11, 9, 1, 1),
      line('application_settings', 4, 4, 0, 0),
      line('prompt_templates', 3, 2, 0, 1),
      line('reminder_logs', 26, 26, 0, 0),
      line('reminder_scheduler_settings', 2, 2, 0, 0),
      line('roleplay_sessions', 36, 33, 1, 2),
      line('user_usage_limits', 38, 35, 0, 3),
      line('users', 38, 36, 0, 2),
      line('voice_settings', 1, 1, 0, 0),
      line('model_files', 4, 4, 0, 0),
      line('model_predictions', 9, 9, 0, 0),
      line('model_status', 2, 2, 0, 0),
    ]);
  });

  it('R4: an address of two users is told', async () => {
    expect(await query(SYSTEM, 'select * from shared_addresses')).toEqual([
      { email: 'family@example.com', users: '2', user_ids: ['family_1', 'family_2'] },
    ]);
  });

  it('R21: the later of two records of one user is the one that is stored', async () => {
    expect(
      await query(
        SYSTEM,
        `select total_roleplay_sessions as n from user_usage_limits where user_id = 'twice'`,
      ),
    ).toEqual([{ n: 2 }]);
  });

  it('scenarios and voices are there, the voice with id 0 among them', async () => {
    const scenarios = await query(
      SYSTEM,
      'select legacy_key, legacy_difficulty, difficulty_level from scenarios order by legacy_key collate "C"',
    );
    const line = (legacy_key: string, legacy_difficulty: string, difficulty_level: string) => ({
      legacy_key,
      legacy_difficulty,
      difficulty_level,
    });
    expect(scenarios).toEqual([
      line('closing', 'medium', 'intermediate'),
      line('consultation', 'medium', 'intermediate'),
      line('difficult_negotiation', 'hard', 'expert'),
      line('existing_customer', 'easy', 'beginner'),
      line('new_business', 'medium', 'intermediate'),
    ]);
    expect(await count(SYSTEM, 'speakers')).toBe(10);
    expect(await query(SYSTEM, 'select speaker_key from speakers where engine_speaker_id = 0')).toEqual([
      { speaker_key: 'gentle_staff' },
    ]);
    expect(
      await query(
        SYSTEM,
        `select array_agg(engine_speaker_id order by business_speaker_id) as ids,
           min(business_speaker_id) filter (where is_default) as usual from business_speakers`,
      ),
    ).toEqual([{ ids: [11, 13, 12, 3, 16, 15, 8, 2], usual: 6 }]);
  });

  describe('secrets (R17)', () => {
    const base = join(LEGACY, SYSTEM, 'config');

    it('are in the sample at all', () => {
      for (const file of ['email_config.json', 'notification_config.json']) {
        expect(readFileSync(join(base, file), 'utf8')).toContain(PLANTED_SECRET);
      }
      expect(
        readFileSync(join(base, 'custom_analysis_config.json'), 'utf8').split(PLANTED_SETTING),
      ).toHaveLength(3);
    });

    it.each([SYSTEM, ANALYTICS])('are in no table of %s, the ledger included', async (system) => {
      const tables = await query<{ name: string }>(
        system,
        `select oid::regclass::text as name from pg_class
         where relnamespace in ('public'::regnamespace, 'migration'::regnamespace) and relkind in ('r', 'p', 'm')`,
      );
      expect(tables.length).toBeGreaterThan(15);
      for (const { name } of tables) {
        const [found] = await query(
          system,
          `select count(*)::int as n from ${name} as t where t::text ~ 'PLANTED-FAKE'`,
        );
        expect([name, found]).toEqual([name, { n: 0 }]);
      }
    });

    it('are in no report, and in no file of the home but the copy of a settings file', async () => {
      const file = join(home, 'reports/voice-roleplay.json');
      const { code, stdout, stderr } = await cutover(
        platform,
        home,
        ...['verify', '--system', SYSTEM, '--quarantine-budget', String(BUDGET), '--report', file],
      );
      expect(code).toBe(0);
      expect(readFileSync(file, 'utf8')).toContain('DUPLICATE_ID');
      expect(stdout + stderr).not.toContain('PLANTED-FAKE');
      const files = readdirSync(home, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name));
      const holders = (secret: string) =>
        files
          .filter((path) => readFileSync(path).includes(secret))
          .map((path) => path.slice(home.length).replace(/[0-9a-f]{64}/, 'DIGEST'))
          .sort();
      expect(holders(PLANTED_SECRET)).toEqual(
        [ANALYTICS, SYSTEM].flatMap((name) => [
          `/snapshots/${name}/DIGEST/files/data/ab_tests/planted_0.json`,
          `/snapshots/${name}/DIGEST/files/data/usage_limits.json`,
        ]),
      );
      expect(files.filter((path) => /(email|notification)_config/.test(path))).toEqual([]);
      expect(holders(PLANTED_SETTING)).toEqual([
        `/snapshots/${ANALYTICS}/DIGEST/files/${ANALYSIS}`,
        `/snapshots/${SYSTEM}/DIGEST/files/${ANALYSIS}`,
      ]);
    });
  });

  describe('what the application gets', () => {
    const call = async (sql: string) => (await query<{ answer: string | null }>(SYSTEM, sql))[0]!.answer;
    const given = (id: string, columns: string) =>
      query(SYSTEM, `update user_usage_limits set ${columns} where user_id = '${id}'`);

    it('one session at a time, and none below zero, however many ask at once', async () => {
      await given('oldest', 'roleplay_sessions_remaining = 2, last_reset_date = now()');
      const answers = await Promise.all(
        Array.from({ length: 5 }, () => call(`select consume_session('oldest') as answer`)),
      );
      expect(answers.sort()).toEqual(['0', '1', null, null, null]);
      // Whom nobody has seen has a whole quota.
      expect(await call(`select consume_session('newcomer') as answer`)).toBe('59');
      expect(await call(`select add_video_minutes('another', 60) as answer`)).toBe('60');
      expect(
        await query(
          SYSTEM,
          `select user_id, user_type, roleplay_sessions_remaining as sessions, recent_sessions
           from users join user_usage_limits using (user_id) where user_id in ('newcomer', 'another') order by 1`,
        ),
      ).toEqual([
        { user_id: 'another', user_type: 'sales_person', sessions: '60', recent_sessions: [] },
        { user_id: 'newcomer', user_type: 'sales_person', sessions: '59', recent_sessions: [] },
      ]);
      await query(SYSTEM, `delete from users where user_id in ('newcomer', 'another')`);
    });

    it('texts of any length, before and after its indexes', async () => {
      const long = `(select string_agg(md5(n::text), '') from generate_series(1, 332) as n)`;
      const indexes =
        'idx_users_email, idx_sessions_session, idx_prompt_templates_name, idx_ab_tests_status, idx_scenarios_category';
      await asAdmin(platform, systemNamed(SYSTEM).database, async (client) => {
        await client.query(`begin;
          insert into users (user_id, email) select 'long', left(${long}, 9000);
          insert into roleplay_sessions (user_id, session_id, status) select 'long', 's', ${long};
          insert into prompt_templates (source_file, name) select 'long', ${long};
          insert into ab_tests (test_id, status) select 'long', ${long};
          insert into scenarios (title, category) select 'long', ${long};
          drop index ${indexes}`);
        await client.query(readFileSync(join(SQL, SYSTEM, 'after-load/1-indexes.sql'), 'utf8'));
        await client.query('rollback');
      });
    });

    it('minutes that fit, and no others', async () => {
      await given('oldest', 'video_processing_minutes_used = 50, last_reset_date = now()');
      expect(await call(`select add_video_minutes('oldest', 10) as answer`)).toBe('60');
      expect(await call(`select add_video_minutes('oldest', 1) as answer`)).toBeNull();
      expect(await call(`select add_video_minutes('oldest', -1) as answer`)).toBeNull();
      for (const minutes of ['2147483647', '9223372036854775807']) {
        expect(await call(`select add_video_minutes('oldest', ${minutes}) as answer`)).toBeNull();
      }
    });

    it('a fresh quota when 30 whole days have passed, not a minute before', async () => {
      const quota = (age: string) =>
        given(
          'oldest',
          `roleplay_sessions_remaining = 0, video_processing_minutes_used = 60, last_reset_date = now() - interval '${age}'`,
        );
      await quota('29 days 23 hours 59 minutes');
      expect(await call(`select consume_session('oldest') as answer`)).toBeNull();
      await quota('30 days');
      expect(await call(`select consume_session('oldest') as answer`)).toBe('59');
      expect(await call(`select add_video_minutes('oldest', 5) as answer`)).toBe('5');
      expect(
        await query(
          SYSTEM,
          `select last_reset_date > now() - interval '1 hour' as reset from user_usage_limits where user_id = 'oldest'`,
        ),
      ).toEqual([{ reset: true }]);
    });

    it('a stamp on each change', async () => {
      const rows = await query(
        SYSTEM,
        `update users set department = 'sales' where user_id = 'oldest' returning updated_at > now() - interval '1 hour' as stamped`,
      );
      expect(rows).toEqual([{ stamped: true }]);
    });

    it('views over the time series', async () => {
      await query(
        ANALYTICS,
        `insert into talk_skill_analysis (time, session_id, skill_category, user_id, skill_score) values
           ('2025-08-01Z', 's', 'listening', 'u', 0.25), ('2025-08-31Z', 't', 'listening', 'u', 0.75)`,
      );
      expect(
        await query(
          ANALYTICS,
          `select month::text, user_id, measurements::int, average from monthly_skill_summary`,
        ),
      ).toEqual([{ month: '2025-08-01 00:00:00+00', user_id: 'u', measurements: 2, average: 0.5 }]);
      await query(
        ANALYTICS,
        `insert into system_performance_metrics (time, metric_category, metric_name, metric_value) values
           ('2025-08-01 01:00Z', 'cpu', 'load', 1), ('2025-08-01 23:00Z', 'cpu', 'load', 3)`,
      );
      expect(
        await query(
          ANALYTICS,
          'select day::text, measurements::int, average, highest from daily_system_health',
        ),
      ).toEqual([{ day: '2025-08-01 00:00:00+00', measurements: 2, average: 2, highest: 3 }]);
    });
  });
});

describe('voice-roleplay, run again', () => {
  let home: string;
  let source: string;
  const file = (name: string) => join(source, SYSTEM, name);

  beforeAll(async () => {
    [home, source] = [await scratch(), await copyOfLegacy()];
    await dropSystems(platform);
    for (const report of await loadBoth(home, source, BUDGET)) expect(report.ok).toBe(true);
  });

  it('an unchanged source writes nothing', async () => {
    const before = [
      await writers(platform, systemNamed(SYSTEM)),
      await writers(platform, systemNamed(ANALYTICS)),
    ];
    for (const report of await loadBoth(home, source, BUDGET)) expect(report.ok).toBe(true);
    expect([
      await writers(platform, systemNamed(SYSTEM)),
      await writers(platform, systemNamed(ANALYTICS)),
    ]).toEqual(before);
  });

  it('R14: entries keep their numbers when the log goes on, and in small batches', async () => {
    const log = JSON.parse(readFileSync(file('data/reminder_logs.json'), 'utf8')) as object[];
    const third = { ...log[21], error_message: 'again' };
    // The application drops the oldest of a thousand.
    await writeFile(file('data/reminder_logs.json'), JSON.stringify([...log.slice(1), third], null, 2));
    const report = await run(platform, home, { system: SYSTEM, source, budget: BUDGET, batchRows: 1 });
    expect(report.error).toBeUndefined();
    expect(report.tables['public.reminder_logs']).toMatchObject({ read: 26, inserted: 1, unchanged: 25 });
    expect(
      await query(
        SYSTEM,
        `select occurrence, error_message from reminder_logs
         where user_id = 'family_1' and sent_at = '2025-07-10T00:00:00.000001Z' order by 1`,
      ),
    ).toEqual([
      { occurrence: 1, error_message: null },
      { occurrence: 2, error_message: null },
      { occurrence: 3, error_message: 'again' },
    ]);
  });

  it('a user who is gone goes with all that was theirs', async () => {
    const path = file(LIMITS);
    const text = readFileSync(path, 'utf8');
    const start = text.indexOf('  "long_quarter": {');
    await writeFile(path, text.slice(0, start) + text.slice(text.indexOf('  "more_keys": {')));
    const report = await run(platform, home, { system: SYSTEM, source, budget: BUDGET });
    expect(report.error).toBeUndefined();
    for (const table of ['users', 'user_usage_limits', 'roleplay_sessions']) {
      expect(report.tables[`public.${table}`]).toMatchObject({ removed: 1, inserted: 0, updated: 0 });
      expect(await count(SYSTEM, table, "user_id = 'long_quarter'")).toBe(0);
    }
    await writeFile(path, text);
  });

  it.each([
    ['empty', () => ''],
    ['cut', (text: string) => text.slice(0, text.length / 2)],
  ])('R13: a file of users that is %s is refused, and the target stays', async (_name, damage) => {
    const path = file(LIMITS);
    const text = readFileSync(path, 'utf8');
    const before = await dump(platform, systemNamed(SYSTEM));
    await writeFile(path, damage(text));
    try {
      for (const system of [SYSTEM, ANALYTICS]) {
        const report = await run(platform, home, { system, source, budget: BUDGET });
        expect(report.error).toMatchObject({ exitCode: 3, message: expect.stringContaining(path) });
      }
      expect(await dump(platform, systemNamed(SYSTEM))).toEqual(before);
    } finally {
      await writeFile(path, text);
    }
  });
});

const REAL = resolve('../shared/legacy-data');
const hasReal = existsSync(join(REAL, SYSTEM));
if (!hasReal) console.warn(`SKIPPED: legacy data of voice-roleplay, because ${REAL} is not there`);

describe.skipIf(!hasReal)('legacy data of voice-roleplay', () => {
  it('is loaded and proved, without a record set aside', async () => {
    const home = await scratch();
    await dropSystems(platform);
    for (const report of await loadBoth(home, REAL, 0)) {
      expect(report.error).toBeUndefined();
      expect(report.ok).toBe(true);
    }
    expect(await count(SYSTEM, 'users')).toBe(31);
    expect(await count(SYSTEM, 'user_usage_limits')).toBe(31);
    expect(await count(SYSTEM, 'roleplay_sessions')).toBe(196);
    expect(await count(SYSTEM, 'reminder_logs')).toBe(36);
    expect(await count(SYSTEM, 'ab_tests')).toBe(2);
    expect(await count(SYSTEM, 'prompt_templates')).toBe(1);
    expect(
      await query(
        SYSTEM,
        'select enabled, check_interval_minutes as minutes from reminder_scheduler_settings order by 1',
      ),
    ).toEqual([
      { enabled: false, minutes: 1440 },
      { enabled: true, minutes: 60 },
    ]);
    expect(await query(ANALYTICS, 'select trained_at, quality_r2_score from model_status')).toEqual([
      { trained_at: new Date('2025-07-29T17:11:09.004Z'), quality_r2_score: 0.873 },
    ]);
    expect(await query(ANALYTICS, 'select predicted_quality from model_predictions')).toEqual([
      { predicted_quality: 0.82 },
    ]);
    // 16:36:36 on the host's clock.
    expect(
      await query(
        SYSTEM,
        `select last_reset_date::text as reset, email from user_usage_limits join users using (user_id) where user_id = 'user_002'`,
      ),
    ).toEqual([{ reset: '2025-07-22 07:36:36.100736+00', email: 'user_002@example.com' }]);
  });
});

const TIMESCALE_URL = process.env.CUTOVER_TSL_URL;

describe.skipIf(!TIMESCALE_URL)('voice-roleplay on the Timescale edition', () => {
  it('compresses what the plan says, and drops nothing', async () => {
    const { clientTools } = platform;
    const timescale = { postgres: TIMESCALE_URL!, timescale: TIMESCALE_URL!, redis: [], clientTools };
    await dropSystems(timescale);
    const report = await run(timescale, await scratch(), { system: ANALYTICS, source: LEGACY });
    expect(report.error).toBeUndefined();
    const { rows } = await asAdmin(timescale, 'voice_roleplay_analytics', (client) =>
      client.query(
        `select hypertable_name as table, proc_name as job, config ->> 'compress_after' as after
         from timescaledb_information.jobs where hypertable_schema = 'public' order by 1`,
      ),
    );
    expect(rows).toEqual([
      { table: 'system_performance_metrics', job: 'policy_compression', after: '3 days' },
      { table: 'voice_analysis_metrics', job: 'policy_compression', after: '7 days' },
    ]);
  });
});

// The plan's retention would drop what a way back needs.
it('nothing of voice-roleplay is dropped by itself', () => {
  const folder = join(SQL, `${ANALYTICS}/after-load`);
  for (const name of readdirSync(folder)) {
    const statements = readFileSync(join(folder, name), 'utf8').replace(/^--.*$/gm, '');
    expect(statements).not.toContain('retention');
  }
});
