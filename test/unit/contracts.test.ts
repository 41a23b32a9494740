import { describe, expect, it } from 'vitest';
import * as contract from '../../jobs/engine/contracts.ts';
import type { LegacyRow } from '../../jobs/engine/mapping.ts';
import { Reject } from '../../jobs/engine/reject.ts';
import { parseJson } from '../../jobs/sources/json-parse.ts';
import { JsonNumber, JsonObject } from '../../jobs/sources/json-value.ts';
import { outcome, scopeOf } from '../records.ts';

const number = (text: string) => new JsonNumber(text);
const bytes = (text: string) => Buffer.from(text);
const BROKEN_UTF8 = Buffer.from([0xe6, 0x88]);

describe('null and missing', () => {
  const fields = {
    text: contract.text('f'),
    integer: contract.integer('f'),
    bigint: contract.bigint('f'),
    double: contract.double('f'),
    bool: contract.bool('f'),
    lenientBool: contract.lenientBool('f', 'L7'),
    lenientInteger: contract.lenientInteger('f', 'L12'),
    naiveUtc: contract.naiveUtc('f'),
    isoInstant: contract.isoInstant('f', { rule: 'L9', localOffsetMinutes: 540 }),
    localInstant: contract.localInstant('f', { rule: 'R11', localOffsetMinutes: 540 }),
    json: contract.json('f', { nonFinite: 'H4' }),
  };

  it.each(Object.entries(fields))('%s refuses both', (_name, field) => {
    expect(outcome(field, null)).toBe('NULL_VALUE');
    expect(outcome(field, undefined)).toBe('NULL_VALUE');
  });

  it('a nullable field stores both as null, and says so', () => {
    const field = contract.text('f', { nullable: true });
    expect([outcome(field, null), outcome(field, undefined), field.nullable]).toEqual([null, null, true]);
  });

  it('a default of the application stands for what is missing, not for a stored null', () => {
    const field = contract.integer('f', { missing: 5, nullable: true });
    expect([outcome(field, undefined), outcome(field, null)]).toEqual([5, null]);
  });

  it('the reason names the source field', () => {
    const field = contract.text('speaker_name', { from: 'speakerName' });
    expect(() => field.convert(null, scopeOf())).toThrow(new Reject('NULL_VALUE', 'speakerName', 'null'));
  });
});

describe('text', () => {
  const field = contract.text('f');

  it('passes bytes and strings through as they are', () => {
    expect(outcome(field, '  日本 𠮷\n')).toBe('  日本 𠮷\n');
    expect(outcome(field, bytes('é'))).toEqual(bytes('é'));
    expect(outcome(field, '')).toBe('');
  });

  it.each([
    ['NUL_CHARACTER', 'a\0b'],
    ['NUL_CHARACTER', bytes('a\0b')],
    ['INVALID_UTF8', BROKEN_UTF8],
    ['LONE_SURROGATE', 'a\ud83d'],
    ['LONE_SURROGATE', '\ude00a'],
    ['WRONG_TYPE', number('1')],
    ['WRONG_TYPE', 1n],
    ['WRONG_TYPE', 1.5],
    ['WRONG_TYPE', true],
    ['WRONG_TYPE', ['a']],
    ['WRONG_TYPE', new JsonObject()],
  ])('%s: %o', (code, raw) => {
    expect(outcome(field, raw)).toBe(code);
  });
});

describe('integers', () => {
  const small = contract.integer('f');
  const large = contract.bigint('f');

  it.each([
    [5n, 5],
    [5, 5],
    [number('-2147483648'), -2147483648],
    [2147483647n, 2147483647],
    [number('-0'), 0],
  ])('integer takes %o', (raw, value) => {
    expect(outcome(small, raw)).toBe(value);
    expect(outcome(large, raw)).toBe(BigInt(value));
  });

  it('bigint keeps all 64 bits', () => {
    expect(outcome(large, number('9223372036854775807'))).toBe(9223372036854775807n);
    expect(outcome(large, -(2n ** 63n))).toBe(-(2n ** 63n));
  });

  it.each([
    [2147483648n, 'OUT_OF_RANGE'],
    [number('-2147483649'), 'OUT_OF_RANGE'],
    [1.5, 'BAD_INTEGER'],
    [2 ** 53, 'BAD_INTEGER'], // a double of this size may be a neighbour
    [Number.POSITIVE_INFINITY, 'BAD_INTEGER'],
    [number('1.0'), 'BAD_INTEGER'],
    [number('1e3'), 'BAD_INTEGER'],
    [number('NaN'), 'BAD_INTEGER'],
    ['5', 'BAD_INTEGER'],
    [bytes('5'), 'BAD_INTEGER'],
    [true, 'BAD_INTEGER'],
  ])('integer refuses %o: %s', (raw, code) => {
    expect(outcome(small, raw)).toBe(code);
  });

  it.each([
    [2n ** 63n, 'OUT_OF_RANGE'],
    [number('-9223372036854775809'), 'OUT_OF_RANGE'],
    [number('1.5'), 'BAD_INTEGER'],
  ])('bigint refuses %o: %s', (raw, code) => {
    expect(outcome(large, raw)).toBe(code);
  });

  it('a form’s text is an integer where a rule says so, and noted', () => {
    const field = contract.lenientInteger('duration', 'L12');
    const scope = scopeOf();
    expect(outcome(field, '7', scope)).toBe(7);
    expect(outcome(field, '-12', scope)).toBe(-12);
    expect(scope.notes).toEqual([
      { rule: 'L12', path: 'duration', was: '7' },
      { rule: 'L12', path: 'duration', was: '-12' },
    ]);
    expect(field.hazards).toEqual(['L12']);
  });

  it.each(['five', '', ' 7', '7.0', '0x7', '1e3', '9999999999', '+7', '７'])('but not %o', (raw) => {
    const scope = scopeOf();
    expect(outcome(contract.lenientInteger('duration', 'L12'), raw, scope)).toBe('BAD_INTEGER');
    expect(scope.notes).toEqual([]);
  });
});

