/**
 * A vector as pgvector sends it: int16 number of elements, int16 0, then each element as float4, all big-endian. Source:
 * `vector_send` of pgvector.
 */
export class PackedVector {
  /** Number of elements. */
  readonly length: number;
  #bytes: Buffer | undefined;

  /**
   * @param bytes are not looked at: `vectorOf` says whether they are a vector
   * @param again gives them once more where they were forgotten
   */
  constructor(
    bytes: Buffer,
    private readonly again: () => Buffer = () => bytes,
  ) {
    this.#bytes = bytes;
    this.length = (bytes.length - HEAD) >> 2;
  }

  get bytes(): Buffer {
    this.#bytes ??= this.again();
    return this.#bytes;
  }

  /** Lets go of the memory in which it lies, as that is used for others. */
  forget(): void {
    this.#bytes = undefined;
  }

  /** The text that pgvector prints for it, as every other reader of the table gets it. */
  toString(): string {
    const elements = Array.from({ length: this.length }, (_, i) =>
      float4Text(this.bytes.readFloatBE(HEAD + 4 * i)),
    );
    return `[${elements.join()}]`;
  }
}

/** Bytes before the elements. */
const HEAD = 4;

/**
 * A number of single precision as PostgreSQL prints it: the fewest digits that lie nearer to it than to any other,
 * and of those the nearest; as `printf("%g")` where it is below 1e-4 or from 1e6 on.
 */
export function float4Text(value: number): string {
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  if (!Number.isFinite(value)) return String(value);
  const [mantissa, power] = shortest(Math.abs(value)).split('e') as [string, string];
  const exponent = Number(power);
  const sign = value < 0 ? '-' : '';
  const digits = mantissa.replace('.', '').replace(/0+$/, '');
  if (exponent < -4 || exponent >= 6) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
    const size = String(Math.abs(exponent)).padStart(2, '0');
    return `${sign}${digits[0]}${fraction}e${exponent < 0 ? '-' : '+'}${size}`;
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  if (digits.length <= exponent + 1) return sign + digits.padEnd(exponent + 1, '0');
  return `${sign}${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`;
}

/** Nine digits tell any two numbers of single precision apart. */
const MOST_DIGITS = 9;

/** In the form `d.ddde±x`. */
function shortest(value: number): string {
  const below = neighbour(value, -1);
  const above = neighbour(value, 1);
  for (let digits = 1; digits < MOST_DIGITS; digits++) {
    const text = value.toExponential(digits - 1);
    if (isNearest(Number(text), below, value, above)) return halfToEven(text, value);
    // At a power of two the next number below is nearer than the one above: there may be room on that side alone.
    const up = nextUp(text);
    if (isNearest(Number(up), below, value, above)) return up;
  }
  return value.toExponential(MOST_DIGITS - 1);
}

/** Not on the middle between two numbers: PostgreSQL does not trust readers with that. */
const isNearest = (text: number, below: number, value: number, above: number): boolean =>
  text > (below + value) / 2 && text < (value + above) / 2;

/** JavaScript takes the greater of two decimals that are equally near, PostgreSQL the one whose last digit is even. */
function halfToEven(text: string, value: number): string {
  const [mantissa, power] = text.split('e') as [string, string];
  // So many digits any number has that lies in the middle.
  const [exact, exactPower] = value.toExponential(60).split('e') as [string, string];
  const last = Number(mantissa.at(-1));
  const isHalf = power === exactPower && /^\.?50*$/.test(exact.slice(mantissa.length));
  return isHalf && last % 2 === 1 ? `${mantissa.slice(0, -1)}${last - 1}e${power}` : text;
}

/** The decimal that is greater by one in the last digit. */
function nextUp(text: string): string {
  const [mantissa, power] = text.split('e') as [string, string];
  const digits = mantissa.replace('.', '');
  return Number(`${BigInt(digits) + 1n}e${Number(power) - digits.length + 1}`).toExponential(
    digits.length - 1,
  );
}

const words = new DataView(new ArrayBuffer(4));

/** The next number of single precision; beyond the greatest one, what would follow it. */
function neighbour(value: number, step: 1 | -1): number {
  words.setFloat32(0, value);
  words.setUint32(0, words.getUint32(0) + step);
  const next = words.getFloat32(0);
  return Number.isFinite(next) ? next : 2 ** 128;
}
