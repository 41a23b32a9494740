import { describe, expect, it } from 'vitest';
import { CopyBuffer, endOfRow, fieldsOf } from '../../jobs/engine/copy-buffer.ts';

const hex = (write: (buffer: CopyBuffer) => void, capacity?: number) => {
  const buffer = new CopyBuffer(capacity);
  write(buffer);
  return buffer.from(0).toString('hex');
};

describe('64-bit integers', () => {
  // The right-hand sides are what `select encode(int8send(x), 'hex')` says on PostgreSQL 17.
  it.each([
    [0, '0000000000000000'],
    [1, '0000000000000001'],
    [-1, 'ffffffffffffffff'],
    [4294967295, '00000000ffffffff'],
    [4294967296, '0000000100000000'],
    [-4294967296, 'ffffffff00000000'],
    [-4294967297, 'fffffffeffffffff'],
    [Number.MAX_SAFE_INTEGER, '001fffffffffffff'],
    [Number.MIN_SAFE_INTEGER, 'ffe0000000000001'],
  ])('%d as a number and as a bigint', (value, sent) => {
    expect(hex((buffer) => buffer.int64Field(value))).toBe(`00000008${sent}`);
    expect(hex((buffer) => buffer.int64Field(BigInt(value)))).toBe(`00000008${sent}`);
  });

  it.each([
    [9007199254740993n, '0020000000000001'],
    [9223372036854775807n, '7fffffffffffffff'],
    [-9223372036854775808n, '8000000000000000'],
  ])('%d, which no double is equal to', (value, sent) => {
    expect(hex((buffer) => buffer.int64Field(value))).toBe(`00000008${sent}`);
  });
});

describe('text', () => {
  it.each([
    ['', '00000000'],
    ['BTC', '00000003425443'],
    ['é', '00000002c3a9'],
    ['日本', '00000006e697a5e69cac'],
    ['𠮷', '00000004f0a0aeb7'],
  ])('%j is its UTF-8 behind its length in bytes', (text, sent) => {
    expect(hex((buffer) => buffer.textField(text))).toBe(sent);
    expect(hex((buffer) => buffer.field(Buffer.from(text)))).toBe(sent);
  });
});

describe('growth', () => {
  const writers: [string, (buffer: CopyBuffer) => void][] = [
    ['int16', (buffer) => buffer.int16(-1)],
    ['int32', (buffer) => buffer.int32(7)],
    ['null', (buffer) => buffer.null()],
    ['raw', (buffer) => buffer.raw(Buffer.from('abc'))],
    ['field', (buffer) => buffer.field(Buffer.from('abc'))],
    ['textField', (buffer) => buffer.textField('日本')],
    ['int64Field', (buffer) => buffer.int64Field(-5)],
  ];

  it.each(writers)('%s writes the same however little room there is', (_name, write) => {
    const many = (buffer: CopyBuffer) => {
      for (let i = 0; i < 50; i++) write(buffer);
    };
    expect(hex(many, 1)).toBe(hex(many, 1 << 16));
  });

  it('takes a field larger than the whole buffer, and keeps what stood before it', () => {
    const buffer = new CopyBuffer(4);
    buffer.int32(1);
    buffer.field(Buffer.alloc(1000, 0xab));
    expect(buffer.length).toBe(4 + 4 + 1000);
    expect(buffer.from(0).toString('hex')).toBe(`00000001000003e8${'ab'.repeat(1000)}`);
  });
});

describe('rows', () => {
  const buffer = new CopyBuffer();
  buffer.int16(3);
  buffer.textField('a');
  buffer.null();
  buffer.textField('');
  const second = buffer.length;
  buffer.int16(1);
  buffer.int64Field(2);

  it('are found by where they begin', () => {
    expect(fieldsOf(buffer.bytes, 0)).toEqual([Buffer.from('a'), null, Buffer.alloc(0)]);
    expect(fieldsOf(buffer.bytes, second)).toEqual([Buffer.from('0000000000000002', 'hex')]);
    expect(endOfRow(buffer.bytes, 0, buffer.length)).toBe(second);
    expect(endOfRow(buffer.bytes, second, buffer.length)).toBe(buffer.length);
  });

  it('are not taken for whole when any byte of them is missing', () => {
    for (let end = 0; end < second; end++) expect(endOfRow(buffer.bytes, 0, end)).toBe(-1);
  });

  it('that were taken back leave no trace', () => {
    const other = new CopyBuffer();
    other.textField('kept');
    const length = other.length;
    other.textField('taken back');
    other.truncate(length);
    other.textField('next');
    expect(other.from(0).toString('latin1')).toBe('\0\0\0\u0004kept\0\0\0\u0004next');
  });
});
