import { naiveUtc } from '../../engine/contracts.ts';
import { LastText, type MakeLane, naiveUtcReader } from '../../engine/lane.ts';
import type { Field, RowScope, TableMapping } from '../../engine/mapping.ts';
import { Reject } from '../../engine/reject.ts';
import { parseNaiveTimestamp } from '../../engine/time.ts';
import { CellKind } from '../../sources/source.ts';
import { BAR_SECONDS, TIMEFRAMES } from './symbols.ts';

const SECOND = 1_000_000;
const HOUR = 3600 * SECOND;
/** The collectors ran on hosts in Japan: local wall time stored as UTC is nine hours ahead (H3). */
export const SHIFT = 9 * HOUR;
/** What a clock may be wrong, and `created_at` has no fraction: less than any shift between zones. */
const SLACK = HOUR / 2;

/**
 * The opening time of a bar.
 * H2: a time off its grid by less than an hour is kept and noted. H3: one that lies after its own insertion, or off its
 * grid by whole hours, is local time stored as UTC; it is quarantined, not guessed back.
 */
export function barTime(column: string): Field {
  const base = naiveUtc(column, { hazards: ['H2', 'H3'] });
  const convert: Field['convert'] = (raw, scope) => {
    const micros = Number(base.convert(raw, scope));
    notInFuture(micros, column, scope);
    const timeframe = String(scope.raw('timeframe'));
    const off = offGrid(micros, timeframe);
    if (off !== 0 && off % HOUR === 0) {
      throw new Reject('MISALIGNED_TIMESTAMP', column, `${off / HOUR} h off the ${timeframe} grid`);
    }
    if (off !== 0) scope.note('H2', column, String(raw));
    return micros;
  };
  return { ...base, convert, lane: { of: convert, make: pastLane(column, 'timeframe') } };
}

/** Microseconds that a time lies behind the last tick of its timeframe's grid; 0 for an unknown timeframe. */
function offGrid(micros: number, timeframe: string): number {
  const seconds = BAR_SECONDS.get(TIMEFRAMES.get(timeframe) ?? timeframe);
  if (seconds === undefined) return 0;
  const step = seconds * SECOND;
  return ((micros % step) + step) % step;
}

/** The time of a settled value, which can't lie after the row's insertion (H3). */
export function pastTime(column: string): Field {
  const base = naiveUtc(column, { hazards: ['H2', 'H3'] });
  const convert: Field['convert'] = (raw, scope) => {
    const micros = base.convert(raw, scope);
    notInFuture(Number(micros), column, scope);
    return micros;
  };
  return { ...base, convert, lane: { of: convert, make: pastLane(column) } };
}

/** A time that is not later than its row's insertion and, of a bar, on its grid. */
function pastLane(column: string, timeframeColumn?: string): MakeLane {
  const read = naiveUtcReader();
  const readLimit = naiveUtcReader();
  const timeframe = new LastText();
  let step = 1;
  return (place) => {
    const [at, created] = [place(column), place('created_at')];
    const frame = timeframeColumn === undefined ? -1 : place(timeframeColumn);
    return (cells, out) => {
      const micros = read(cells, at);
      if (Number.isNaN(micros)) return false;
      if (created >= 0 && cells.kinds[created] !== CellKind.null) {
        // Negated, so that a limit which can't be read is none of this lane's.
        if (!(micros <= readLimit(cells, created) + SLACK)) return false;
      }
      if (frame >= 0) {
        if (cells.kinds[frame] !== CellKind.text) return false;
        if (!timeframe.isIn(cells, frame)) {
          const name = timeframe.take(cells, frame);
          step = (BAR_SECONDS.get(TIMEFRAMES.get(name) ?? name) ?? 0) * SECOND;
        }
        if (step > 0 && micros % step !== 0) return false;
      }
      out.int64Field(micros);
      return true;
    };
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
export const shiftedCopies: NonNullable<TableMapping['watch']> = (place) => {
  const [symbol, timeframe, timestamp] = ['symbol', 'timeframe', 'timestamp'].map(place) as [
    number,
    number,
    number,
  ];
  const values = VALUES.map(place);
  const volume = values.at(-1)!;
  let series = { symbol: Buffer.alloc(0), timeframe: Buffer.alloc(0) };
  const seen = new Bars(values.length);
  return (row) => {
    if (!row.is(symbol, series.symbol) || !row.is(timeframe, series.timeframe)) {
      series = { symbol: Buffer.from(row.bytes(symbol)), timeframe: Buffer.from(row.bytes(timeframe)) };
      seen.clear();
    }
    const time = row.int64(timestamp);
    const at = seen.add(time);
    for (let i = 0; i < values.length; i++) seen.values[at + i] = row.float64(values[i]!);
    const earlier = seen.find(time - SHIFT);
    if (earlier < 0 || row.float64(volume) === 0) return;
    for (let i = 0; i < values.length; i++) if (seen.values[earlier + i] !== seen.values[at + i]) return;
    throw new Reject('SHIFTED_COPY', 'timestamp', 'all values of the bar nine hours earlier');
  };
};

/** Bars of one series as they come, without an object a bar. */
class Bars {
  /** So many of each bar. */
  values: Float64Array;
  #times = new Float64Array(1024);
  #oldest = 0;
  #end = 0;

  constructor(private readonly width: number) {
    this.values = new Float64Array(this.#times.length * width);
  }

  clear(): void {
    this.#oldest = 0;
    this.#end = 0;
  }

  /** @returns where its values are to be */
  add(time: number): number {
    if (this.#end === this.#times.length) this.#makeRoom();
    this.#times[this.#end] = time;
    return this.#end++ * this.width;
  }

  /**
   * Forgets what is older than this time.
   * @returns where the values of the bar with this time are, of several the last; -1 if there is none
   */
  find(time: number): number {
    const times = this.#times;
    let i = this.#oldest;
    while (i < this.#end && times[i]! < time) i++;
    while (i + 1 < this.#end && times[i + 1] === time) i++;
    this.#oldest = i;
    return i < this.#end && times[i] === time ? i * this.width : -1;
  }

  #makeRoom(): void {
    const { width } = this;
    const kept = this.#end - this.#oldest;
    const [times, values] = [this.#times.subarray(this.#oldest), this.values.subarray(this.#oldest * width)];
    if (kept * 2 > this.#times.length) {
      const size = this.#times.length * 2;
      this.#times = new Float64Array(size);
      this.values = new Float64Array(size * width);
    }
    this.#times.set(times);
    this.values.set(values);
    this.#oldest = 0;
    this.#end = kept;
  }
}
