import { setTimeout } from 'node:timers/promises';

/** A time of day, in minutes from midnight, local time. `to` may be before `from`: over midnight. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

const DAY_MINUTES = 24 * 60;
/** A clock may be set meanwhile, and a signal must be noticed. */
const LONGEST_WAIT_MS = 60_000;

/** How gentle a run is to the servers that it shares with others. */
export interface PaceOptions {
  readonly maxRowsPerSecond?: number | undefined;
  /** Nothing is written at other times. */
  readonly window?: Window | undefined;
}

/** `01:00-05:00`. @returns undefined for anything else */
export function parseWindow(text: string): Window | undefined {
  const match = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$/.exec(text);
  if (!match) return undefined;
  const [from, to] = [1, 3].map((at) => Number(match[at]) * 60 + Number(match[at + 1])) as [number, number];
  return from === to ? undefined : { from, to };
}

/** Milliseconds until the window is open; 0 when it is. */
export function untilOpen({ from, to }: Window, now: Date): number {
  const minutes = now.getHours() * 60 + now.getMinutes();
  const length = (to - from + DAY_MINUTES) % DAY_MINUTES;
  const since = (minutes - from + DAY_MINUTES) % DAY_MINUTES;
  if (since < length) return 0;
  return (DAY_MINUTES - since) * 60_000 - (now.getSeconds() * 1000 + now.getMilliseconds());
}

/** Lets rows pass at no more than a rate, and only within a window. One for each thread, with its share of the rate. */
export class Pace {
  /** When the rows that have passed are paid for, in ms of `performance.now()`. */
  #free = 0;

  constructor(
    private readonly options: PaceOptions,
    private readonly waiting: (until: Date) => void = () => {},
  ) {}

  /** Waits until so many rows may be written. @throws the signal's reason */
  async pass(rows: number, signal?: AbortSignal): Promise<void> {
    const { maxRowsPerSecond, window } = this.options;
    if (window) {
      for (;;) {
        const wait = untilOpen(window, new Date());
        if (wait === 0) break;
        this.waiting(new Date(Date.now() + wait));
        await sleep(Math.min(wait, LONGEST_WAIT_MS), signal);
      }
    }
    if (maxRowsPerSecond) {
      const now = performance.now();
      const wait = this.#free - now;
      if (wait > 0) await sleep(wait, signal);
      this.#free = Math.max(this.#free, now) + (rows / maxRowsPerSecond) * 1000;
    }
  }
}

/** Waits. @throws the signal's reason, as soon as it is aborted */
export async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await setTimeout(ms, undefined, { signal }).catch(() => {});
  signal?.throwIfAborted();
}
