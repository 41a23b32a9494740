/** PostgreSQL's `numeric` without precision: https://www.postgresql.org/docs/current/datatype-numeric.html */
const MAX_INTEGER_DIGITS = 131_072;
const MAX_SCALE = 16_383;
/**
 * `numeric_in` refuses an exponent of half the largest int32, even for zero: 15 from this value on, 17 from the
 * next one on. A number that not every release takes counts as out of range.
 */
const EXPONENT_LIMIT = 1_073_741_823;

/** A shorter number without exponent is inside numeric's range. */
const SURELY_IN_RANGE = 10_000;

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/**
 * A JSON number as PostgreSQL's `numeric` prints it: no exponent, no minus before a zero, trailing zeros kept.
 *
 * @param token a finite number as JSON writes it
 * @returns `undefined` where numeric cannot hold it
 */
export function numericText(token: string): string | undefined {
  if (token.length < SURELY_IN_RANGE && /^(?:\d|-[1-9])[\d.]*$/.test(token)) return token;
  const [, minus, whole, fraction, power] = parts(token);
  const exponent = Number(power);
  if (Math.abs(exponent) >= EXPONENT_LIMIT) return undefined;
  const scale = Math.max(0, fraction.length - exponent);
  if (scale > MAX_SCALE) return undefined;
  const digits = (whole + fraction).replace(/^0+/, '');
  if (digits === '') return scale === 0 ? '0' : `0.${'0'.repeat(scale)}`;
  /** How many digits stand before the decimal point; not positive below 0.1. */
  const point = digits.length - fraction.length + exponent;
  if (point > MAX_INTEGER_DIGITS) return undefined;
  if (point <= 0) return `${minus}0.${'0'.repeat(-point)}${digits}`;
  if (point >= digits.length) return minus + digits + '0'.repeat(point - digits.length);
  return `${minus}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** Whether two finite JSON numbers are the same decimal: 1.0 is 1, 1e2 is 100, and -0 is 0. No rounding at any size. */
export function sameDecimal(a: string, b: string): boolean {
  return a === b || normalForm(a) === normalForm(b);
}

/** Sign, digits without zeros at either end, and the power of ten of the last digit. */
function normalForm(token: string): string {
  const [, minus, whole, fraction, power] = parts(token);
  const digits = (whole + fraction).replace(/^0+/, '');
  if (digits === '') return '0';
  // No /0+$/: it takes quadratic time on a long run of zeros that is not at the end.
  let end = digits.length;
  while (digits[end - 1] === '0') end--;
  return `${minus}${digits.slice(0, end)}e${BigInt(power) + BigInt(digits.length - end - fraction.length)}`;
}

function parts(
  token: string,
): [token: string, minus: string, whole: string, fraction: string, power: string] {
  const match = NUMBER.exec(token);
  if (match === null) throw new Error(`No JSON number: ${token.slice(0, 60)}`);
  return [token, match[1]!, match[2]!, match[3] ?? '', match[4] ?? '0'];
}
