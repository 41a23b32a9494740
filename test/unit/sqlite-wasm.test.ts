import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { afterAll, describe, expect, it } from 'vitest';
import { random } from '../../jobs/sample/random.ts';
import { ReadAhead } from '../../jobs/sources/read-ahead.ts';
import { CellKind } from '../../jobs/sources/source.ts';
import { memory, WasmDatabase, type WasmStatement } from '../../jobs/sources/sqlite-wasm.ts';

const folder = mkdtempSync(join(tmpdir(), 'cutover-wasm-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const VALUES = [
  ...['null', '0', '1', '-1', '127', '32768', '-8388609', '2147483648', '-549755813889', '9007199254740991'],
  ...['9007199254740993', '9223372036854775807', '-9223372036854775808'],
  ...['0.0', '-0.0', '1.5', '5e-324', '1.7976931348623157e308', '1e999', '-1e999'],
  ...["''", "'a'", "'日本語 🚀'", "cast(x'41e6' as text)", "'a' || char(0) || 'b'", "x''", "x'00ff'"],
  ...['zeroblob(3)', "replace(hex(zeroblob(6000)), '00', 'long ')", 'randomblob(0)'],
];

/** What the public functions say of a column. */
function publicly(statement: WasmStatement, column: number): unknown {
  const kind = statement.kind(column);
  if (kind <= CellKind.real) return [kind, statement.double(column)];
  return kind === CellKind.null ? [kind] : [kind, statement.copy(column)];
}

/** What was read at once says of it. */
function atOnce(statement: WasmStatement, columns: number): unknown[] {
  const [kinds, numbers] = [new Uint8Array(columns), new Float64Array(columns)];
  const [starts, sizes] = [new Uint32Array(columns), new Uint32Array(columns)];
  statement.read(0, { kinds, numbers, starts, sizes });
  return Array.from(kinds, (kind, i) => {
    if (kind <= CellKind.real) return [kind, numbers[i]];
    if (kind === CellKind.null) return [kind];
    return [kind, Buffer.from(memory().subarray(starts[i], starts[i]! + sizes[i]!))];
  });
}

describe('a row that is read at once', () => {
  it('has what the public functions say, of computed and of stored values', () => {
    const file = join(folder, 'values.db');
    const db = new Database(file);
    db.exec(`create table t (${VALUES.map((_, i) => `c${i}`).join(', ')}, r real);
      insert into t values (${VALUES.join(', ')}, 5)`);
    db.close();
    const database = new WasmDatabase(file);
    for (const [columns, sql] of [
      [VALUES.length, `select ${VALUES.join(', ')}`],
      [VALUES.length + 1, 'select * from t'],
      [3, 'select r, r + 1, -r from t'],
    ] as const) {
      const statement = database.prepare(sql);
      expect(statement.step()).toBe(true);
      const found = atOnce(statement, columns);
      expect(found).toEqual(found.map((_, column) => publicly(statement, column)));
      expect(statement.step()).toBe(false);
      statement.close();
    }
    database.close();
  });

  it('stays right while the memory grows', () => {
    const database = new WasmDatabase(':memory:');
    const statement = database.prepare(
      `with recursive n (i) as (select 1 union all select i + 1 from n where i < 8)
       select i, hex(zeroblob(i * 4000000)) || 'end' from n`,
    );
    const before = memory();
    for (let i = 1; statement.step(); i++) {
      const [first, second] = atOnce(statement, 2) as [[number, number], [number, Buffer]];
      expect(first).toEqual([CellKind.integer, i]);
      expect([second[1].length, second[1].toString('latin1', second[1].length - 4)]).toEqual([
        i * 8_000_000 + 3,
        '0end',
      ]);
    }
    expect(before.length).toBe(0);
    statement.close();
    database.close();
  });
});

describe('a database', () => {
  it('that is none is refused in SQLite’s words', () => {
    const file = join(folder, 'none.db');
    writeFileSync(file, 'no database at all, but long enough to be taken for one: '.repeat(30));
    expect(() => new WasmDatabase(file).prepare('select * from sqlite_master').step()).toThrow(
      /not a database/,
    );
    expect(() => new WasmDatabase(join(folder, 'nowhere.db'))).toThrow(/unable to open/);
  });

  it('sorts more than fits into its cache, in files that nobody sees', () => {
    const file = join(folder, 'sorted.db');
    const db = new Database(file);
    db.exec('create table t (a, b)');
    db.exec(`with recursive n (i) as (select 1 union all select i + 1 from n where i < 60000)
      insert into t select (i * 7919) % 60013, hex(zeroblob(200)) from n`);
    db.close();
    const database = new WasmDatabase(file);
    const statement = database.prepare('select a, b from t order by a');
    let last = -1;
    let rows = 0;
    for (; statement.step(); rows++) {
      const value = statement.double(0);
      if (value <= last) throw new Error(`${value} after ${last}`);
      last = value;
    }
    expect(rows).toBe(60_000);
    statement.close();
    database.close();
  });
});

describe('reading ahead', () => {
  it('gives the bytes of the file, wherever they are asked for', () => {
    const values = random(1, 'read ahead', 0);
    const content = Buffer.from(Array.from({ length: 3_000_007 }, () => values.int(0, 255)));
    const file = join(folder, 'bytes');
    writeFileSync(file, content);
    const fd = openSync(file, 'r');
    const ahead = new ReadAhead(fd, 32);
    const into = new Uint8Array(70_000);
    const near = () => values.int(0, 40) * 4096;
    for (let i = 0; i < 5000; i++) {
      const from = values.next() < 0.5 ? near() : values.int(0, content.length + 10);
      const size = values.pick([16, 100, 4096, 4096, 4096, 65_536, 66_000]);
      const read = ahead.read(into, 7, size, from);
      const expected = content.subarray(from, from + size);
      if (read !== expected.length || expected.compare(into, 7, 7 + read) !== 0) {
        throw new Error(`${size} bytes at ${from}: ${read} read`);
      }
    }
    closeSync(fd);
  });
});
