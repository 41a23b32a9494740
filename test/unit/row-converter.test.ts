import { describe, expect, it } from 'vitest';
import { bigint, double, integer, reference, text } from '../../jobs/engine/contracts.ts';
import { CopyBuffer } from '../../jobs/engine/copy-buffer.ts';
import type { TableMapping } from '../../jobs/engine/mapping.ts';
import { Parents } from '../../jobs/engine/parents.ts';
import { int8 } from '../../jobs/engine/pg-types.ts';
import { Reject } from '../../jobs/engine/reject.ts';
import { RowConverter } from '../../jobs/engine/row-converter.ts';
import { parseJson } from '../../jobs/sources/json-parse.ts';
import { JsonNumber, JsonObject } from '../../jobs/sources/json-value.ts';
import type { Raw } from '../../jobs/sources/source.ts';
import { mappingOf, record, rowsIn } from '../records.ts';

const number = (value: string) => new JsonNumber(value);

/** What becomes of one record: its fields in hexadecimal, and `extra` as text. */
function converted(
  mapping: TableMapping,
  fields: Record<string, Raw>,
  { missingIsNotNull = true, parents = new Parents() } = {},
) {
  const converter = new RowConverter(mapping, parents, missingIsNotNull);
  const out = new CopyBuffer(1);
  converter.convert(record(fields), out);
  const [row] = rowsIn(out);
  const extra = row!.at(-1);
  return {
    columns: converter.columns,
    fields: row!.slice(0, -1),
    // The first byte is the version of jsonb's binary form.
    extra: extra === null ? null : Buffer.from(extra!, 'hex').toString('utf8', 1),
    notes: converter.notes,
  };
}

describe('columns', () => {
  const mapping = mappingOf({
    key: ['b', 'a'],
    fields: [text('c', { nullable: true }), integer('a'), bigint('b')],
  });

  it('stand with the key first, in its order, and extra last', () => {
    const { columns, fields, extra } = converted(mapping, { a: number('1'), b: number('2'), c: 'x' });
    expect(columns).toEqual(['b', 'a', 'c', 'extra']);
    expect(fields).toEqual(['0000000000000002', '00000001', '78']);
    expect(extra).toBeNull();
  });

  it('a value can be asked for by its column', () => {
    const converter = new RowConverter(mapping, new Parents(), true);
    converter.convert(record({ a: number('1'), b: number('2'), c: 'x' }), new CopyBuffer());
    expect([converter.value('a'), converter.value('b'), converter.value('c')]).toEqual([1, 2n, 'x']);
  });

  it('a null in the key is refused even where its field would take it', () => {
    const loose = mappingOf({ fields: [bigint('id', { nullable: true })] });
    expect(() => converted(loose, {})).toThrow(new Reject('NULL_VALUE', 'id', 'null in the key'));
  });
});

describe('a record that is refused', () => {
  it('leaves nothing behind in the buffer', () => {
    const converter = new RowConverter(
      mappingOf({ fields: [bigint('id'), text('name')] }),
      new Parents(),
      true,
    );
    const out = new CopyBuffer();
    converter.convert(record({ id: number('1'), name: 'kept' }), out);
    const length = out.length;
    expect(() => converter.convert(record({ id: number('2') }), out)).toThrow(Reject);
    expect(out.length).toBe(length);
    expect(rowsIn(out)).toEqual([['0000000000000001', Buffer.from('kept').toString('hex'), null]]);
  });

  it('for a defect of the source is refused before any field is looked at', () => {
    const converter = new RowConverter(mappingOf(), new Parents(), true);
    const defect = { code: 'DUPLICATE_KEY', field: '$.name', detail: '2 values' };
    expect(() => converter.convert(record({}, 'things[0]', defect), new CopyBuffer())).toThrow(
      new Reject('DUPLICATE_KEY', '$.name', '2 values'),
    );
  });
});