describe('doubles', () => {
  const field = contract.double('volume', { infinite: 'H4' });

  it.each([
    [1.5, 1.5],
    [5e-324, 5e-324],
    [-0, -0],
    [number('1e-05'), 1e-5],
    [number('-0.0'), -0],
    [number('0.1'), 0.1],
    [number('0e-400'), 0],
    [number('2.5e-324'), 5e-324],
    [5n, 5],
    [2n ** 60n, 2 ** 60],
  ])('take %o', (raw, value) => {
    const scope = scopeOf();
    expect(outcome(field, raw, scope)).toBe(value);
    expect(scope.notes).toEqual([]);
  });

  it('keep an infinity and note it', () => {
    const scope = scopeOf();
    expect(outcome(field, Number.POSITIVE_INFINITY, scope)).toBe(Number.POSITIVE_INFINITY);
    expect(outcome(field, number('-Infinity'), scope)).toBe(Number.NEGATIVE_INFINITY);
    expect(scope.notes).toEqual([
      { rule: 'H4', path: 'volume', was: 'Infinity' },
      { rule: 'H4', path: 'volume', was: '-Infinity' },
    ]);
  });

  it.each([
    [2n ** 53n + 1n, 'INEXACT_NUMBER'],
    [number('1e400'), 'OUT_OF_RANGE'], // no infinity in the source, so none in the target
    [number('-1e400'), 'OUT_OF_RANGE'],
    [number('1e-400'), 'OUT_OF_RANGE'],
    ['1.5', 'WRONG_TYPE'],
    [bytes('n/a'), 'WRONG_TYPE'],
    [false, 'WRONG_TYPE'],
  ])('refuse %o: %s', (raw, code) => {
    expect(outcome(field, raw)).toBe(code);
  });
});

describe('booleans', () => {
  it('are JSON’s own, or 0 and 1 of SQLite', () => {
    const field = contract.bool('f');
    expect([true, false, 1n, 0n].map((raw) => outcome(field, raw))).toEqual([true, false, true, false]);
    for (const raw of [2n, 1, number('1'), 'true', bytes('1')]) {
      expect(outcome(field, raw)).toBe('BAD_BOOLEAN');
    }
  });

  it.each([
    ['true', true, '"true"'],
    ['1', true, '"1"'],
    ['false', false, '"false"'],
    ['0', false, '"0"'],
    [number('1'), true, '1'],
    [number('0'), false, '0'],
  ])('of a form: %o is noted as it was', (raw, value, was) => {
    const scope = scopeOf();
    expect(outcome(contract.lenientBool('newsletter', 'L7'), raw, scope)).toBe(value);
    expect(scope.notes).toEqual([{ rule: 'L7', path: 'newsletter', was }]);
  });

  it.each(['maybe', 'TRUE', '', ' true', number('2'), number('1.0'), []])('of a form: not %o', (raw) => {
    expect(outcome(contract.lenientBool('newsletter', 'L7'), raw)).toBe('BAD_BOOLEAN');
  });

  it('of a form: a boolean needs no note', () => {
    const scope = scopeOf();
    expect(outcome(contract.lenientBool('newsletter', 'L7'), false, scope)).toBe(false);
    expect(scope.notes).toEqual([]);
  });
});

