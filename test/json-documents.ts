/** A generator of numbers in [0, 1) that gives the same row for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const ESCAPES = [
  '\\"',
  '\\\\',
  '\\/',
  '\\b',
  '\\f',
  '\\n',
  '\\r',
  '\\t',
  '\\u0001',
  '\\u001F',
  '\\u007f',
  '\\u3042',
];
const PAIRS = ['\\ud83d\\ude00', '\\uD842\\uDFB7'];
const CHARACTERS = [
  'a',
  'Z',
  '0',
  ' ',
  '/',
  '\u007f',
  '\u0080',
  'é',
  '\u07ff',
  '\u0800',
  '日',
  '\u2028',
  '\ufffd',
  '\uffff',
];
const ASTRAL = ['😀', '𠮷', '\u{10ffff}'];
/** What a JSON string may hold and jsonb may not. */
const UNSTORABLE = ['\\u0000', '\\ud800', '\\udfff', '\\ud83dx', '\\ude00\\ud83d'];
const KEYS = [
  'id',
  'a',
  'aa',
  'b',
  'あ',
  '日本',
  '😀',
  '\uffff',
  'é',
  '__proto__',
  'constructor',
  '',
  '0',
  '10',
  '9',
  '\\u0061',
];
const BLANKS = ['', '', '', ' ', '\n', '\t', '\r\n', '  '];

/**
 * Makes the text of a random JSON document with every kind of value, escape and blank, and with repeated keys.
 *
 * @param storable only what `jsonb` can hold
 */
export function randomDocument(random: () => number, { storable }: { storable: boolean }): string {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const count = (most: number): number => Math.floor(random() * (most + 1));
  const repeat = (most: number, make: () => string): string[] => Array.from({ length: count(most) }, make);
  const digits = (most: number): string => repeat(most, () => pick([...'0123456789'])).join('');
  const blank = (): string => pick(BLANKS);

  const character = (): string => {
    const kind = random();
    if (!storable && kind < 0.03) return pick(UNSTORABLE);
    if (kind < 0.15) return pick(ESCAPES);
    if (kind < 0.2) return pick(PAIRS);
    return kind < 0.8 ? pick(CHARACTERS) : pick(ASTRAL);
  };
  const text = (): string => `"${repeat(pick([3, 12, 40]), character).join('')}"`;
  const number = (): string => {
    const whole = random() < 0.2 ? '0' : `${1 + count(8)}${digits(pick([2, 20, 40]))}`;
    const fraction = random() < 0.5 ? `.${digits(pick([1, 20]))}${count(9)}` : '';
    const exponent = random() < 0.3 ? `${pick(['e', 'E'])}${pick(['', '+', '-'])}0${count(40)}` : '';
    return `${random() < 0.3 ? '-' : ''}${whole}${fraction}${exponent}`;
  };
  const key = (): string => (random() < 0.6 ? `"${pick(KEYS)}"` : text());
  const member = (depth: number): string => `${blank()}${key()}${blank()}:${value(depth)}`;
  const value = (depth: number): string => {
    const kind = random() * (depth === 0 ? 0.6 : 1);
    const size = pick(depth === 0 ? [2, 10, 40] : [0, 1, 2, 5]);
    let made: string;
    if (depth < 5 && kind < 0.25) made = `{${repeat(size, () => member(depth + 1)).join(',')}${blank()}}`;
    else if (depth < 5 && kind < 0.45) made = `[${repeat(size, () => value(depth + 1)).join(',')}${blank()}]`;
    else if (kind < 0.7) made = number();
    else if (kind < 0.9) made = text();
    else made = pick(['true', 'false', 'null']);
    return blank() + made + blank();
  };
  return value(0);
}
