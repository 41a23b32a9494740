import { closeSync, openSync, writeSync } from 'node:fs';
import { random } from '../../jobs/sample/random.ts';

const ACTIONS = [
  ['participant_registered', 'onsite', 'web'],
  ['speaker_registered', 'online', 'api'],
  ['talk_submitted', 'undecided', 'web'],
  ['participant_status_changed', 'onsite', '会場の受付'],
  ['reminder_sent', 'online', 'batch'],
] as const;

const EVENTS = 20;
const START = Date.UTC(2025, 0, 10, 3);
const TOKYO = 9 * 3_600_000;
const FLUSH_AT = 1 << 20;

export const EVENT_IDS: readonly string[] = Array.from(
  { length: EVENTS },
  (_, i) => `event-${String(i + 1).padStart(3, '0')}`,
);

/**
 * Writes `count` analytics events as the legacy server writes its file: one array, indented by two, in the order in which
 * they happened. The same for the same seed.
 */
export function writeEvents(path: string, seed: number, count: number): void {
  const values = random(seed, 'bench analytics');
  const file = openSync(path, 'w');
  let waiting = '[\n';
  let time = START;
  for (let i = 0; i < count; i++) {
    time += values.int(1, 20_000);
    const [action, kind, source] = values.pick(ACTIONS);
    const at = new Date(time).toISOString();
    const [weekday, day, month, year] = new Date(time + TOKYO).toUTCString().replace(',', '').split(' ');
    const document = {
      id: `${time}-${values.base36(9)}`,
      eventId: values.pick(EVENT_IDS),
      action,
      data: { participationType: kind, source, score: values.int(0, 10_000) / 100 },
      timestamp: at,
      date: `${weekday} ${month} ${day} ${year}`,
      createdAt: at,
      updatedAt: at,
    };
    const text = JSON.stringify([document], null, 2).slice(2, -2);
    waiting += i === 0 ? text : `,\n${text}`;
    if (waiting.length >= FLUSH_AT) {
      writeSync(file, waiting);
      waiting = '';
    }
  }
  writeSync(file, `${waiting}\n]`);
  closeSync(file);
}
