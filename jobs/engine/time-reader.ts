import type { Cells } from '../sources/source.ts';
import { localDay, MICROS_PER_DAY, parseNaiveTimestamp, parseZuluTimestamp, timeOfDay } from './time.ts';

/** A text where it lies, as microseconds since 2000; undefined for what is no time of the form. */
export type ReadTime = (
  cells: Pick<Cells, 'bytes' | 'view'>,
  start: number,
  size: number,
) => number | bigint | undefined;

/** `YYYY-MM-DD` and what stands behind it. */
const DATE = 11;
const Z = 90;

/** Reads `YYYY-MM-DD HH:MM:SS[.f{1,6}]`, see {@link timesOf}. */
export const naiveTimes = (): ReadTime => timesOf(parseNaiveTimestamp, 0);

/** Reads `YYYY-MM-DDTHH:MM:SS[.f{1,6}]Z`, see {@link timesOf}. */
export const zuluTimes = (): ReadTime => timesOf(parseZuluTimestamp, 1);

/**
 * Reads times one after the other. Neighbours mostly have one day: of a text that begins as the last one did only the time
 * of day is looked at.
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
    if (size < DATE + tail) return undefined;
    const isSameDay =
      view.getInt32(start) === century && view.getInt32(start + 4) === month && dayAt(view, start) === day;
    if (isSameDay && (tail === 0 || view.getUint8(start + size - 1) === Z)) {
      const time = timeOfDay(bytes, start + DATE, size - DATE - tail);
      if (time >= 0) return midnight + time;
    }
    const micros = parse(bytes, start, size);
    if (typeof micros === 'number') {
      century = view.getInt32(start);
      month = view.getInt32(start + 4);
      day = dayAt(view, start);
      midnight = localDay(micros, 0) * MICROS_PER_DAY;
    }
    return micros;
  };
}

/** The day's digits, and what separates it from the time. */
const dayAt = (view: DataView, start: number): number =>
  view.getUint16(start + 8) * 256 + view.getUint8(start + 10);
