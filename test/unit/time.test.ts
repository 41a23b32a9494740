import { describe, expect, it } from 'vitest';
import {
  calendarDay,
  epochMillis,
  localDay,
  parseIsoTimestamp,
  parseNaiveTimestamp,
} from '../../jobs/engine/time.ts';

const naive = (text: string) => parseNaiveTimestamp(Buffer.from(text));
const TOKYO = 540;

describe('YYYY-MM-DD HH:MM:SS[.ffffff] without a zone', () => {
  // Microseconds since 2000-01-01T00:00:00Z as PostgreSQL 17 stores `timestamptz '… Z'`.
  it.each([
    ['2000-01-01 00:00:00', 0n],
    ['1999-12-31 23:59:59.999999', -1n],
    ['1970-01-01 00:00:00', -946_684_800_000_000n],
    ['2025-06-06 00:00:00', 802_483_200_000_000n],
    ['2025-06-06 01:00:00.123456', 802_486_800_123_456n],
    ['2024-02-29 12:34:56.5', 762_525_296_500_000n],
    ['1900-03-01 00:00:00', -3_150_576_000_000_000n],
    ['0001-01-01 00:00:00', -63_082_281_600_000_000n],
    ['9999-12-31 23:59:59.999999', 252_455_615_999_999_999n],
  ])('%s', (text, micros) => {
    expect(BigInt(naive(text)!)).toBe(micros);
  });

  it.each([
    ['.5', 500_000],
    ['.50', 500_000],
    ['.123', 123_000],
    ['.1234', 123_400],
    ['.12345', 123_450],
    ['.123456', 123_456],
    ['.000001', 1],
    ['.000000', 0],
  ])('the fraction %s', (fraction, micros) => {
    expect(naive(`2000-01-01 00:00:00${fraction}`)).toBe(micros);
  });

  it.each(['1900-02-28', '2000-02-29', '2024-02-29', '2023-02-28', '2024-12-31', '2024-04-30'])(
    '%s is a day',
    (day) => {
      expect(epochMillis(naive(`${day} 00:00:00`)!)).toBe(Date.parse(`${day}T00:00:00Z`));
    },
  );

  it.each([
    '2023-02-29 00:00:00', // no leap year
    '1900-02-29 00:00:00', // nor this one
    '2024-02-30 00:00:00',
    '2024-04-31 00:00:00',
    '2024-00-01 00:00:00',
    '2024-13-01 00:00:00',
    '2024-01-00 00:00:00',
    '2024-01-32 00:00:00',
    '0000-01-01 00:00:00',
    '2024-01-01 24:00:00',
    '2024-01-01 23:60:00',
    '2024-01-01 23:59:60',
    '2024-01-01T00:00:00',
    '2024-01-01 00:00:00Z',
    '2024-01-01 00:00:00+00:00',
    '2024-01-01 00:00:00 ',
    ' 2024-01-01 00:00:00',
    '2024-01-01 00:00:00.',
    '2024-01-01 00:00:00.1234567',
    '2024-01-01 00:00:00,5',
    '2024-01-01 00:00:00.5 ',
    '2024-01-01 00:00:00.-5',
    '2024-01-01 00:00',
    '2024-01-01',
    '2024/01/01 00:00:00',
    '2024-1-01 000:00:00',
    '-024-01-01 00:00:00',
    '２０２４-01-01 00:00:00',
    'yesterday',
    '',
  ])('refuses %j', (text) => {
    expect(naive(text)).toBeUndefined();
  });

  it('knows the number of every day from 1899 to 2101', () => {
    for (let ms = Date.UTC(1899, 0, 1); ms < Date.UTC(2101, 0, 1); ms += 86_400_000) {
      const day = new Date(ms).toISOString().slice(0, 10);
      if (epochMillis(naive(`${day} 00:00:00`)!) !== ms) expect.fail(day);
    }
  });
});

