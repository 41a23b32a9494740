import { checkedText, describe, doubleOf, stringOf, text } from '../../engine/contracts.ts';
import { withJsonLane, zuluIn } from '../../engine/json-lane.ts';
import { LastText } from '../../engine/lane.ts';
import { legacyDouble, noted } from '../../engine/legacy.ts';
import type { DuplicateVerdict, Field, KeyedRow } from '../../engine/mapping.ts';
import * as pg from '../../engine/pg-types.ts';
import { Reject } from '../../engine/reject.ts';
import { calendarDay, localDay, parseIsoTimestamp } from '../../engine/time.ts';
import { keyOf } from '../../engine/uuid.ts';
import { JsonNumber } from '../../sources/json-value.ts';
import { CellKind, type Raw } from '../../sources/source.ts';
import { byLegacyId, instant, SERVER_OFFSET_MINUTES } from './fields.ts';

const micros = (raw: Raw) =>
  typeof raw === 'string' ? parseIsoTimestamp(raw, SERVER_OFFSET_MINUTES)?.micros : undefined;

/** L10: an edit can leave an end that is not after the start; both are kept, and it is noted. */
export const endsAfterStart: Field = (() => {
  const base = instant('end_date', 'endDate', true);
  return {
    ...base,
    hazards: ['L9', 'L10'],
    convert(raw, scope) {
      const end = base.convert(raw, scope);
      const start = micros(scope.raw('date'));
      if (end !== null && start !== undefined && end <= start) scope.note('L10', 'endDate', String(raw));
      return end;
    },
  } satisfies Field;
})();

/** Providers that ignore dots and what follows a plus in the local part, as the application's normaliser knew them. */
const DOTLESS = new Set(['gmail.com', 'googlemail.com']);

/** What an address means: letter case never counts, at some providers dots and tags don't either (L3). */
export function emailKey(email: string): string {
  const lower = email.trim().toLowerCase();
  const at = lower.lastIndexOf('@');
  const domain = lower.slice(at + 1);
  if (at < 0 || !DOTLESS.has(domain)) return lower;
  return `${lower.slice(0, at).replace(/\+.*$/, '').replaceAll('.', '')}@gmail.com`;
}

export const emailKeyField: Field = {
  column: 'email_key',
  from: 'email',
  type: pg.text,
  stored: 'text',
  nullable: false,
  hazards: ['L3'],
  convert(raw) {
    if (raw === null || raw === undefined) throw new Reject('NULL_VALUE', 'email', describe(raw));
    return emailKey(stringOf(raw, 'email'));
  },
};

/**
 * L3: of two registrations of one address for one event the one that is not cancelled counts, then the earlier one. The
 * other is merged, so talks that name it find the one that counts. Two with one id are a matter of L1.
 */
export function onePerAddress(first: KeyedRow, second: KeyedRow, identical: boolean): DuplicateVerdict {
  if (first.value('legacy_id') === second.value('legacy_id')) return byLegacyId(first, second, identical);
  const cancelled = (row: KeyedRow) => (row.value('status') === 'cancelled' ? 1 : 0);
  const registered = (row: KeyedRow) => Number(row.value('created_at') ?? Number.MAX_SAFE_INTEGER);
  const better = cancelled(second) - cancelled(first) || registered(second) - registered(first);
  return { winner: better < 0 ? 'second' : 'first', loser: 'merge', rule: 'L3' };
}

/**
 * The speaker's name. L6: where a talk names no speaker but the address of a participant, that is a possible repair: it
 * is noted, never made.
 */
export const possibleSpeaker: Field = (() => {
  const base = text('speaker_name', { from: 'speakerName', nullable: true });
  return {
    ...base,
    hazards: ['L6'],
    convert(raw, scope) {
      const email = scope.raw('speakerEmail');
      const eventId = scope.raw('eventId');
      const speakerId = scope.raw('speakerId');
      if (
        (speakerId === undefined || speakerId === null) &&
        typeof email === 'string' &&
        typeof eventId === 'string'
      ) {
        const event = keyOf('lightning-talk', 'events', eventId).toString('hex');
        const found = scope.parent('participants by address', `${event} ${emailKey(email)}`);
        if (found !== undefined) scope.note('L6', 'speakerId', `participant ${found} has the same address`);
      }
      return base.convert(raw, scope);
    },
  } satisfies Field;
})();

/** L13: 0 is stored as a number, anything else as text like "4.33". */
export function averageRating(column: string, from: string): Field {
  return {
    column,
    from,
    type: pg.float8,
    stored: 'number',
    nullable: true,
    hazards: ['L13'],
    convert(raw, scope) {
      if (raw === undefined || raw === null) return null;
      if (raw instanceof JsonNumber && raw.isFinite) return doubleOf(raw, from);
      if (typeof raw === 'string' && /^\d+(\.\d+)?$/.test(raw)) {
        scope.note('L13', from, raw);
        return Number(raw);
      }
      if (raw instanceof JsonNumber) {
        scope.note('L27', from, raw.text);
        return null;
      }
      throw new Reject('BAD_NUMBER', from, describe(raw));
    },
    legacy(row) {
      const value = legacyDouble(row, column);
      const [text, token] = [noted(row, 'L13', from), noted(row, 'L27', from)];
      if (value === undefined) return token === undefined ? undefined : new JsonNumber(token);
      return text !== undefined && Number(text) === value ? text : value;
    },
  };
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const DATE_STRING = /^[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d\d) (\d{4})$/;

/** Days since 2000-01-01; undefined for another text. */
function dayOf(text: string): number | undefined {
  const match = DATE_STRING.exec(text);
  return match ? calendarDay(Number(match[3]), MONTHS.indexOf(match[1]!) + 1, Number(match[2])) : undefined;
}

/** L17: the day as JavaScript's toDateString() gave it in the server's zone; a day that its timestamp contradicts is noted. */
export const serverDate = withJsonLane<Field>(
  {
    column: 'server_date',
    from: 'date',
    type: pg.date,
    stored: 'text',
    nullable: true,
    hazards: ['L17'],
    convert(raw, scope) {
      if (raw === undefined || raw === null) return null;
      const day = dayOf(checkedText(raw, 'date').toString());
      if (day === undefined) throw new Reject('BAD_DATE', 'date', describe(raw));
      const time = micros(scope.raw('timestamp'));
      if (time !== undefined && localDay(time, SERVER_OFFSET_MINUTES) !== day)
        scope.note('L17', 'date', String(raw));
      return day;
    },
    legacy(row) {
      const day = row.text('server_date');
      if (day === null) return undefined;
      const [weekday, date, month, year] = new Date(`${day}T00:00:00Z`).toUTCString().split(/,? /);
      return year === undefined ? day : `${weekday} ${month} ${date} ${year}`;
    },
  },
  (_scope, place) => {
    const timestamp = place('timestamp');
    const last = new LastText();
    let day: number | undefined;
    return (cells, at, out) => {
      if (cells.kinds[at] !== CellKind.string) return false;
      if (!last.isIn(cells, at)) day = dayOf(last.take(cells, at));
      const time = zuluIn(cells, timestamp);
      if (day === undefined || time === undefined || localDay(time, SERVER_OFFSET_MINUTES) !== day)
        return false;
      pg.date.write(out, day);
      return true;
    };
  },
);
