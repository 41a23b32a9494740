import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { afterAll, describe, expect, it } from 'vitest';
import { bigint, double, integer, json, text } from '../../jobs/engine/contracts.ts';
import type { TableMapping } from '../../jobs/engine/mapping.ts';
import type { Raw, SourceRecord } from '../../jobs/sources/source.ts';
import { SqliteStore } from '../../jobs/sources/sqlite.ts';
import { mappingOf } from '../records.ts';

const folder = mkdtempSync(join(tmpdir(), 'cutover-sqlite-'));
const opened: SqliteStore[] = [];
afterAll(() => {
  for (const store of opened) store.close();
  rmSync(folder, { recursive: true, force: true });
});

let n = 0;
/** A store made by these statements. */
function storeOf(...statements: string[]): SqliteStore {
  const file = join(folder, `${n++}.db`);
  const db = new Database(file);
  for (const statement of statements) db.exec(statement);
  db.close();
  const store = new SqliteStore(file);
  opened.push(store);
  return store;
}

async function read(store: SqliteStore, mapping: TableMapping, from = 0): Promise<SourceRecord[]> {
  const records: SourceRecord[] = [];
  for await (const block of store.reader(mapping).blocks(from)) records.push(...block);
  return records;
}

const mapping = mappingOf({
  fields: [bigint('id'), text('name', { nullable: true }), double('value', { nullable: true })],
  order: { by: ['id'] },
});
const TABLE = 'create table things (id integer primary key, name varchar(5), value float)';
const get = (record: SourceRecord | undefined, ...fields: string[]): Raw[] =>
  fields.map((field) => record!.get(field));

describe('values', () => {
  it('text comes as the bytes that are stored, longer than its column, and with a NUL in it', async () => {
    const found = await read(
      storeOf(
        TABLE,
        `insert into things (name) values ('日本語です。'), ('a' || char(0) || 'b'), (''), (char(0))`,
      ),
      mapping,
    );
    expect(found.map((record) => record.get('name'))).toEqual([
      Buffer.from('日本語です。'),
      Buffer.from('a\0b'),
      Buffer.alloc(0),
      Buffer.from('\0'),
    ]);
  });

  it('text that is not UTF-8 comes as it is', async () => {
    const [found] = await read(
      storeOf(TABLE, `insert into things (name) values (cast(x'41e688' as text))`),
      mapping,
    );
    expect(found!.get('name')).toEqual(Buffer.from('41e688', 'hex'));
    expect(found!.defect).toBeUndefined();
  });

  it('5.0 in a REAL column is a double, and integers keep all their bits', async () => {
    const found = await read(
      storeOf(
        TABLE,
        `insert into things values (9223372036854775807, null, 5.0), (-9223372036854775808, null, 1e999), (9007199254740993, null, 5e-324)`,
      ),
      mapping,
    );
    expect(found.map((record) => get(record, 'id', 'value'))).toEqual([
      [-(2n ** 63n), Number.POSITIVE_INFINITY],
      [9007199254740993n, 5e-324],
      [2n ** 63n - 1n, 5],
    ]);
  });

  it('null is null, and a field that is no column is missing', async () => {
    const [found] = await read(storeOf(TABLE, 'insert into things values (1, null, null)'), mapping);
    expect(get(found, 'name', 'value', 'color')).toEqual([null, null, undefined]);
  });

  it('a JSON column gives its text, also where SQLite stores a number in its place', async () => {
    const documents = mappingOf({
      fields: [bigint('id'), json('doc', { nullable: true, nonFinite: 'H4' })],
      order: { by: ['id'] },
    });
    const store = storeOf(
      'create table things (id integer primary key, doc json)',
      `insert into things values (1, '{"a": NaN}'), (2, 'null'), (3, null), (4, '5')`,
    );
    // A column of type JSON has numeric affinity.
    expect(store.query('select typeof(doc) from things where id = 4')).toEqual([['integer']]);
    expect((await read(store, documents)).map((record) => record.get('doc')?.toString() ?? null)).toEqual([
      '{"a": NaN}',
      'null',
      null,
      '5',
    ]);
  });

  it('many texts beside many numbers each stay in their own column', async () => {
    const names = Array.from({ length: 30 }, (_, i) => `c${i}`);
    const wide = mappingOf({
      fields: [
        bigint('id'),
        ...names.map((name, i) => (i % 3 === 0 ? integer(name) : text(name, { nullable: true }))),
      ],
      order: { by: ['id'] },
    });
    const values = names.map((_, i) => (i % 3 === 0 ? i : i % 3 === 1 ? null : `'${i}:${'é'.repeat(i)}'`));
    const [found] = await read(
      storeOf(
        `create table things (id integer primary key, ${names.join(', ')})`,
        `insert into things values (1, ${values.map(String).join(', ')})`,
      ),
      wide,
    );
    names.forEach((name, i) => {
      const expected = i % 3 === 0 ? BigInt(i) : i % 3 === 1 ? null : Buffer.from(`${i}:${'é'.repeat(i)}`);
      expect(found!.get(name)).toEqual(expected);
    });
  });
});

