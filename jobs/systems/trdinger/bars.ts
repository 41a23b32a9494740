import { naiveUtc } from '../../engine/contracts.ts';
import type { Field, RowScope, TableMapping } from '../../engine/mapping.ts';
import { Reject } from '../../engine/reject.ts';
import { parseNaiveTimestamp } from '../../engine/time.ts';
import { BAR_SECONDS, TIMEFRAMES } from './symbols.ts';

const SECOND = 1_000_000;
const HOUR = 3600 * SECOND;
/** The collectors ran on hosts in Japan: local wall time stored as UTC is nine hours ahead (H3). */
const SHIFT = 9 * HOUR;
/** What a clock may be wrong, and `created_at` has no fraction: less than any shift between zones. */
const SLACK = HOUR / 2;

/**
 * The opening time of a bar.
 * H2: a time off its grid by less than an hour is kept and noted. H3: one that lies after its own insertion, or off its
 * grid by whole hours, is local time stored as UTC; it is quarantined, not guessed back.
 */
export function barTime(column: string): Field {
  const base = naiveUtc(column, { hazards: ['H2', 'H3'] });
  return {
    ...base,
    convert(raw, scope) {
      const micros = Number(base.convert(raw, scope));
      notInFuture(micros, column, scope);
      const timeframe = String(scope.raw('timeframe'));
      const seconds = BAR_SECONDS.get(TIMEFRAMES.get(timeframe) ?? timeframe);
      const off =
        seconds === undefined ? 0 : ((micros % (seconds * SECOND)) + seconds * SECOND) % (seconds * SECOND);
      if (off !== 0 && off % HOUR === 0) {
        throw new Reject('MISALIGNED_TIMESTAMP', column, `${off / HOUR} h off the ${timeframe} grid`);
      }
      if (off !== 0) scope.note('H2', column, String(raw));
      return micros;
    },
  };
}

/** The time of a settled value, which can't lie after the row's insertion (H3). */
export function pastTime(column: string): Field {
  const base = naiveUtc(column, { hazards: ['H2', 'H3'] });
  return {
    ...base,
    convert(raw, scope) {
      const micros = base.convert(raw, scope);
      notInFuture(Number(micros), column, scope);
      return micros;
    },
  };
}

function notInFuture(micros: number, column: string, scope: RowScope): void {
  const inserted = scope.raw('created_at');
  const limit = Buffer.isBuffer(inserted) ? parseNaiveTimestamp(inserted) : undefined;
  if (limit !== undefined && micros > Number(limit) + SLACK) {
    throw new Reject('FUTURE_TIMESTAMP', column, `later than the row's created_at ${inserted}`);
  }
}

const VALUES = ['open', 'high', 'low', 'close', 'volume'];

/** H3: a bar that repeats all five values of the bar nine hours earlier is that bar, stored again in local time. */
export const shiftedCopies: NonNullable<TableMapping['watch']> = () => {
  let series = '';
  let seen = new Map<number, unknown[]>();
  return (value) => {
    const now = `${value('symbol')} ${value('timeframe')}`;
    if (now !== series) {
      series = now;
      seen = new Map();
    }
    const time = Number(value('timestamp'));
    const values = VALUES.map(value);
    const earlier = seen.get(time - SHIFT);
    seen.set(time, values);
    for (const old of seen.keys()) {
      if (old >= time - SHIFT) break;
      seen.delete(old);
    }
    if (earlier && value('volume') !== 0 && values.every((each, i) => each === earlier[i])) {
      throw new Reject('SHIFTED_COPY', 'timestamp', 'all values of the bar nine hours earlier');
    }
  };
};
