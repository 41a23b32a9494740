import type { Random } from './random.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
/** The legacy server ran in Japan. */
const TOKYO = 9 * HOUR;

export const iso = (ms: number): string => new Date(ms).toISOString();

/** An event's date as the organisers write it: `2025-07-30T19:00:00+09:00`. */
export const tokyoTime = (ms: number): string => `${new Date(ms + TOKYO).toISOString().slice(0, 19)}+09:00`;

/** JavaScript's `toDateString()` in the server's zone: `Mon Jun 30 2025`. */
export function tokyoDate(ms: number): string {
  const [weekday, day, month, year] = new Date(ms + TOKYO).toUTCString().replace(',', '').split(' ');
  return `${weekday} ${month} ${day} ${year}`;
}

/** 19:00 in Tokyo on the day of `ms` (UTC). */
export const evening = (ms: number): number => Math.floor(ms / DAY) * DAY + 10 * HOUR;

/** The legacy generator's id: epoch ms, then up to nine base-36 characters. */
export const legacyId = (ms: number, values: Random): string =>
  `${ms}-${values.base36(values.next() < 0.1 ? 8 : 9)}`;

const FAMILIES = [
  ['青葉', 'aoba'],
  ['白石', 'shiraishi'],
  ['若竹', 'wakatake'],
  ['月島', 'tsukishima'],
  ['風間', 'kazama'],
  ['水城', 'mizuki'],
  ['髙橋', 'takahashi'],
  ['花岡', 'hanaoka'],
] as const;
const GIVEN = [
  ['ひなた', 'hinata'],
  ['蓮', 'ren'],
  ['さくら', 'sakura'],
  ['健太', 'kenta'],
  ['美雪', 'miyuki'],
  ['大地', 'daichi'],
] as const;
const DOMAINS = ['example.com', 'example.org', 'example.net'];

/** A fictional person; the number makes the address unique. */
export function person(values: Random, number: number): { name: string; email: string } {
  const [family, familyInLatin] = values.pick(FAMILIES);
  const [given, givenInLatin] = values.pick(GIVEN);
  return {
    name: `${family} ${given}`,
    email: `${givenInLatin}.${familyInLatin}${number}@${values.pick(DOMAINS)}`,
  };
}

export const BROWSERS = [
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15',
  'Mozilla/5.0 (X11; Linux x86_64; rv:139.0) Gecko/20100101 Firefox/139.0',
  'curl/8.14.1',
];

/** A moment of record `at` of `count`, spread over the half-year of the ordinary records, in order. */
export const spread = (at: number, count: number): number => START + Math.floor((at * HALF_YEAR) / count);

const START = Date.UTC(2025, 0, 10, 3);
const HALF_YEAR = 170 * DAY;
