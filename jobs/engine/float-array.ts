/** Powers of ten that a double holds exactly. */
export const POWERS_OF_TEN = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));
const MAX_POWER = 22;

/** So many digits of a number are looked at; with one more in either direction they fit a double exactly. */
const DIGITS = 12;

const ZERO = 0x30;

/**
 * Reads the text of a JSON array of numbers straight into single precision: what
 * `Math.fround(Number(text))` makes of each, i.e. rounded to double and then to single.
 *
 * A decimal w × 10^e is read exactly rounded by one division or multiplication where w < 2^53 and |e| <= 22 (W. D. Clinger,
 * "How to Read Floating Point Numbers Accurately", 1990). Of a longer one the first twelve digits bound the number from both
 * sides: rounding is monotone, so where both bounds round to the same single, the number between them does too. Anything
 * else goes through `Number`.
 *
 * @param most elements that are taken
 * @returns undefined for whatever is not a plain array of 1 to `most` numbers that are finite in single precision: a damaged
 *   text, another value, another element. Who wants to know what is wrong asks `parseJson`.
 */
export function floatArrayOf(text: Buffer, most: number): Float32Array | undefined {
  const { length: end } = text;
  const words = new DataView(text.buffer, text.byteOffset, end);
  if (scratch.length < most) scratch = new Float32Array(most);
  const elements = scratch;
  let n = 0;
  let at = skipBlanks(text, 0);
  if (text[at] !== 0x5b) return undefined;
  at = skipBlanks(text, at + 1);
  for (;;) {
    const start = at;
    let c = text[at]!;
    const negative = c === 0x2d;
    if (negative) c = text[++at]!;
    let w = 0;
    // Significant digits in w, and those behind them that are not.
    let kept = 0;
    let dropped = 0;
    let exponent = 0;
    if (c === ZERO) c = text[++at]!;
    else {
      const first = at;
      for (; c >= ZERO && c <= 0x39; c = text[++at]!) {
        if (kept < DIGITS) {
          w = w * 10 + c - ZERO;
          kept++;
        } else dropped++;
      }
      if (at === first) return undefined;
      exponent = dropped;
    }
    if (c === 0x2e) {
      const first = ++at;
      c = text[at]!;
      if (w === 0) while (c === ZERO) c = text[++at]!;
      while (kept <= DIGITS - 4 && at + 4 <= end) {
        const four = words.getInt32(at, true) ^ 0x30303030;
        if ((((four + 0x76767676) | four) & 0x80808080) !== 0) break;
        const twos = (four * 10 + (four >>> 8)) & 0x00ff00ff;
        w = w * 10_000 + (twos & 0xff) * 100 + (twos >>> 16);
        kept += 4;
        at += 4;
      }
      c = text[at]!;
      for (; kept < DIGITS && c >= ZERO && c <= 0x39; c = text[++at]!) {
        w = w * 10 + c - ZERO;
        kept++;
      }
      exponent -= at - first;
      const behind = at;
      while (at + 4 <= end) {
        const four = words.getInt32(at, true) ^ 0x30303030;
        if ((((four + 0x76767676) | four) & 0x80808080) !== 0) break;
        at += 4;
      }
      c = text[at]!;
      while (c >= ZERO && c <= 0x39) c = text[++at]!;
      if (at === first) return undefined;
      dropped += at - behind;
    }
    if ((c | 0x20) === 0x65) {
      c = text[++at]!;
      const minus = c === 0x2d;
      if (minus || c === 0x2b) c = text[++at]!;
      const first = at;
      let power = 0;
      for (; c >= ZERO && c <= 0x39; c = text[++at]!) power = Math.min(power * 10 + c - ZERO, 100_000);
      if (at === first) return undefined;
      exponent += minus ? -power : power;
    }
    if (n === most) return undefined;
    let value: number;
    if (w === 0) value = 0;
    else if (exponent < -MAX_POWER || exponent > MAX_POWER) value = Number.NaN;
    else {
      value = Math.fround(scaled(w, exponent));
      if (dropped > 0 && value !== Math.fround(scaled(w + 1, exponent))) value = Number.NaN;
    }
    if (Number.isNaN(value)) value = Number(text.toString('latin1', start, at));
    else if (negative) value = -value;
    elements[n] = value;
    if (!Number.isFinite(elements[n])) return undefined;
    n++;
    if (isBlank(c)) {
      at = skipBlanks(text, at);
      c = text[at]!;
    }
    at++;
    if (c === 0x5d) break;
    if (c !== 0x2c) return undefined;
    if (isBlank(text[at]!)) at = skipBlanks(text, at);
  }
  return skipBlanks(text, at) === end ? elements.slice(0, n) : undefined;
}

let scratch = new Float32Array(0);

const scaled = (w: number, exponent: number): number =>
  exponent < 0 ? w / POWERS_OF_TEN[-exponent]! : w * POWERS_OF_TEN[exponent]!;

const isBlank = (c: number): boolean => c <= 0x20 && (c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09);

function skipBlanks(text: Buffer, from: number): number {
  let at = from;
  while (isBlank(text[at]!)) at++;
  return at;
}
