import { bigint, bool, derived, integer, nth, text } from '../../engine/contracts.ts';
import { encodeJsonb } from '../../engine/jsonb.ts';
import type { Field, SystemMapping, TableMapping } from '../../engine/mapping.ts';
import * as pg from '../../engine/pg-types.ts';
import { JsonObject } from '../../sources/json-value.ts';
import { layout } from './layout.ts';
import {
  anyNumber,
  document,
  documentOr,
  inObject,
  lastCounts,
  limitsUserId,
  loggedUser,
  oneSession,
  oneTest,
  otherUserId,
  ownTestId,
  REMINDER_DEFAULTS,
  score,
  sessionUser,
  setting,
  settingValue,
  sourceFile,
  testId,
  time,
  USERS,
  userId,
} from './rules.ts';

const optional = (column: string, from = column) => text(column, { from, nullable: true });
const count = (column: string) => integer(column, { missing: 0, hazards: ['R5'] });

/** The same in every row; the legacy form has no place for anything else. @param text the value as PostgreSQL writes it */
const constant = (column: string, type: Field['type'], value: unknown, text = String(value)) =>
  derived(column, type, () => value, {
    notExported: `${column} is distinct from '${text}'::${type.sql}`,
  });

/** Sessions and minutes of video in 30 days; a constant of the application's code. */
const LIMIT = 60;

/** Not in the record, and not made up: the column's own default would be the time of the load. */
const unknownTime = (column: string): Field =>
  derived(column, pg.timestamptz, () => null, { nullable: true, notExported: `${column} is not null` });

/** One document a file, known by the file. */
const byFile = (table: string, entity: string, fields: readonly Field[]): TableMapping => ({
  table,
  entity,
  key: ['source_file'],
  extra: 'extra',
  fields: [sourceFile, ...fields],
});

const tables: readonly TableMapping[] = [
  {
    table: 'users',
    entity: 'usage_limits',
    key: ['user_id'],
    extra: 'extra',
    duplicates: lastCounts,
    parents: USERS,
    elsewhere: Object.fromEntries(
      [
        'user_id',
        'video_processing_minutes_used',
        'roleplay_sessions_remaining',
        'last_reset_date',
        'last_roleplay_date',
        'consecutive_days',
        'total_roleplay_sessions',
        'recent_sessions',
        'recent_improvement_points',
      ].map((field) => [field, 'user_usage_limits']),
    ),
    fields: [
      userId,
      documentOr('notification_settings', REMINDER_DEFAULTS, 'reminder_settings'),
      setting('email_address', 'email'),
      setting('user_name', 'username'),
      time('created_at'),
      time('updated_at'),
      // What the plan gives everybody; the application knew nothing of it.
      constant('user_type', pg.text, 'sales_person'),
      constant('experience_level', pg.text, 'beginner'),
      constant('is_active', pg.bool, true),
      constant('preferences', pg.jsonb, encodeJsonb(new JsonObject()), '{}'),
    ],
  },
  {
    table: 'user_usage_limits',
    entity: 'usage_limits',
    key: ['user_id'],
    extra: 'extra',
    duplicates: lastCounts,
    elsewhere: { reminder_settings: 'users' },
    fields: [
      limitsUserId,
      otherUserId,
      bigint('video_processing_minutes_used', { hazards: ['R8'] }),
      bigint('roleplay_sessions_remaining', { hazards: ['R8'] }),
      time('last_reset_date'),
      time('created_at'),
      time('updated_at'),
      time('last_roleplay_date', 'last_roleplay_date', true),
      count('consecutive_days'),
      count('total_roleplay_sessions'),
      documentOr('recent_sessions', []),
      documentOr('recent_improvement_points', []),
      constant('monthly_limit_roleplay', pg.int8, LIMIT),
      constant('monthly_limit_video_minutes', pg.int8, LIMIT),
    ],
  },
  {
    table: 'roleplay_sessions',
    entity: 'recent_sessions',
    key: ['user_id', 'session_id'],
    extra: 'extra',
    duplicates: oneSession,
    repeats: 'user_usage_limits',
    fields: [
      sessionUser,
      text('session_id', { hazards: ['R9'] }),
      // What was recorded had ended.
      constant('status', pg.text, 'completed'),
      optional('scenario_type'),
      time('started_at', 'start_time'),
      time('completed_at', 'end_time'),
      integer('duration_minutes', { nullable: true, hazards: ['R12'] }),
      score('performance_score'),
      document('improvement_points'),
      unknownTime('created_at'),
      unknownTime('updated_at'),
    ],
  },
  {
    table: 'reminder_logs',
    entity: 'reminder_logs',
    key: ['user_id', 'sent_at', 'reminder_type', 'occurrence'],
    extra: 'extra',
    legacyOrder: ['sent_at', 'user_id', 'reminder_type', 'occurrence'],
    fields: [
      loggedUser,
      sourceFile,
      time('sent_at'),
      text('reminder_type'),
      nth('occurrence', { hazards: ['R14'] }),
      optional('email_address'),
      bool('success', { nullable: true }),
      optional('error_message'),
    ],
  },
  // R15: the application has two copies, which differ; which one it reads depends on where it was started.
  byFile('reminder_scheduler_settings', 'reminder_scheduler', [
    bool('enabled', { nullable: true }),
    integer('check_interval_minutes', { nullable: true }),
    integer('daily_check_hour', { nullable: true }),
    optional('timezone'),
    integer('max_emails_per_batch', { nullable: true }),
  ]),
  byFile('prompt_templates', 'prompt_templates', [
    text('name'),
    optional('description'),
    optional('category'),
    optional('language'),
    optional('system_prompt'),
    optional('user_prompt_template'),
    document('parameters'),
    document('quality_settings'),
    time('created_at', 'created_at', true),
    time('updated_at', 'updated_at', true),
  ]),
  {
    table: 'ab_tests',
    entity: 'ab_tests',
    key: ['test_id'],
    extra: 'extra',
    duplicates: oneTest,
    fields: [
      testId,
      inObject,
      ownTestId,
      sourceFile,
      optional('test_name'),
      optional('template_a_id'),
      optional('template_b_id'),
      optional('template_a'),
      optional('template_b'),
      optional('description'),
      integer('target_sample_size', { nullable: true }),
      optional('status'),
      integer('sample_size_a', { nullable: true }),
      integer('sample_size_b', { nullable: true }),
      score('avg_quality_a', 'X4'),
      score('avg_quality_b', 'X4'),
      score('p_value_quality', 'X4'),
      anyNumber('effect_size'),
      optional('winner'),
      time('created_at', 'created_at', true),
      time('stopped_at', 'stopped_at', true),
    ],
  },
  byFile('voice_settings', 'voice_settings', [
    integer('default_speaker_id', { nullable: true }),
    document('speakers'),
  ]),
  {
    table: 'application_settings',
    entity: 'application_settings',
    key: ['source_file', 'key'],
    extra: 'extra',
    fields: [sourceFile, text('key'), settingValue],
  },
];

export const voiceRoleplay: SystemMapping = {
  name: 'voice-roleplay',
  database: 'voice_roleplay',
  rolePrefix: 'vr',
  server: 'postgres',
  extensions: [],
  source: layout,
  tables,
  hotQueries: [
    {
      name: 'usage of a user',
      sql: `select * from user_usage_limits
      where user_id = (select user_id from user_usage_limits order by user_id limit 1)`,
    },
    {
      name: 'users by their last role-play',
      sql: 'select * from user_usage_limits order by last_roleplay_date nulls first limit 100',
    },
  ],
};
