import { POSTGRES_EPOCH_MICROSECONDS } from './pg-types.ts';

export const MICROS_PER_DAY = 86_400_000_000;
const DAYS_1970_TO_2000 = 10_957;
const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Days from 1970-01-01 in the proleptic Gregorian calendar; undefined when there is no such day. */
function dayNumber(year: number, month: number, day: number): number | undefined {
  if (year < 1 || month < 1 || month > 12 || day < 1) return undefined;
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  if (day > DAYS_IN_MONTH[month - 1]! + (month === 2 && leap ? 1 : 0)) return undefined;
  // March as the first month puts the leap day at the end (Hinnant, "chrono-compatible low-level date algorithms").
  const y = month > 2 ? year : year - 1;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** Microseconds since 2000-01-01; a bigint where a double would lose some. */
function microsOf(days: number, microsOfDay: number): number | bigint {
  const sinceEpoch = days - DAYS_1970_TO_2000;
  return Math.abs(sinceEpoch) < 100_000
    ? sinceEpoch * MICROS_PER_DAY + microsOfDay
    : BigInt(sinceEpoch) * BigInt(MICROS_PER_DAY) + BigInt(microsOfDay);
}

/** The number of `count` ASCII digits at `at`, or -1. */
function digits(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = at; i < at + count; i++) {
    const digit = bytes[i]! - 48;
    if (!(digit >= 0 && digit <= 9)) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** A power of ten by a table: to raise one costs more than everything else about a time. */
const POWERS = [1, 10, 100, 1000, 10_000, 100_000];

const BLANK = 32;
const T = 84;
const Z = 90;

/**
 * `YYYY-MM-DD HH:MM:SS[.f{1,6}]` read as UTC, from bytes because this is the hottest contract.
 * @returns microseconds since 2000-01-01T00:00:00Z, or undefined when the text is anything else
 */
export function parseNaiveTimestamp(
  bytes: Uint8Array,
  start = 0,
  size = bytes.length - start,
): number | bigint | undefined {
  return parseUtc(bytes, start, size, BLANK);
}

/** `YYYY-MM-DDTHH:MM:SS[.f{1,6}]Z`; see `parseNaiveTimestamp`. */
export function parseZuluTimestamp(
  bytes: Uint8Array,
  start = 0,
  size = bytes.length - start,
): number | bigint | undefined {
  return bytes[start + size - 1] === Z ? parseUtc(bytes, start, size - 1, T) : undefined;
}

/** @param separator what stands between day and time */
function parseUtc(
  bytes: Uint8Array,
  start: number,
  size: number,
  separator: number,
): number | bigint | undefined {
  if (bytes[start + 4] !== 45 || bytes[start + 7] !== 45 || bytes[start + 10] !== separator) return undefined;
  const time = timeOfDay(bytes, start + 11, size - 11);
  if (time < 0) return undefined;
  const days = dayNumber(digits(bytes, start, 4), digits(bytes, start + 5, 2), digits(bytes, start + 8, 2));
  return days === undefined ? undefined : microsOf(days, time);
}

/** Microseconds of `HH:MM:SS[.f{1,6}]`; negative when the text is anything else. */
export function timeOfDay(bytes: Uint8Array, at: number, size: number): number {
  if (size !== 8 && (size < 10 || size > 15)) return -1;
  if (bytes[at + 2] !== 58 || bytes[at + 5] !== 58) return -1;
  const hour = digits(bytes, at, 2);
  const minute = digits(bytes, at + 3, 2);
  const second = digits(bytes, at + 6, 2);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return -1;
  const micros = ((hour * 60 + minute) * 60 + second) * 1_000_000;
  if (size === 8) return micros;
  const fraction = bytes[at + 8] === 46 ? digits(bytes, at + 9, size - 9) : -1;
  return fraction < 0 ? -1 : micros + fraction * POWERS[15 - size]!;
}

const ISO = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?(Z|[+-]\d\d:?\d\d)?)?$/;

/**
 * ISO 8601 as `Date.parse` reads it: a date alone is midnight UTC, a time without offset is local.
 * @param localOffsetMinutes the legacy server's offset from UTC, for texts without one
 * @returns microseconds since 2000-01-01T00:00:00Z and whether the zone was assumed; undefined when it is no such text
 */
export function parseIsoTimestamp(
  text: string,
  localOffsetMinutes: number,
): { micros: number | bigint; assumed: boolean } | undefined {
  const written = text.length === ISO_STRING_LENGTH ? parseIsoString(text) : undefined;
  if (written !== undefined) return { micros: written, assumed: false };
  const match = ISO.exec(text);
  if (!match) return undefined;
  const days = dayNumber(Number(match[1]), Number(match[2]), Number(match[3]));
  const hour = Number(match[4] ?? 0);
  const minute = Number(match[5] ?? 0);
  const second = Number(match[6] ?? 0);
  if (days === undefined || hour > 23 || minute > 59 || second > 59) return undefined;
  const zone = match[8];
  let offset = 0;
  if (match[4] !== undefined && zone === undefined) offset = localOffsetMinutes;
  else if (zone !== undefined && zone !== 'Z') {
    const hours = Number(zone.slice(1, 3));
    const minutes = Number(zone.slice(-2));
    if (hours > 23 || minutes > 59) return undefined;
    offset = (zone[0] === '-' ? -1 : 1) * (hours * 60 + minutes);
  }
  const fraction = Number((match[7] ?? '').padEnd(6, '0'));
  const micros = ((hour * 60 + minute - offset) * 60 + second) * 1_000_000 + fraction;
  return { micros: microsOf(days, micros), assumed: zone === undefined };
}

const ISO_STRING_LENGTH = '2025-01-10T03:00:00.000Z'.length;

/** The form that `toISOString` gives to a year of four digits, without a regular expression; undefined for any other. */
function parseIsoString(text: string): number | bigint | undefined {
  if (
    text.charCodeAt(4) !== 45 ||
    text.charCodeAt(7) !== 45 ||
    text.charCodeAt(10) !== T ||
    text.charCodeAt(13) !== 58 ||
    text.charCodeAt(16) !== 58 ||
    text.charCodeAt(19) !== 46 ||
    text.charCodeAt(23) !== Z
  ) {
    return undefined;
  }
  const year = digitsOf(text, 0, 4);
  const hour = digitsOf(text, 11, 2);
  const minute = digitsOf(text, 14, 2);
  const second = digitsOf(text, 17, 2);
  const millis = digitsOf(text, 20, 3);
  const days = year < 0 ? undefined : dayNumber(year, digitsOf(text, 5, 2), digitsOf(text, 8, 2));
  if (days === undefined || hour < 0 || minute < 0 || second < 0 || millis < 0) return undefined;
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  return microsOf(days, ((hour * 60 + minute) * 60 + second) * 1_000_000 + millis * 1000);
}

/** The number of `count` ASCII digits at `at`, or -1. */
function digitsOf(text: string, at: number, count: number): number {
  let value = 0;
  for (let i = at; i < at + count; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (!(digit >= 0 && digit <= 9)) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** Days since 2000-01-01 of an instant, seen from a zone. */
export function localDay(micros: number | bigint, offsetMinutes: number): number {
  if (typeof micros === 'number') {
    // The remainder of two doubles is exact, and so is the quotient of what is left.
    const local = micros + offsetMinutes * 60_000_000;
    const rest = local % MICROS_PER_DAY;
    return (local - (rest < 0 ? rest + MICROS_PER_DAY : rest)) / MICROS_PER_DAY;
  }
  const shifted = BigInt(micros) + BigInt(offsetMinutes) * 60_000_000n;
  const day = BigInt(MICROS_PER_DAY);
  return Number((shifted - (((shifted % day) + day) % day)) / day);
}

/** Milliseconds since 1970 of microseconds since 2000. */
export function epochMillis(micros: number | bigint): number {
  return (Number(micros) + POSTGRES_EPOCH_MICROSECONDS) / 1000;
}

/** Days since 2000-01-01 of a calendar day; undefined when there is no such day. */
export function calendarDay(year: number, month: number, day: number): number | undefined {
  const days = dayNumber(year, month, day);
  return days === undefined ? undefined : days - DAYS_1970_TO_2000;
}
