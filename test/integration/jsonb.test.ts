import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { encodeJsonb, JsonbUnstorable } from '../../jobs/engine/jsonb.ts';
import { parseJson } from '../../jobs/sources/json-parse.ts';
import { randomDocument, seededRandom } from '../json-documents.ts';

const NUMBERS = [
  ...[
    '0',
    '-0',
    '-0.0',
    '-0e3',
    '0e5',
    '0e-5',
    '0.0001e5',
    '1.50',
    '1.50e1',
    '1.50e2',
    '-1.5E-3',
    '1E+2',
    '1e00002',
  ],
  ...[
    '9223372036854775807',
    '123456789012345678901234567890.10',
    '1e-20',
    '-1e20',
    '1e+0',
    '10e-1',
    '100.00e-1',
  ],
  ...['1e131071', '9.9e131071', '0.1e131072', '0.0000001e131078', '1e-16383', '0e-16383', '0e1073741822'],
];
const OUT_OF_RANGE = [
  '1e131072',
  '0.1e131073',
  '1e-16384',
  '0e-16384',
  '10e-16384',
  '1.0e-16383',
  '1e200000',
];
const FAR_OUT_OF_RANGE = [
  '0e1073741824',
  '0e-1073741824',
  '0e99999999999999999999',
  '1e99999999999999999999',
];

const platform = inject('platform');
const client = new pg.Client({ connectionString: platform.postgres });
beforeAll(() => client.connect());
afterAll(() => client.end());

/** The texts of the documents as `COPY … BINARY` sends them, without the version byte. */
async function printedByServer(documents: string[]): Promise<string[]> {
  const { rows } = await client.query<{ sent: Buffer }>(
    `SELECT jsonb_send(document::jsonb) AS sent
     FROM unnest($1::text[]) WITH ORDINALITY AS given (document, place) ORDER BY place`,
    [documents],
  );
  return rows.map(({ sent }) => sent.toString('utf8', 1));
}

function encode(document: string): string {
  return encodeJsonb(parseJson(Buffer.from(document)).value).toString();
}

describe('encodeJsonb writes what the server prints', () => {
  test('for thousands of random documents', async () => {
    const random = seededRandom(20_250_701);
    for (let round = 0; round < 10; round++) {
      const documents = Array.from({ length: 500 }, () => randomDocument(random, { storable: true }));
      expect(documents.map(encode)).toEqual(await printedByServer(documents));
    }
  });

  test('for every character of the first plane that is no surrogate, and in keys', async () => {
    const characters = Array.from({ length: 0xffff }, (_, i) => i + 1)
      .filter((code) => code < 0xd800 || code > 0xdfff)
      .map((code) => String.fromCharCode(code));
    const documents = characters.map((c) => JSON.stringify({ [c]: c, [`${c}a`]: 1, 'é\u07ff': 2, '😀': 3 }));
    expect(documents.map(encode)).toEqual(await printedByServer(documents));
  });

  test('for the corner cases of numbers', async () => {
    expect(NUMBERS.map(encode)).toEqual(await printedByServer(NUMBERS));
  });
});

describe('what the server refuses, encodeJsonb refuses', () => {
  test.each([...OUT_OF_RANGE, ...FAR_OUT_OF_RANGE])('the number %s', async (number) => {
    await expect(printedByServer([number])).rejects.toThrow(/numeric/);
    expect(() => encode(number)).toThrow(expect.objectContaining({ code: 'NUMBER_RANGE' }));
  });

  test.each(['"\\u0000"', '"\\ud800"', '"\\udc00x"', '{"\\u0000":1}'])('the text %s', async (text) => {
    await expect(printedByServer([text])).rejects.toThrow(/Unicode|json/);
    expect(() => encode(text)).toThrow(JsonbUnstorable);
  });
});