describe('times', () => {
  it('without a zone come as bytes and mean UTC', () => {
    const field = contract.naiveUtc('timestamp');
    expect(outcome(field, bytes('2000-01-01 00:00:01.5'))).toBe(1_500_000);
    for (const raw of [bytes('yesterday'), bytes('2000-01-01T00:00:00'), '2000-01-01 00:00:00', 0n]) {
      expect(outcome(field, raw)).toBe('BAD_TIMESTAMP');
    }
  });

  it('in ISO 8601: an assumed zone is noted', () => {
    const field = contract.isoInstant('date', { rule: 'L9', localOffsetMinutes: 540 });
    const scope = scopeOf();
    expect(outcome(field, '2000-01-01T09:00:00+09:00', scope)).toBe(0);
    expect(scope.notes).toEqual([]);
    expect(outcome(field, '2000-01-01T09:00:00', scope)).toBe(0);
    expect(scope.notes).toEqual([{ rule: 'L9', path: 'date', was: '2000-01-01T09:00:00' }]);
    for (const raw of ['tomorrow', number('0'), '2025-02-30T00:00:00Z']) {
      expect(outcome(field, raw)).toBe('BAD_TIMESTAMP');
    }
  });
});

describe('a local time in ISO 8601', () => {
  const field = contract.localInstant('at', { rule: 'R11', localOffsetMinutes: 540 });
  const noted = (raw: string) => {
    const scope = scopeOf();
    return [outcome(field, raw, scope), scope.notes.map(({ rule, path, was }) => [rule, path, was])];
  };

  it.each([
    ['2000-01-01T09:00:00', 0],
    ['2000-01-01T09:00:00.000001', 1],
    ['1999-12-31T23:59:59.999999', -32_400_000_001],
  ])('%s is the usual form', (raw, micros) => {
    expect(noted(raw)).toEqual([micros, []]);
  });

  it.each([
    ['2000-01-01T00:00:00Z', 0],
    ['2000-01-01T00:00:00.000001+00:00', 1],
    ['2000-01-01T02:00:00+02:00', 0],
    ['2000-01-01', -32_400_000_000],
    ['2000-01-01T09:00:00.5', 500_000],
    ['2000-01-01T09:00:00.000000', 0],
    ['2000-01-01T09:00', 0],
  ])('%s is noted', (raw, micros) => {
    expect(noted(raw)).toEqual([micros, [['R11', 'at', raw]]]);
  });

  it.each(['', 'now', '2025-02-29T00:00:00', '2025-01-01T24:00:00', '2025-01-01 00:00:00', '2025-02-30'])(
    '%j is none',
    (raw) => expect(outcome(field, raw)).toBe('BAD_TIMESTAMP'),
  );

  const back = (text: string | null, notes: LegacyRow['notes'] = []) =>
    field.legacy!({ text: () => text, notes, nameOf: () => undefined, keyOf: () => undefined });

  it('goes back in the form that Python writes, a noted one as it was while it still fits', () => {
    expect(back('2000-01-01 00:00:00+00')).toBe('2000-01-01T09:00:00');
    expect(back('1999-12-31 23:59:59.1+00')).toBe('2000-01-01T08:59:59.100000');
    expect(back(null)).toBeUndefined();
    const notes = [{ rule: 'R11', path: 'at', was: '2000-01-01T00:00:00Z' }];
    expect(back('2000-01-01 00:00:00+00', notes)).toBe('2000-01-01T00:00:00Z');
    expect(back('2000-01-01 00:00:01+00', notes)).toBe('2000-01-01T09:00:01');
  });
});

describe('a score', () => {
  const field = contract.score('f', { nonFinite: 'R6', outside: 'R7' });
  const noted = (text: string) => {
    const scope = scopeOf();
    return [outcome(field, number(text), scope), ...scope.notes.map(({ rule, was }) => `${rule} ${was}`)];
  };

  it('within its bounds is any double', () => {
    for (const text of ['0', '1', '0.1', '1e-3']) expect(noted(text)).toEqual([Number(text)]);
    expect([outcome(field, null), outcome(field, undefined)]).toEqual([null, null]);
  });

  it('outside is kept, and noted', () => {
    expect(noted('1.25')).toEqual([1.25, 'R7 1.25']);
    expect(noted('-0.5')).toEqual([-0.5, 'R7 -0.5']);
  });

  it('that is no number of a size is null, and noted', () => {
    for (const text of ['NaN', 'Infinity', '-Infinity']) expect(noted(text)).toEqual([null, `R6 ${text}`]);
  });

  it('is no text', () => {
    expect(outcome(field, '0.5')).toBe('WRONG_TYPE');
  });
});

