import { describe, expect, it } from 'vitest';
import { fieldsOf } from '../../jobs/engine/export.ts';
import type { LegacyRow, Note } from '../../jobs/engine/mapping.ts';
import { matchesPattern } from '../../jobs/sources/file-pattern.ts';
import { collectionFiles, refusal } from '../../jobs/sources/json-layout.ts';
import { parseJson } from '../../jobs/sources/json-parse.ts';
import { JsonNumber, JsonObject, type JsonValue } from '../../jobs/sources/json-value.ts';
import { fileText } from '../../jobs/sources/json-write.ts';
import type { Raw } from '../../jobs/sources/source.ts';
import { voiceRoleplayAnalytics } from '../../jobs/systems/voice-roleplay/analytics.ts';
import { voiceRoleplay } from '../../jobs/systems/voice-roleplay/index.ts';
import { HOST_ZONE, layout } from '../../jobs/systems/voice-roleplay/layout.ts';
import { suspicion } from '../../jobs/systems/voice-roleplay/rules.ts';
import { outcome, scopeOf } from '../records.ts';

const tables = [...voiceRoleplay.tables, ...voiceRoleplayAnalytics.tables];
const fieldOf = (table: string, column: string) =>
  tables.find((each) => each.table === table)!.fields.find((field) => field.column === column)!;
const json = (text: string) => parseJson(Buffer.from(text)).value;
const notesOf = (table: string, column: string, raw: Raw, fields: Record<string, Raw>, parents = {}) => {
  const scope = scopeOf(fields, parents);
  return [outcome(fieldOf(table, column), raw, scope), ...scope.notes.map(({ was }) => was)];
};

describe('where the files are', () => {
  const files = (name: string, ...found: string[]) =>
    collectionFiles(layout, layout.collections[name]!, found);

  it.each([
    ['usage_limits', 'data/usage_limits.json'],
    ['usage_limits', 'usage_limits.json'],
    ['usage_limits', 'generated/usage_limits.json'],
    ['reminder_scheduler', 'app/config/reminder_scheduler.json'],
    ['prompt_templates', 'config/prompt_templates/a.json'],
    ['ab_tests', 'data/ab_tests/日本.json'],
    ['model_files', 'data/ml_models/deep/model.pkl'],
    ['model_status', 'data/ml_models/model_status.json'],
    ['predictions', 'reconstructed/ml_models/predictions_2025.json'],
  ])('%s: %s', (name, path) => {
    expect(files(name, path)).toEqual([path]);
  });

  it('both copies of a file, and none that only looks like it', () => {
    const both = ['app/config/reminder_scheduler.json', 'config/reminder_scheduler.json'];
    expect(files('reminder_scheduler', ...both, 'config/old_reminder_scheduler.json')).toEqual(both);
    expect(files('ab_tests', 'data/ab_tests/notes.txt', 'data/ab_tests.json')).toEqual([]);
  });

  it('R17: files with credentials are refused wherever they lie', () => {
    for (const path of [
      'email_config.json',
      'config/email_config.json',
      'app/config/notification_config.json',
    ])
      expect(refusal(layout, path)).toMatch(/^R17/);
    expect(refusal(layout, 'config/custom_analysis_config.json')).toBeUndefined();
  });

  it('no file with credentials is in a collection', () => {
    for (const { files } of Object.values(layout.collections)) {
      for (const pattern of files) expect(matchesPattern(pattern, 'config/email_config.json')).toBe(false);
    }
  });

  it('both systems read one store', () => {
    expect(voiceRoleplayAnalytics).toMatchObject({ store: 'voice-roleplay', source: layout });
    expect(voiceRoleplay.source).toBe(layout);
    const read = new Set(tables.map(({ entity }) => entity));
    expect([...read].sort()).toEqual(Object.keys(layout.collections).sort());
  });
});

describe('an id of a user (R1)', () => {
  it.each([
    ['', 'empty'],
    ['analytical', 'a type of customer'],
    ['AMIABLE', 'a type of customer'],
    ['𠮷'.repeat(51), '51 characters'],
    ['demo@example.com', 'an e-mail address'],
  ])('%j is suspicious', (id, why) => {
    expect(suspicion(id)).toBe(why);
    expect(notesOf('users', 'user_id', id, {})).toEqual([id, why]);
  });

  it.each(['user_001', 'テストユーザー', '𠮷'.repeat(50), ' ', '0', 'analytical_2', "'; drop table"])(
    '%j is not',
    (id) => {
      expect(notesOf('users', 'user_id', id, {})).toEqual([id]);
    },
  );
});

