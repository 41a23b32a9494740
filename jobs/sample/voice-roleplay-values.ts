import { DAY, HOUR } from './lightning-talk-values.ts';
import type { PythonValue } from './python-json.ts';

/** Planted as a setting in a file that is archived: it may be in the copy of that file, and nowhere else. */
export const PLANTED_SETTING = 'PLANTED-FAKE-SETTING';

export type PythonObject = { [key: string]: PythonValue };

/** A session as the application records it. */
export const session = (changes: PythonObject): PythonObject => ({
  session_id: '00000000-0000-4000-8000-000000000000',
  start_time: '2025-07-01T10:00:00',
  end_time: '2025-07-01T10:15:00',
  duration_minutes: 15,
  scenario_type: 'needs_assessment',
  performance_score: null,
  improvement_points: [],
  ...changes,
});

/** The settings that a record begins with. */
export const reminders = (changes: PythonObject): PythonObject => ({
  email_enabled: true,
  email_address: '',
  user_name: '',
  reminder_days: [3, 1, 0],
  timezone: 'Asia/Tokyo',
  enable_shame_system: false,
  ...changes,
});

/** A usage record as the application writes it. */
export const usage = (key: string, changes: PythonObject): PythonObject => ({
  user_id: key,
  video_processing_minutes_used: 0,
  roleplay_sessions_remaining: 60,
  last_reset_date: '2025-07-01T09:00:00.250000',
  created_at: '2025-06-01T09:00:00',
  updated_at: '2025-07-02T18:30:00.000001',
  last_roleplay_date: null,
  consecutive_days: 0,
  total_roleplay_sessions: 0,
  recent_sessions: [],
  recent_improvement_points: [],
  reminder_settings: reminders({}),
  ...changes,
});

/** Python's `isoformat()` of a local time in Japan; no fraction where there are no microseconds. */
export function localTime(ms: number, micros = 0): string {
  const text = new Date(ms + 9 * HOUR).toISOString().slice(0, 19);
  return micros === 0 ? text : `${text}.${String(micros).padStart(6, '0')}`;
}

/** A moment of record `at` of `count` in the half-year before August 2025. */
export const moment = (at: number, count: number): number =>
  Date.UTC(2025, 1, 1) + Math.floor((at * 170 * DAY) / Math.max(1, count));