describe('ISO 8601', () => {
  const parsed = (text: string) => parseIsoTimestamp(text, TOKYO);

  it.each([
    ['2025-06-29T15:16:56.399Z', 804_525_416_399_000],
    ['2025-07-30T19:00:00+09:00', 807_184_800_000_000],
    ['2025-07-30T19:00:00+0900', 807_184_800_000_000],
    ['2025-07-30T10:00Z', 807_184_800_000_000],
    ['2025-07-30T10:00:00.123456-00:30', 807_186_600_123_456],
  ])('%s says its zone', (text, micros) => {
    expect(parsed(text)).toEqual({ micros, assumed: false });
  });

  it('a date alone is midnight UTC, a time alone is the server’s, and either is an assumption', () => {
    // 2025-09-01T00:00:00Z and 2025-09-01T10:00:00Z
    expect(parsed('2025-09-01')).toEqual({ micros: 810_000_000_000_000, assumed: true });
    expect(parsed('2025-09-01T19:00:00')).toEqual({ micros: 810_036_000_000_000, assumed: true });
    expect(parsed('2025-09-01T19:00')).toEqual({ micros: 810_036_000_000_000, assumed: true });
  });

  it.each([
    '2025-02-30T00:00:00Z', // JavaScript reads it as the second of March
    '2025-01-01T24:00:00Z',
    '2025-01-01T00:00:00.1234567Z', // JavaScript drops a digit
    '2025-01-01T00:00:00.Z',
    '2025-01-01T00:00:60Z',
    '2025-01-01T00:60:00Z',
    '2025-01-01T00:00:00+24:00',
    '2025-01-01T00:00:00+09:60',
    '2025-01-01T00:00:00+99:99',
    '2025-01-01T00:00:00+9',
    '2025-01-01 00:00:00Z',
    '2025-01-01T00:00:00z',
    '2025-01-01Z',
    '2025-01-01T19Z',
    '2025-01',
    '2025',
    '2025-1-1',
    '0000-01-01',
    '+002025-01-01T00:00:00Z',
    '2025-01-01T00:00:00Z ',
    ' 2025-01-01',
    '2025-01-01\n',
    'Mon Jun 30 2025',
    '',
  ])('refuses %j', (text) => {
    expect(parsed(text)).toBeUndefined();
  });

  it('means the same instant as JavaScript, for thousands of texts', () => {
    const zones = ['Z', '+00:00', '-00:00', '+09:00', '-09:30', '+0530', '+14:00', '-12:00', '+23:59'];
    const fractions = ['', '.1', '.12', '.123'];
    let n = 0;
    for (let ms = Date.UTC(1850, 0, 1, 1, 2, 3); ms < Date.UTC(2150, 0, 1); ms += 29_123_456_789) {
      const text = new Date(ms).toISOString().slice(0, 19);
      for (const zone of zones) {
        const full = `${text}${fractions[n++ % fractions.length]}${zone}`;
        const found = parsed(full);
        if (found === undefined || found.assumed || epochMillis(found.micros) !== Date.parse(full)) {
          expect.fail(full);
        }
      }
      const local = parsed(text)!;
      if (epochMillis(local.micros) !== Date.parse(`${text}+09:00`)) expect.fail(text);
    }
    expect(n).toBeGreaterThan(2000);
  });
});

describe('days', () => {
  it.each([
    ['2025-06-29T14:59:59.999999Z', 9311], // 23:59 of the 29th in Tokyo
    ['2025-06-29T15:00:00Z', 9312], // midnight of the 30th there
    ['1999-12-31T14:59:59Z', -1],
    ['1999-12-31T15:00:00Z', 0],
    ['0001-01-01T00:00:00Z', -730_119],
  ])('%s seen from Tokyo', (text, day) => {
    expect(localDay(parseIsoTimestamp(text, TOKYO)!.micros, TOKYO)).toBe(day);
  });

  it('of the calendar', () => {
    expect(calendarDay(2025, 6, 30)).toBe(9312);
    expect(calendarDay(2000, 1, 1)).toBe(0);
    expect(calendarDay(2025, 2, 29)).toBeUndefined();
    // A month that JavaScript's names don't have is searched for as -1.
    expect(calendarDay(2025, 0, 1)).toBeUndefined();
  });
});
