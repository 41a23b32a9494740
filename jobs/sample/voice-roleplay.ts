import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DAY, HOUR, MINUTE, person } from './lightning-talk-values.ts';
import type { Hazard, SampleSystem } from './manifest.ts';
import { PythonFile } from './python-file.ts';
import { float, indentedPythonJson, type PythonValue } from './python-json.ts';
import { random } from './random.ts';
import {
  type PlacedMark,
  type PlantedRecord,
  plantedFiles,
  plantedLogs,
  plantedPredictions,
  plantedUsers,
} from './voice-roleplay-hazards.ts';
import { localTime, moment, type PythonObject, reminders, session, usage } from './voice-roleplay-values.ts';

/** Ordinary records, when nothing else is asked for; an A/B test is a file. */
export const VOICE_ROLEPLAY_ROWS = { usage_limits: 12, reminder_logs: 20, ab_tests: 2, predictions: 6 };

type Rows = typeof VOICE_ROLEPLAY_ROWS;

/** Tables that are in the second database. */
const ANALYTICS: ReadonlySet<string> = new Set(['model_status', 'model_predictions', 'model_files']);

/** Writes the application's working directory: `<folder>/data`, `<folder>/config` and `<folder>/app/config`. */
export function writeVoiceRoleplay(folder: string, seed: number, rows: Rows): SampleSystem {
  const hazards: Hazard[] = [];
  const mark = (placed: PlacedMark, locator: string) => {
    const { table, mark } = placed;
    const [id, outcome, what] = mark;
    const system = ANALYTICS.has(table) ? 'voice-roleplay-analytics' : 'voice-roleplay';
    hazards.push({ id, system, entity: table, locator, what, outcome });
  };
  const open = (name: string, brackets: '[]' | '{}') => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    return new PythonFile(join(folder, name), brackets);
  };
  const collection = (
    name: string,
    brackets: '[]' | '{}',
    count: number,
    ordinary: (at: number) => { key?: string; record: PythonObject },
    planted: readonly PlantedRecord[],
  ) => {
    const file = open(name, brackets);
    for (let at = 0; at < count; at++) {
      const { key, record } = ordinary(at);
      file.add(record, key);
    }
    for (const { key, record, marks } of planted) {
      const locator = `${name}[${key === undefined ? file.count : JSON.stringify(key)}]`;
      for (const placed of marks) {
        mark(
          placed,
          placed.session === undefined ? locator : `${locator}.recent_sessions[${placed.session}]`,
        );
      }
      file.add(record, key);
    }
    file.close();
    return file.count;
  };
  const single = (name: string, content: string | Buffer) => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  };
  const document = (name: string, value: PythonValue) => single(name, indentedPythonJson(value));

  const counts = {
    usage_limits: collection(
      'data/usage_limits.json',
      '{}',
      rows.usage_limits,
      (at) => ({ key: userName(at), record: user(at, seed, rows) }),
      plantedUsers(),
    ),
    reminder_logs: collection(
      'data/reminder_logs.json',
      '[]',
      rows.reminder_logs,
      (at) => ({ record: log(at, seed, rows) }),
      plantedLogs(),
    ),
    ab_tests: rows.ab_tests,
    predictions: collection(
      'data/ml_models/predictions.json',
      '[]',
      rows.predictions,
      (at) => ({ record: prediction(at, seed, rows) }),
      plantedPredictions((changes) => ({ ...prediction(0, 0, rows), ...PLANTED_PREDICTION, ...changes })),
    ),
  };
  for (let at = 0; at < rows.ab_tests; at++) {
    const test = abTest(at, seed, rows);
    document(`data/ab_tests/${test.test_id}.json`, test);
  }
  for (const { path, content, marks } of plantedFiles()) {
    for (const placed of marks) mark(placed, placed.locator ?? path);
    single(path, content);
    if (path.startsWith('data/ab_tests/')) counts.ab_tests++;
  }
  document('data/ml_models/model_status.json', {
    quality_model_loaded: true,
    engagement_model_loaded: true,
    training_data_count: 250,
    model_version: '1.0.0',
    quality_r2_score: float(0.873),
    engagement_r2_score: float(0.791),
    trained_at: '2025-07-30T02:11:09.004511',
    feature_importance: { response_length: float(0.23), 敬語の割合: float(0.19) },
  });
  document('data/voicevox/voice_settings.json', {
    default_speaker_id: 6,
    speakers: { 1: { speaker: 11, style: 0 }, 6: { speaker: 15, style: 0 } },
  });
  // Speech that the application has made: no source.
  single('data/voicevox/output.wav', Buffer.from('RIFF$\0\0\0WAVEfmt '));
  return { rows: counts, hazards };
}

const userName = (at: number) => `user_${String(at + 1).padStart(3, '0')}`;

