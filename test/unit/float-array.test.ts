import { describe, expect, it } from 'vitest';
import { floatArrayOf } from '../../jobs/engine/float-array.ts';
import { random } from '../../jobs/sample/random.ts';
import { parseJson } from '../../jobs/sources/json-parse.ts';
import { JsonNumber } from '../../jobs/sources/json-value.ts';

const MOST = 64;

/** The slow way: the general parser, then Number, then single precision. */
function slowly(text: string | Buffer): number[] | undefined {
  let value: unknown;
  try {
    ({ value } = parseJson(Buffer.from(text as string)));
  } catch {
    return undefined;
  }
  if (!Array.isArray(value) || value.length === 0 || value.length > MOST) return undefined;
  const all = value.map((each) => (each instanceof JsonNumber ? Math.fround(Number(each.text)) : Number.NaN));
  return all.every(Number.isFinite) ? all : undefined;
}

const quickly = (text: string | Buffer) => {
  const found = floatArrayOf(Buffer.from(text as string), MOST);
  return found && [...found];
};

/** Object.is tells 0 and -0 apart, as toEqual does. */
function expectSame(texts: readonly string[]): void {
  for (let at = 0; at < texts.length; at += MOST) {
    const text = `[${texts.slice(at, at + MOST).join(',')}]`;
    const expected = slowly(text);
    expect(expected, text).toBeDefined();
    expect(quickly(text)).toEqual(expected);
  }
}

const from = random(1, 'float-array', 0);
const digits = (n: number) => Array.from({ length: n }, () => from.int(0, 9)).join('');
const times = <T>(n: number, make: (i: number) => T) => Array.from({ length: n }, (_, i) => make(i));
const bits = new DataView(new ArrayBuffer(4));
const single = (pattern: number) => {
  bits.setUint32(0, pattern);
  return bits.getFloat32(0);
};

/** A decimal that is exactly this double: a single or a point between two has no more than 112 significant digits. */
const exactly = (value: number) => {
  let [mantissa, exponent] = [value, 0];
  while (!Number.isInteger(mantissa)) {
    mantissa *= 2;
    exponent++;
  }
  // value = mantissa / 2^exponent = mantissa × 5^exponent / 10^exponent
  return `${BigInt(mantissa) * 5n ** BigInt(exponent)}e-${exponent}`;
};

describe('a text of floats', () => {
  it('is read as Number and Math.fround read it: doubles as JavaScript writes them', () => {
    expectSame(times(20_000, () => String((from.next() - 0.5) * 10 ** from.int(-9, 6))));
  });

  it('… of any number of digits before and behind the point, with and without exponents', () => {
    expectSame(
      times(20_000, () => {
        const whole = from.int(0, 2) === 0 ? `${from.int(1, 9)}${digits(from.int(0, 24))}` : '0';
        const fraction =
          from.int(0, 3) === 0 ? '' : `.${'0'.repeat(from.int(0, 6))}${digits(from.int(1, 24))}`;
        const sign = from.pick(['', '+', '-']);
        const exponent = from.int(0, 3) === 0 ? `${from.pick(['e', 'E'])}${sign}${from.int(0, 12)}` : '';
        return `${from.pick(['', '-'])}${whole}${fraction}${exponent}`;
      }),
    );
  });

  it('… halfway between two singles, and a little to either side', () => {
    const halves = times(2_000, () => {
      const pattern = from.int(0x2000_0000, 0x4f00_0000);
      return (single(pattern) + single(pattern + 1)) / 2;
    });
    const near = halves.flatMap((half) => {
      const [mantissa, exponent] = exactly(half).split('e') as [string, string];
      const longer = (tail: string) => `${mantissa}${tail}e${Number(exponent) - tail.length}`;
      const plain = half.toFixed(40).slice(0, 42);
      return [
        exactly(half),
        longer('0000000001'),
        `${BigInt(mantissa) - 1n}e${exponent}`,
        plain,
        half.toPrecision(17),
        half.toPrecision(12),
        half.toPrecision(13),
      ];
    });
    expectSame(near);
  });

  it('… whose double is rounded onto the point between two singles: rounding once would answer another', () => {
    const twice = times(2_000, () => {
      const pattern = from.int(0x3a00_0000, 0x4a00_0000);
      const [mantissa, exponent] = exactly((single(pattern) + single(pattern + 1)) / 2).split('e') as [
        string,
        string,
      ];
      // Less than half a unit of the double above it.
      return `${mantissa}000000000000000001e${Number(exponent) - 18}`;
    });
    expectSame(twice);
  });

  it.each([
    ...['0', '-0', '0.0', '-0.000e5', '1e-50', '-1e-46', '1.4e-45', '7e-46', '3.4028235e38', '3.40282356e38'],
    ...['1e22', '1e23', '123456789012e22', '999999999999', '9999999999995', '0.1', '16777217', '16777219'],
    ...[
      '0.000000000000000000000000000001',
      `0.${'0'.repeat(60)}1`,
      `${'9'.repeat(38)}`,
      `1.${'0'.repeat(400)}1`,
    ],
    ...['1e+00000000000000000000001', '1e-00000000000000000000001', '1.5E3'],
  ])('reads %s', (text) => expectSame([text]));

  it.each([
    ...[
      '',
      '[]',
      '[',
      '[1',
      '[1,',
      '[1,]',
      '[,1]',
      '1',
      '{}',
      '"1"',
      '[[1]]',
      '[1]]',
      '[1] 1',
      '[1 2]',
      '[01]',
    ],
    ...[
      '[-]',
      '[+1]',
      '[.5]',
      '[1.]',
      '[1.e5]',
      '[1e]',
      '[1e+]',
      '[-.5]',
      '[1,null]',
      '[NaN]',
      '[-Infinity]',
    ],
    ...[
      '[1e39]',
      '[1e400]',
      '["1"]',
      '[true]',
      '[0x10]',
      '[1_000]',
      '[1,\v2]',
      '\ufeff[1]',
      '[1.23456789012345x]',
    ],
    `[${new Array(MOST + 1).fill('1').join()}]`,
  ])('is left to the general parser: %s', (text) => {
    expect(slowly(text)).toBeUndefined();
    expect(quickly(text)).toBeUndefined();
  });

  it('may have blanks wherever JSON has them', () => {
    expect(quickly(' \t\r\n[ 1 ,\n2\t,3\r\n] \n')).toEqual([1, 2, 3]);
  });

  it('answers the same as the general parser, whichever byte is another', () => {
    const good = Buffer.from('[0.25,-1.5e3, 1234567.890123456789 ,0.000123456789012345,7]');
    for (let at = 0; at < good.length; at++) {
      for (const byte of Buffer.from('0159.-+eE,[] "nN\n\x00\x80')) {
        const changed = Buffer.from(good);
        changed[at] = byte;
        expect(quickly(changed), changed.toString('latin1')).toEqual(slowly(changed));
      }
    }
  });

  it('is read within its own bytes, wherever they lie in a larger buffer', () => {
    const around = Buffer.from('9[0.125,2]9');
    expect([...floatArrayOf(around.subarray(1, -1), MOST)!]).toEqual([0.125, 2]);
    expect(floatArrayOf(around.subarray(1, -2), MOST)).toBeUndefined();
  });
});