describe('the id within the record (R2)', () => {
  const noted = (fields: Record<string, Raw>) =>
    notesOf('user_usage_limits', 'user_id', 'a', fields, { 'users a': 'a' });

  it('is the key, or noted', () => {
    expect(noted({ user_id: 'a' })).toEqual(['a']);
    expect(noted({ user_id: 'b' })).toEqual(['a', 'b']);
    expect(noted({})).toEqual(['a', 'missing']);
    expect(noted({ user_id: new JsonNumber('5') })).toEqual(['a', '5']);
    expect(noted({ user_id: null })).toEqual(['a', 'not storable']);
  });

  it('limits and sessions of a user who is in quarantine are set aside, too', () => {
    for (const table of ['user_usage_limits', 'roleplay_sessions']) {
      expect(outcome(fieldOf(table, 'user_id'), 'a', scopeOf({ user_id: 'a' }))).toBe('ORPHAN_USER');
    }
  });
});

/** A stored row, by the text that PostgreSQL writes for each column. */
const rowOf = (
  columns: Readonly<Record<string, string | null>>,
  notes: readonly Note[] = [],
  extra = '{}',
): LegacyRow & { extra: JsonObject } => ({
  text: (column) => columns[column] ?? null,
  notes,
  nameOf: () => undefined,
  keyOf: () => undefined,
  extra: json(extra) as JsonObject,
});

/** Fields and place of the record that a row gives back, numbers as their text. */
const legacyOf = (table: string, row: LegacyRow & { extra: JsonObject }): [unknown, unknown] => {
  const place = new Map<string, Raw>();
  const fields = fieldsOf(tables.find((each) => each.table === table)!, row, place);
  return [
    JSON.parse(fileText(new JsonObject([...fields] as [string, JsonValue][]))),
    Object.fromEntries(place),
  ];
};

describe('the way back', () => {
  const note = (was: string): Note => ({ rule: 'R2', path: 'user_id', was });

  it('gives the record the id that it had, and that of its key where nothing is known', () => {
    const limits = (other: string | null, ...notes: Note[]) =>
      legacyOf('user_usage_limits', rowOf({ user_id: 'a', other_user_id: other }, notes));
    expect(limits(null)).toEqual([{ user_id: 'a' }, { $key: 'a' }]);
    expect(limits('"b"', note('b'))).toEqual([{ user_id: 'b' }, { $key: 'a' }]);
    expect(limits('5', note('5'))).toEqual([{ user_id: 5 }, { $key: 'a' }]);
    expect(limits(null, note('missing'))).toEqual([{}, { $key: 'a' }]);
    const explicit = rowOf({ user_id: 'a' }, [note('not storable')], '{"$null": ["user_id"]}');
    expect(legacyOf('user_usage_limits', explicit)).toEqual([{ user_id: null }, { $key: 'a' }]);
  });

  it('leaves out what was missing, unless it has a value now', () => {
    const extra = '{"$missing": ["consecutive_days", "recent_sessions"]}';
    const limits = (days: string, sessions: string) =>
      legacyOf(
        'user_usage_limits',
        rowOf({ consecutive_days: days, recent_sessions: sessions }, [], extra),
      )[0];
    expect(limits('0', '[]')).toEqual({});
    expect(limits('3', '[]')).toEqual({ consecutive_days: 3 });
    expect(limits('0', '[1]')).toEqual({ recent_sessions: [1] });
    const settings =
      '{"email_enabled": true, "email_address": "", "user_name": "", "reminder_days": [3, 1, 0], "timezone": "Asia/Tokyo", "enable_shame_system": false}';
    const user = (email: string | null) =>
      legacyOf(
        'users',
        rowOf({ notification_settings: settings, email }, [], '{"$missing": ["reminder_settings"]}'),
      )[0];
    expect(user(null)).toEqual({});
    expect(user('x')).toMatchObject({ reminder_settings: { email_address: 'x' } });
  });

  it('puts a test into the object that it was in, with its own id or without', () => {
    const test = (in_object: string, own: string | null) =>
      legacyOf('ab_tests', rowOf({ test_id: 'a', in_object, own_test_id: own, source_file: 'f.json' }));
    expect(test('f', null)).toEqual([{ test_id: 'a' }, { $file: 'f.json' }]);
    expect(test('t', null)).toEqual([{}, { $file: 'f.json', $key: 'a' }]);
    expect(test('t', '"b"')).toEqual([{ test_id: 'b' }, { $file: 'f.json', $key: 'a' }]);
  });
});