describe('JSON documents', () => {
  const field = contract.json('metrics', { nonFinite: 'H4', nullable: true });
  const stored = (raw: Parameters<typeof outcome>[1], scope = scopeOf()) =>
    String(outcome(field, raw, scope));

  it('are stored in jsonb’s own form, from a text or a parsed value', () => {
    expect(stored(bytes('{"bb": 1.50, "a": "\\u540d"}'))).toBe('{"a": "名", "bb": 1.50}');
    expect(stored(parseJson(bytes('{"bb": 1.50, "a": "\\u540d"}')).value)).toBe('{"a": "名", "bb": 1.50}');
  });

  it('the text null is JSON’s null, SQL’s null is null', () => {
    expect(stored(bytes('null'))).toBe('null');
    expect(outcome(field, bytes('null'))).not.toBeNull();
    expect(outcome(field, null)).toBeNull();
  });

  it('NaN and infinities become null, each noted with its place', () => {
    const scope = scopeOf();
    expect(stored(bytes('{"a": [NaN, {"b c": -Infinity}], "d": 1}'), scope)).toBe(
      '{"a": [null, {"b c": null}], "d": 1}',
    );
    expect(scope.notes).toEqual([
      { rule: 'H4', path: 'metrics.a[0]', was: 'NaN' },
      { rule: 'H4', path: 'metrics.a[1]["b c"]', was: '-Infinity' },
    ]);
  });

  it('a document that is nothing but NaN', () => {
    const scope = scopeOf();
    expect(stored(bytes('NaN'), scope)).toBe('null');
    expect(scope.notes).toEqual([{ rule: 'H4', path: 'metrics', was: 'NaN' }]);
  });

  it.each([
    ['BAD_JSON', '{"a": }'],
    ['BAD_JSON', ''],
    ['BAD_JSON', '{"a": 1} {"a": 2}'],
    ['DUPLICATE_KEY', '{"a": 1, "a": 2}'],
    ['NUL_CHARACTER', '{"a": "x\\u0000y"}'],
    ['NUL_CHARACTER', '{"x\\u0000y": 1}'],
    ['LONE_SURROGATE', '["\\ud83d"]'],
    ['NUMBER_RANGE', '[1e200000]'],
    ['NUMBER_RANGE', '[1e-20000]'],
  ])('%s: %s', (code, text) => {
    expect(outcome(field, bytes(text))).toBe(code);
  });

  it('bytes that are no UTF-8', () => {
    expect(outcome(field, Buffer.concat([bytes('"'), BROKEN_UTF8, bytes('"')]))).toBe('INVALID_UTF8');
  });
});

describe('references', () => {
  const options = { parents: 'events', from: 'eventId', stored: 'text' } as const;
  const key = Buffer.alloc(16, 1);
  const strict = contract.reference('event_id', contract.text('x').type, {
    ...options,
    orphan: { reject: 'ORPHAN_EVENT' },
  });
  const loose = contract.reference('event_id', contract.text('x').type, {
    ...options,
    orphan: { note: 'L16' },
  });

  it('give the key of the parent that a name or a number names', () => {
    const scope = scopeOf({}, { 'events e1': key, 'events 7': 70n });
    expect(outcome(strict, 'e1', scope)).toBe(key);
    expect(outcome(strict, 7n, scope)).toBe(70n);
    expect(scope.notes).toEqual([]);
  });

  it('to nothing: quarantined under the code, or null with the name noted', () => {
    expect(outcome(strict, 'e9')).toBe('ORPHAN_EVENT');
    const scope = scopeOf();
    expect(outcome(loose, 'e9', scope)).toBeNull();
    expect(scope.notes).toEqual([{ rule: 'L16', path: 'eventId', was: 'e9' }]);
    expect([strict.nullable, loose.nullable]).toEqual([false, true]);
  });

  it('that are null', () => {
    expect(outcome(strict, null)).toBe('NULL_VALUE');
    const scope = scopeOf();
    expect(outcome(loose, undefined, scope)).toBeNull();
    expect(scope.notes).toEqual([]);
  });

  it('that are no text', () => {
    expect(outcome(strict, [])).toBe('WRONG_TYPE');
    expect(outcome(loose, BROKEN_UTF8)).toBe('INVALID_UTF8');
  });
});

it('a derived value sees the whole record', () => {
  const field = contract.derived('unit', contract.text('x').type, (scope) => `${scope.raw('a')}`);
  expect(outcome(field, undefined, scopeOf({ a: 'seen' }))).toBe('seen');
});

it.each([
  [undefined, 'missing'],
  [null, 'null'],
  [number('1.50'), 'number 1.50'],
  [bytes('n/a'), '"n/a"'],
  ['x'.repeat(61), `"${'x'.repeat(60)}"`],
  [[1n] as never, 'an array'],
  [new JsonObject(), 'an object'],
  [5n, '5'],
])('a reason describes %o as %s', (raw, text) => {
  expect(contract.describe(raw)).toBe(text);
});
