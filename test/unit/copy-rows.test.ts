import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { COPY_HEADER, COPY_TRAILER, CopyBuffer, fieldsOf } from '../../jobs/engine/copy-buffer.ts';
import { CopyRows } from '../../jobs/engine/copy-rows.ts';

type Row = readonly (string | null)[];

/** What the server sends for these rows. */
function sent(rows: readonly Row[]): Buffer {
  const buffer = new CopyBuffer(1);
  for (const row of rows) {
    buffer.int16(row.length);
    for (const field of row) {
      if (field === null) buffer.null();
      else buffer.textField(field);
    }
  }
  return Buffer.concat([COPY_HEADER, buffer.from(0), COPY_TRAILER]);
}

async function read(chunks: readonly Buffer[]): Promise<Row[]> {
  const rows: Row[] = [];
  const reader = new CopyRows(Readable.from(chunks));
  for (;;) {
    if (reader.next()) {
      const fields = fieldsOf(reader.bytes, reader.start);
      rows.push(fields.map((field) => field?.toString() ?? null));
      // The row is the bytes from `start` to `end`, and nothing else.
      const alone = Buffer.from(reader.bytes.subarray(reader.start, reader.end));
      expect(fieldsOf(alone, 0)).toEqual(fields);
    } else if (!(await reader.more())) {
      return rows;
    }
  }
}

// The second row begins with the bytes of a trailer behind its field count, the third holds nothing at all.
const ROWS: Row[] = [['a', null, ''], [null], [], ['日本', 'x'.repeat(300)], ['\uffff']];

it('rows are found wherever the stream was cut in two', async () => {
  const bytes = sent(ROWS);
  for (let cut = 0; cut <= bytes.length; cut++) {
    expect(await read([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(ROWS);
  }
});

it('also when it comes byte by byte', async () => {
  const bytes = sent(ROWS);
  expect(await read(Array.from(bytes, (byte) => Buffer.from([byte])))).toEqual(ROWS);
});

it('a table without rows has none', async () => {
  expect(await read([sent([])])).toEqual([]);
});