describe('extra', () => {
  const mapping = mappingOf();

  it('takes what the mapping does not know, of any kind', () => {
    const nested = parseJson(Buffer.from('{"a": [1.50, null, true], "日": "本"}')).value;
    const { extra } = converted(mapping, { id: number('1'), color: 'red', n: number('1e2'), nested });
    expect(extra).toBe('{"n": 100, "color": "red", "nested": {"a": [1.50, null, true], "日": "本"}}');
  });

  it('takes values of a typed source as well, all 64 bits of them', () => {
    const raw = { id: 1n, big: 2n ** 63n - 1n, real: 0.1, note: Buffer.from('é') };
    const { extra } = converted(mapping, raw, { missingIsNotNull: false });
    expect(extra).toBe('{"big": 9223372036854775807, "note": "é", "real": 0.1}');
  });

  it('names the known fields that are null, where that is not the same as missing', () => {
    expect(converted(mapping, { id: number('1'), name: null }).extra).toBe('{"$null": ["name"]}');
    expect(converted(mapping, { id: number('1') }).extra).toBeNull();
    expect(converted(mapping, { id: 1n, name: null }, { missingIsNotNull: false }).extra).toBeNull();
  });

  it('keeps a member that is called like what is said of the record', () => {
    const mapping = mappingOf({ fields: [text('id', { from: '$key' })], key: ['id'] });
    const converter = new RowConverter(mapping, new Parents(), true);
    const out = new CopyBuffer(1);
    const members: Record<string, Raw> = { $key: 'mine', n: number('1') };
    const said = { ...record(members), get: (name: string) => (name === '$key' ? 'a' : members[name]) };
    converter.convert({ ...said, own: (name) => members[name] }, out);
    const [[id, extra]] = rowsIn(out) as [[string, string]];
    expect(Buffer.from(id, 'hex').toString()).toBe('a');
    expect(JSON.parse(Buffer.from(extra, 'hex').toString('utf8', 1))).toEqual({ $$key: 'mine', n: 1 });
  });

  it('keeps an unknown field that is null, where that is not the same as missing', () => {
    expect(converted(mapping, { id: number('1'), color: null }).extra).toBe('{"color": null}');
    expect(converted(mapping, { id: 1n, color: null }, { missingIsNotNull: false }).extra).toBeNull();
  });

  it('escapes legacy names that look like its own', () => {
    const { extra } = converted(mapping, {
      id: number('1'),
      name: null,
      $null: 'a',
      $$null: 'b',
      $notes: 'c',
      price$: 'd',
    });
    expect(JSON.parse(extra!)).toEqual({
      $null: ['name'],
      $$null: 'a',
      $$$null: 'b',
      $$notes: 'c',
      price$: 'd',
    });
  });

  it('never holds what the mapping leaves out', () => {
    const leaving = mappingOf({ leftOut: { password: 'a credential' } });
    expect(converted(leaving, { id: number('1'), password: 'hunter2' }).extra).toBeNull();
    expect(converted(leaving, { id: number('1'), password: null, color: 'red' }).extra).toBe(
      '{"color": "red"}',
    );
  });

  it('lists the notes of the contracts', () => {
    const noting = mappingOf({ fields: [bigint('id'), double('volume', { infinite: 'H4' })] });
    const { extra, notes } = converted(noting, { id: number('1'), volume: number('Infinity') });
    expect(extra).toBe('{"$notes": [{"was": "Infinity", "path": "volume", "rule": "H4"}]}');
    expect(notes).toEqual([{ rule: 'H4', path: 'volume', was: 'Infinity' }]);
  });

  it('stores null for a number that JSON has not, and notes it', () => {
    const { extra, notes } = converted(mapping, { id: number('1'), score: number('NaN') });
    expect(JSON.parse(extra!)).toEqual({
      score: null,
      $notes: [{ rule: 'X4', path: 'extra.score', was: 'NaN' }],
    });
    expect(notes).toHaveLength(1);
  });

  it.each([
    ['NUL_CHARACTER', 'a\0b'],
    ['NUL_CHARACTER', Buffer.from('a\0b')],
    ['INVALID_UTF8', Buffer.from([0xe6, 0x88])],
    ['LONE_SURROGATE', 'a\ud83d'],
    ['NUL_CHARACTER', new JsonObject([['a', ['b\0']]])],
    ['NUMBER_RANGE', number('1e200000')],
  ])('%s in an unknown field sends the whole record to quarantine', (code, raw) => {
    expect(() => converted(mapping, { id: number('1'), color: raw })).toThrow(new RegExp(`^${code} in `));
  });

  it('notes of one record are not those of the next', () => {
    const noting = mappingOf({ fields: [bigint('id'), double('volume', { infinite: 'H4' })] });
    const converter = new RowConverter(noting, new Parents(), true);
    converter.convert(record({ id: number('1'), volume: number('Infinity') }), new CopyBuffer());
    converter.convert(record({ id: number('2'), volume: number('1') }), new CopyBuffer());
    expect(converter.notes).toEqual([]);
  });
});

it('a field asks for its parents by what they are called', () => {
  const parents = new Parents();
  parents.add('owners', 'alice', 5n);
  const owner = reference('owner_id', int8, {
    from: 'owner',
    parents: 'owners',
    stored: 'text',
    orphan: { note: 'H7' },
  });
  const mapping = mappingOf({ fields: [bigint('id'), owner] });
  expect(converted(mapping, { id: number('1'), owner: 'alice' }, { parents }).fields[1]).toBe(
    '0000000000000005',
  );
  const orphan = converted(mapping, { id: number('1'), owner: 'bob' }, { parents });
  expect(orphan.fields[1]).toBeNull();
  expect(orphan.extra).toBe('{"$notes": [{"was": "bob", "path": "owner", "rule": "H7"}]}');
});