describe('a value of another storage class than its contract expects', () => {
  it.each([
    ['value', `insert into things values (1, 'ok', 'n/a')`, '3 bytes of text or blob'],
    ['value', `insert into things values (1, 'ok', x'00')`, '1 bytes of text or blob'],
    ['name', `insert into things values (1, x'6162', 1.5)`, '2 bytes of text or blob'],
  ])('in %s: %s', async (field, insert, found) => {
    const [record] = await read(storeOf(TABLE, insert), mapping);
    expect(record!.defect).toEqual({
      code: 'WRONG_STORAGE_CLASS',
      field,
      detail: `the column holds ${found}`,
    });
  });

  it('a number in a column without affinity, where text is expected', async () => {
    const store = storeOf(
      'create table things (id integer primary key, name, value)',
      `insert into things values (1, 5, 2), (2, 'a', 2.5), (3, null, null)`,
    );
    expect((await read(store, mapping)).map(({ defect }) => defect?.field)).toEqual([
      'name',
      undefined,
      undefined,
    ]);
  });

  it('the first of several is named, and the neighbours are not blamed', async () => {
    const columns = Array.from({ length: 40 }, (_, i) => `c${i}`);
    const wide = mappingOf({
      fields: [bigint('id'), ...columns.map((name) => double(name))],
      order: { by: ['id'] },
    });
    const store = storeOf(`create table things (id integer primary key, ${columns.join(', ')})`);
    const file = store.file;
    const db = new Database(file);
    for (const [id, bad] of [
      [1, [39]],
      [2, [0]],
      [3, [33, 35]],
      [4, []],
    ] as const) {
      const values = columns.map((_, i) => ((bad as readonly number[]).includes(i) ? `'x'` : '1.5'));
      db.exec(`insert into things values (${id}, ${values.join(', ')})`);
    }
    db.close();
    const again = new SqliteStore(file);
    opened.push(again);
    expect((await read(again, wide)).map(({ defect }) => defect?.field)).toEqual([
      'c39',
      'c0',
      'c33',
      undefined,
    ]);
  });
});

describe('columns', () => {
  it('that the mapping does not know are told, and read', async () => {
    const store = storeOf(
      'create table things (id integer primary key, name text, value float, color text, "od""d" integer)',
      `insert into things values (1, 'a', 1.5, 'red', 7)`,
    );
    expect(store.reader(mapping).unknown).toEqual(['color', 'od"d']);
    const [record] = await read(store, mapping);
    expect(get(record, 'color', 'od"d')).toEqual([Buffer.from('red'), 7n]);
    expect([...record!.fields()]).toEqual(['id', 'name', 'value', 'color', 'od"d']);
  });

  it('that are left out are not even read', async () => {
    const store = storeOf(
      'create table things (id integer primary key, name text, value float, password text)',
      `insert into things values (1, 'a', 1.5, 'hunter2')`,
    );
    const leaving = { ...mapping, leftOut: { password: 'a credential' } };
    const [record] = await read(store, leaving);
    expect(record!.get('password')).toBeUndefined();
    expect(record!.payload(new Set(['password']))).not.toContain('hunter2');
    expect(store.reader(leaving).unknown).toEqual([]);
  });

  it('that are missing: an older file may lack what can be null, nothing else', async () => {
    const store = storeOf(
      'create table things (id integer primary key, name text)',
      `insert into things values (1, 'a')`,
    );
    const [record] = await read(store, mapping);
    expect(record!.get('value')).toBeUndefined();
    const strict = mappingOf({ fields: [bigint('id'), double('value')], order: { by: ['id'] } });
    expect(() => store.reader(strict)).toThrow(`${store.file}: table things has no column value`);
  });
});