describe('reminder settings', () => {
  const settings = (text: string) => json(text) as JsonObject;

  it('R3: nothing is null, and goes back as nothing', () => {
    for (const [column, name] of [
      ['email', 'email_address'],
      ['username', 'user_name'],
    ] as const) {
      const field = fieldOf('users', column);
      expect(outcome(field, settings(`{"${name}": ""}`))).toBeNull();
      expect(outcome(field, settings(`{"${name}": "x"}`))).toBe('x');
      expect([outcome(field, settings('{}')), outcome(field, undefined)]).toEqual([null, null]);
      expect(outcome(field, settings(`{"${name}": 5}`))).toBe('WRONG_TYPE');
      const row = (text: string | null, kept: string | null) =>
        rowOf({ [column]: text, notification_settings: kept });
      expect(field.legacy!(row('x', '{}'))).toEqual(new JsonObject([[name, 'x']]));
      expect(field.legacy!(row(null, `{"${name}": "x"}`))).toEqual(new JsonObject([[name, '']]));
      // What the settings keep is what the record had.
      for (const kept of [null, '{}', `{"${name}": null}`, `{"${name}": ""}`]) {
        expect(field.legacy!(row(null, kept))).toBeUndefined();
      }
    }
  });

  it('R5: missing ones are the application’s, a stored null is not guessed', () => {
    const field = fieldOf('users', 'notification_settings');
    expect(JSON.parse(String(outcome(field, undefined)))).toEqual({
      email_enabled: true,
      email_address: '',
      user_name: '',
      reminder_days: [3, 1, 0],
      timezone: 'Asia/Tokyo',
      enable_shame_system: false,
    });
    expect(outcome(field, null)).toBe('NULL_VALUE');
  });
});

it.each(['consecutive_days', 'total_roleplay_sessions'])('R5: %s missing is 0, null is not', (column) => {
  const field = fieldOf('user_usage_limits', column);
  expect([outcome(field, undefined), outcome(field, null)]).toEqual([0, 'NULL_VALUE']);
});

it.each([
  'roleplay_sessions_remaining',
  'video_processing_minutes_used',
  'last_reset_date',
  'created_at',
  'updated_at',
])('%s is needed', (column) => {
  const field = fieldOf('user_usage_limits', column);
  expect([outcome(field, undefined), outcome(field, null)]).toEqual(['NULL_VALUE', 'NULL_VALUE']);
});

it('R10: the host’s zone is the named one', () => {
  expect(HOST_ZONE.name).toBe('Asia/Tokyo');
  const noon = new Date('2025-07-01T12:00:00+09:00');
  const local = noon.toLocaleString('sv-SE', { timeZone: HOST_ZONE.name }).replace(' ', 'T');
  const micros = (noon.getTime() - Date.UTC(2000, 0, 1)) * 1000;
  expect(outcome(fieldOf('user_usage_limits', 'last_reset_date'), local)).toBe(micros);
});

describe('the id of an A/B test (R16)', () => {
  const noted = (raw: Raw, key?: string) =>
    notesOf('ab_tests', 'test_id', raw, { $key: key, $file: 'data/ab_tests/x.json' });

  it('is its own, or its key in the file', () => {
    expect(noted('t')).toEqual(['t']);
    expect(noted('t', 't')).toEqual(['t']);
    expect(noted(undefined, 'k')).toEqual(['k']);
    expect(noted('t', 'k')).toEqual(['k', 't']);
  });

  it('is that of its file without one', () => {
    for (const raw of [undefined, null, '']) {
      expect(noted(raw)).toEqual(['data/ab_tests/x.json', 'none, known by its file']);
    }
    expect(noted(new JsonNumber('5'))).toEqual(['WRONG_TYPE']);
  });
});

describe('settings (R17)', () => {
  it.each(['smtp_password', 'token', 'OPENAI_API_KEY', 'dbPassword', 'bearer-token'])(
    '%s is left out, whatever it is',
    (key) => {
      for (const raw of ['secret', new JsonObject([['value', 'secret']]), ['secret']]) {
        expect(notesOf('application_settings', 'value', raw, { key })).toEqual([
          null,
          'a credential, left out',
        ]);
      }
    },
  );

  it('so are members of other settings, at any depth', () => {
    const raw = json('[{"smtp": {"host": "h", "SMTP_PASSWORD": "secret"}}]');
    expect(notesOf('application_settings', 'value', raw, { key: 'mail' }).map(String)).toEqual([
      '[{"smtp": {"host": "h"}}]',
      'left out',
    ]);
  });

  it.each(['words', 'max_tokens', 'tokens', 'constructor', 'passes', 'keywords'])('%s is kept', (key) => {
    const raw = new JsonObject([[key, ['a']]]);
    const [value, ...notes] = notesOf('application_settings', 'value', raw, { key });
    expect([String(value), notes]).toEqual([`{"${key}": ["a"]}`, []]);
  });
});

it('a model’s file is known by its name', () => {
  const scope = scopeOf({ $file: 'data/ml_models/日本/model.pkl' });
  expect(outcome(fieldOf('model_files', 'file_name'), undefined, scope)).toBe('model.pkl');
});
