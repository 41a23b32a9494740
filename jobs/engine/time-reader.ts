import type { Cells } from '../sources/source.ts';
import { parseNaiveTimestamp, parseZuluTimestamp } from './time.ts';

/** A text where it lies, as microseconds since 2000; undefined for what is no time of the form. */
export type ReadTime = (
  cells: Pick<Cells, 'bytes' | 'view'>,
  start: number,
  size: number,
) => number | bigint | undefined;

/** `YYYY-MM-DD` and what stands behind it. */
const DATE = 11;
/** `HH:MM:SS` */
const TIME = 8;
const DOT = 46;
const COLON = 58;
const ZERO = 48;
const Z = 90;

const MICROS_PER_DAY = 86_400_000_000;

/** Reads `YYYY-MM-DD HH:MM:SS[.f{1,6}]`, see {@link timesOf}. */
export const naiveTimes = (): ReadTime => timesOf(parseNaiveTimestamp, 0);

/** Reads `YYYY-MM-DDTHH:MM:SS[.f{1,6}]Z`, see {@link timesOf}. */
export const zuluTimes = (): ReadTime => timesOf(parseZuluTimestamp, 1);

/**
 * Reads times one after the other. Neighbours mostly have one day: of a text that begins as the last one did only the time
 * of day is looked at, if its fraction has no, three or six digits.
 * @param parse reads any text of the form
 * @param tail bytes behind the fraction
 */
function timesOf(
  parse: (bytes: Buffer, start: number, size: number) => number | bigint | undefined,
  tail: 0 | 1,
): ReadTime {
  // The first bytes of the last text as numbers, and when its day began.
  let [century, month, day] = [0, 0, 0];
  let midnight = 0;
  return ({ bytes, view }, start, size) => {
    if (size < DATE + TIME + tail) return undefined;
    const isSameDay =
      view.getInt32(start) === century && view.getInt32(start + 4) === month && dayAt(view, start) === day;
    if (isSameDay && (tail === 0 || view.getUint8(start + size - 1) === Z)) {
      const time = timeOfDay(view, start + DATE, size - DATE - tail);
      if (time >= 0) return midnight + time;
    }
    const micros = parse(bytes, start, size);
    if (typeof micros === 'number') {
      century = view.getInt32(start);
      month = view.getInt32(start + 4);
      day = dayAt(view, start);
      midnight = micros - (((micros % MICROS_PER_DAY) + MICROS_PER_DAY) % MICROS_PER_DAY);
    }
    return micros;
  };
}

/** The day's digits, and what separates it from the time. */
const dayAt = (view: DataView, start: number): number =>
  view.getUint16(start + 8) * 256 + view.getUint8(start + 10);

/** Microseconds of `HH:MM:SS`, `HH:MM:SS.fff` or `HH:MM:SS.ffffff`; negative for anything else. */
function timeOfDay(view: DataView, at: number, size: number): number {
  const hour = digitsAt(view, at);
  const minute = digitsAt(view, at + 3);
  const second = digitsAt(view, at + 6);
  if (view.getUint8(at + 2) !== COLON || view.getUint8(at + 5) !== COLON) return -1;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return -1;
  const time = ((hour * 60 + minute) * 60 + second) * 1_000_000;
  if (size === TIME) return time;
  const isMicros = size === TIME + 7;
  if ((!isMicros && size !== TIME + 4) || view.getUint8(at + TIME) !== DOT) return -1;
  const tenths = view.getUint8(at + TIME + 1) - ZERO;
  const thousandths = digitsAt(view, at + TIME + 2);
  if (tenths < 0 || tenths > 9 || thousandths < 0) return -1;
  const millis = tenths * 100 + thousandths;
  if (!isMicros) return time + millis * 1000;
  const next = view.getUint8(at + TIME + 4) - ZERO;
  const last = digitsAt(view, at + TIME + 5);
  return next < 0 || next > 9 || last < 0 ? -1 : time + millis * 1000 + next * 100 + last;
}

/** The number of two ASCII digits; negative for anything else. */
function digitsAt(view: DataView, at: number): number {
  const tens = view.getUint8(at) - ZERO;
  const ones = view.getUint8(at + 1) - ZERO;
  return tens < 0 || tens > 9 || ones < 0 || ones > 9 ? -1 : tens * 10 + ones;
}