describe('order', () => {
  it('is that of the key, ties in the order of insertion, and the locator names the rowid', async () => {
    const store = storeOf(
      'create table things (id integer, name text, value float)',
      `insert into things values (2, 'a', 1), (1, 'b', 2), (2, 'c', 3), (-1, 'd', 4)`,
    );
    expect((await read(store, mapping)).map((record) => [record.locator, ...get(record, 'id')])).toEqual([
      ['things rowid 4', -1n],
      ['things rowid 2', 1n],
      ['things rowid 1', 2n],
      ['things rowid 3', 2n],
    ]);
  });

  const aliases = new Map([
    ['BTCUSDT', 'BTC/USDT:USDT'],
    ['1H', '1h'],
  ]);
  const series = mappingOf({
    key: ['symbol', 'frame', 'id'],
    fields: [text('symbol'), text('frame'), bigint('id')],
    order: { series: { symbol: aliases, frame: aliases }, by: ['id'] },
  });
  const TRADES = 'create table things (symbol text, frame text, id integer)';

  it('series by series, all spellings of a name together, by the bytes of what is stored', async () => {
    const store = storeOf(
      TRADES,
      `insert into things values ('é', '1h', 1), ('BTCUSDT', '1h', 2), ('BTC/USDT:USDT', '1H', 1), ('BTC/USDT:USDT', '1h', 3),
         ('BTC/USDT:USDTX', '15m', 1), ('Z', '1h', 1), ('BTCUSDT', '15m', 9), ('a', '1h', 1), ('', '1h', 1), ('BTC', '4h', 1)`,
    );
    expect(
      (await read(store, series)).map((record) => get(record, 'symbol', 'frame', 'id').map(String)),
    ).toEqual([
      ['', '1h', '1'],
      ['BTC', '4h', '1'],
      ['BTCUSDT', '15m', '9'],
      ['BTC/USDT:USDT', '1H', '1'],
      ['BTCUSDT', '1h', '2'],
      ['BTC/USDT:USDT', '1h', '3'],
      ['BTC/USDT:USDTX', '15m', '1'],
      ['Z', '1h', '1'],
      ['a', '1h', '1'],
      ['é', '1h', '1'],
    ]);
  });

  it('no row is lost whose name is null, a number, a blob, broken, or has a NUL or a quote in it', async () => {
    const store = storeOf(
      'create table things (symbol, frame text, id integer)',
      `insert into things values (null, '1h', 1), (5, '1h', 2), (x'4142', '1h', 3), ('AB', '1h', 4), (cast(x'41e6' as text), '1h', 5),
         ('A' || char(0) || 'B', '1h', 6), ('A''B"', '1h', 7), ('AB', null, 8), ('', '', 9)`,
    );
    const found = await read(store, series);
    expect(found.map((record) => Number(record.get('id'))).sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(store.reader(series).count).toBe(9);
    for (const record of found) {
      expect(record.defect?.field).toBe([2, 3].includes(Number(record.get('id'))) ? 'symbol' : undefined);
    }
  });

  it('from any position on', async () => {
    const rows = Array.from(
      { length: 2500 },
      (_, i) => `('${['BTCUSDT', 'BTC/USDT:USDT', 'E', 'F'][i % 4]}', '1h', ${(i * 7919) % 2503})`,
    );
    const store = storeOf(
      TRADES,
      `insert into things values ${rows.join(', ')}`,
      `insert into things values (null, null, 1), (null, null, 2)`,
    );
    const all = (await read(store, series)).map(({ locator }) => locator);
    expect(new Set(all).size).toBe(2502);
    for (const from of [0, 1, 999, 1000, 1249, 1250, 1251, 1874, 1875, 2499, 2500, 2501, 2502]) {
      expect((await read(store, series, from)).map(({ locator }) => locator)).toEqual(all.slice(from));
    }
  });
});

describe('payload', () => {
  it('is JSON that says what was stored', async () => {
    const store = storeOf(
      'create table things (id integer primary key, name text, value float, other)',
      `insert into things values (9007199254740993, 'a"' || char(10) || '日', 1.5, null), (2, cast(x'41e6' as text), 1e999, x'00ff')`,
    );
    const payloads = (await read(store, mapping)).map((record) => record.payload(new Set()));
    expect(payloads).toEqual([
      '{"id":2,"name":{"$hex":"41e6"},"value":{"$real":"Infinity"},"other":{"$hex":"00ff"}}',
      '{"id":9007199254740993,"name":"a\\"\\n日","value":1.5,"other":null}',
    ]);
  });
});

describe('a store', () => {
  it('lists its tables and columns, without SQLite’s own', () => {
    const store = storeOf(
      'create table b (x integer primary key autoincrement, "y z" text)',
      'create table a (q text)',
      'create view v as select 1',
      'create table sqlitex (w)',
    );
    expect([...store.tables()]).toEqual([
      ['a', ['q']],
      ['b', ['x', 'y z']],
      ['sqlitex', ['w']],
    ]);
  });

  it('without a table that the mapping needs is refused', () => {
    const store = storeOf('create table others (id integer)');
    expect(() => store.reader(mapping)).toThrow(`${store.file}: table things is missing`);
  });

  it('is never written to', () => {
    const store = storeOf(TABLE);
    expect(() => store.execute('insert into things values (1, null, null)')).toThrow(/readonly/);
  });

  it('whose texts are UTF-16 is refused, because its bytes would be taken for UTF-8', () => {
    expect(() => storeOf(`pragma encoding = 'UTF-16le'`, TABLE)).toThrow(/UTF-16le/);
  });
});
