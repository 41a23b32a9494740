import { describe, expect, it } from 'vitest';
import { parseNaiveTimestamp, parseZuluTimestamp } from '../../jobs/engine/time.ts';
import { naiveTimes, zuluTimes } from '../../jobs/engine/time-reader.ts';
import { random } from '../../jobs/sample/random.ts';

const WRONG = [':', 'x', '/', ' ', 'T', 'Z', '.', '0', '9', '6', '\0', 'é'];

describe.each([
  { form: 'naive', times: naiveTimes, parse: parseNaiveTimestamp, separator: ' ', tail: '' },
  { form: 'Zulu', times: zuluTimes, parse: parseZuluTimestamp, separator: 'T', tail: 'Z' },
])('$form times one after the other', ({ times, parse, separator, tail }) => {
  it('are those that are read by themselves, whatever is wrong with them', () => {
    const pick = random(3, 'times', 0);
    const read = times();
    const two = (most: number) => String(pick.int(0, most)).padStart(2, '0');
    const found = new Set<string>();
    for (let i = 0; i < 60_000; i++) {
      const day = pick.pick([
        '1969-12-31',
        '2024-02-29',
        '2024-03-01',
        '2023-02-29',
        '0001-01-01',
        '9999-12-31',
      ]);
      const fraction = pick.pick([
        '',
        '.000000',
        `.${two(99)}${two(99)}${two(99)}`,
        `.${two(99)}0`,
        `.${two(99)}`,
        '.',
      ]);
      let text = `${day}${separator}${two(25)}:${two(61)}:${two(61)}${fraction}${tail}`;
      if (pick.next() < 0.4) {
        const at = pick.int(0, text.length - 1);
        text = text.slice(0, at) + pick.pick(WRONG) + text.slice(at + pick.int(0, 2));
      }
      // What stands around it says nothing.
      const bytes = Buffer.from(`99${text}00Z`);
      const size = bytes.length - 5;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const expected = parse(bytes, 2, size);
      const micros = read({ bytes, view }, 2, size);
      if (micros !== expected) throw new Error(`${text}: ${micros} instead of ${expected}`);
      found.add(typeof micros);
    }
    expect([...found].sort()).toEqual(['bigint', 'number', 'undefined']);
  });
});