const SCENARIOS = [
  'initial_approach',
  'needs_assessment',
  'solution_presentation',
  'objection_handling',
  'closing',
  'follow_up',
];
const POINTS = ['結論から話す', '相づちを増やす 🙂', '“なぜ”を一度だけ聞く', '沈黙を待つ', '次の約束をとる'];
const TEMPLATES = ['premium_sales_expert', 'consultative_advisor', 'empathetic_supporter'];

function user(at: number, seed: number, rows: Rows): PythonObject {
  const values = random(seed, 'usage_limits', at);
  const created = moment(at, rows.usage_limits);
  const { name, email } = person(values, at);
  const recorded = Array.from({ length: at % 5 }, (_, n) => {
    const start = created + (n + 1) * DAY + values.int(0, 8) * HOUR;
    const minutes = 5 * values.int(1, 6);
    const micros = values.int(0, 999_999);
    return session({
      session_id: values.uuid(),
      start_time: localTime(start, micros),
      end_time: localTime(start + minutes * MINUTE, micros),
      duration_minutes: minutes,
      scenario_type: values.pick(SCENARIOS),
      performance_score: values.next() < 0.3 ? null : float(values.int(400, 999) / 1000),
      improvement_points: [values.pick(POINTS)],
    });
  });
  const last = recorded.at(-1);
  return usage(userName(at), {
    video_processing_minutes_used: values.int(0, 60),
    roleplay_sessions_remaining: 60 - recorded.length,
    last_reset_date: localTime(created, values.int(1, 999_999)),
    created_at: localTime(created),
    updated_at: localTime(created + 6 * DAY, values.int(1, 999_999)),
    last_roleplay_date: last ? last.start_time! : null,
    consecutive_days: recorded.length,
    total_roleplay_sessions: recorded.length,
    recent_sessions: recorded,
    recent_improvement_points: recorded.flatMap(
      ({ improvement_points }) => improvement_points as readonly PythonValue[],
    ),
    reminder_settings: reminders({
      email_enabled: at % 3 !== 2,
      email_address: at % 3 === 0 ? email : '',
      user_name: name,
      reminder_days: at % 4 === 3 ? [0] : [3, 1, 0],
    }),
  });
}

function log(at: number, seed: number, rows: Rows): PythonObject {
  const values = random(seed, 'reminder_logs', at);
  const failed = values.next() < 0.2;
  return {
    // A planted one where there are no ordinary users.
    user_id: rows.usage_limits === 0 ? 'family_1' : userName(at % rows.usage_limits),
    reminder_type: values.pick(['3days', '1day', 'same_day', 'escalation']),
    sent_at: localTime(moment(at, rows.reminder_logs), values.int(0, 999_999)),
    email_address: `user${at}@example.com`,
    success: !failed,
    error_message: failed ? 'Failed to send email' : null,
  };
}

function abTest(at: number, seed: number, rows: Rows): PythonObject & { test_id: string } {
  const values = random(seed, 'ab_tests', at);
  const begun = moment(at, rows.ab_tests);
  const running = at % 2 === 1;
  const id = `ab_test_${localTime(begun).replace(/[-:]/g, '').replace('T', '_')}_${at}`;
  return {
    test_id: id,
    test_name: `話し方の比較 ${at + 1}`,
    template_a_id: values.pick(TEMPLATES),
    template_b_id: values.pick(TEMPLATES),
    description: running ? '' : '初回の面談で比べる',
    target_sample_size: 100,
    status: running ? 'running' : 'completed',
    created_at: localTime(begun, values.int(0, 999_999)),
    stopped_at: running ? null : localTime(begun + 5 * DAY),
    sample_size_a: values.int(20, 50),
    sample_size_b: values.int(20, 50),
    avg_quality_a: float(values.int(500, 900) / 1000),
    avg_quality_b: float(values.int(500, 900) / 1000),
    p_value_quality: float(values.int(1, 999) / 1000),
    effect_size: float(values.int(-150, 150) / 100),
    winner: running ? null : 'premium_sales_expert',
  };
}

const PLANTED_PREDICTION: PythonObject = {
  predicted_quality: float(0.5),
  quality_confidence: float(0.5),
  predicted_engagement: float(0.5),
  prediction_timestamp: '2025-07-29T11:00:00',
};

function prediction(at: number, seed: number, rows: Rows): PythonObject {
  const values = random(seed, 'predictions', at);
  return {
    predicted_quality: float(values.int(300, 999) / 1000),
    quality_confidence: float(values.int(300, 999) / 1000),
    predicted_engagement: float(values.int(300, 999) / 1000),
    feature_importance: { response_length: float(values.int(1, 99) / 100) },
    improvement_suggestions: [values.pick(POINTS)],
    prediction_timestamp: localTime(moment(at, rows.predictions), values.int(0, 999_999)),
    model_version: '1.0.0',
  };
}
