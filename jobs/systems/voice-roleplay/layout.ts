import type { JsonLayout } from '../../engine/mapping.ts';

/**
 * The zone of the host that the application ran on: what its times without an offset mean, whatever zone a user has in
 * their settings. Japan has had no daylight saving time since 1951, so one offset says it all.
 */
export const HOST_ZONE = { name: 'Asia/Tokyo', offsetMinutes: 540 } as const;

const LIMITS = ['**/usage_limits.json'];

/**
 * The application's working directory, with files in `data/`, `config/` and `app/config/`. They are found by name wherever
 * they lie below it; only usage_limits.json must be there, and once.
 */
export const layout: JsonLayout = {
  kind: 'json',
  landmark: 'usage_limits.json',
  root: 'named',
  writtenBy: 'python',
  folder: '.',
  // The plan's own backup is a folder data_backup_YYYYMMDD beside data.
  skip: ['.git', 'node_modules', '.venv', 'venv', '__pycache__', '*backup*'],
  refused: {
    '**/email_config.json': 'R17: it may hold the password of a mail server',
    '**/notification_config.json': 'R17: it may hold credentials',
  },
  around: {
    '**/*.wav': 'speech that was generated, and is made again when it is asked for',
  },
  collections: {
    usage_limits: {
      files: LIMITS,
      home: 'data/usage_limits.json',
      required: true,
      records: 'members',
    },
    recent_sessions: { files: LIMITS, required: true, records: 'members', each: 'recent_sessions' },
    // Not in the plan; the application keeps the last 1000 in it.
    reminder_logs: { files: ['**/reminder_logs.json'], home: 'data/reminder_logs.json' },
    reminder_scheduler: { files: ['**/reminder_scheduler.json'], records: 'document' },
    prompt_templates: { files: ['**/prompt_templates/*.json'], records: 'document' },
    // One test a file, or all of them in one by their ids: the program that wrote them is not known.
    ab_tests: {
      files: ['**/ab_tests/*.json'],
      home: 'data/ab_tests/*.json',
      records: 'document',
      keyedBy: 'test_id',
    },
    voice_settings: { files: ['**/voicevox/*.json'], records: 'document' },
    // Each member of the document is a setting.
    application_settings: {
      files: ['**/custom_analysis_config.json'],
      records: 'document',
      partsOr: 'EXTRA_SETTINGS',
    },
    model_status: { files: ['**/ml_models/model_status*.json'], records: 'document' },
    // A list of them, or one alone.
    predictions: { files: ['**/ml_models/predictions*.json'], records: 'any' },
    model_files: { files: ['**/ml_models/**/*'], records: 'file' },
  },
};
