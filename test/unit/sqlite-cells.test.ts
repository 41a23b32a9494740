import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { afterAll, describe, expect, it } from 'vitest';
import type { SourceOrder } from '../../jobs/engine/mapping.ts';
import { type Random, random } from '../../jobs/sample/random.ts';
import { CellKind, type Cells } from '../../jobs/sources/source.ts';
import { type SqliteReader, SqliteStore } from '../../jobs/sources/sqlite.ts';
import { PageCursor } from '../../jobs/sources/sqlite-cells.ts';
import { memory, WasmDatabase } from '../../jobs/sources/sqlite-wasm.ts';
import { mappingOf } from '../records.ts';

const folder = mkdtempSync(join(tmpdir(), 'cutover-cells-'));
const opened: SqliteStore[] = [];
afterAll(() => {
  for (const store of opened) store.close();
  rmSync(folder, { recursive: true, force: true });
});

let n = 0;
/** A file that these statements made. */
function made(sql: string): string {
  const file = join(folder, `${n++}.db`);
  const db = new Database(file);
  db.exec(sql);
  db.close();
  return file;
}

/** What a row holds: of each column its kind, and its number or bytes. */
function shown(rowid: number, { kinds, numbers, starts, sizes, bytes }: Omit<Cells, 'view'>): string {
  const values = Array.from(kinds, (kind, i) => {
    if (kind === CellKind.null) return 'null';
    if (kind <= CellKind.real) return `${kind} ${Object.is(numbers[i], -0) ? '-0' : numbers[i]}`;
    return `${kind} ${bytes.toString('hex', starts[i], starts[i]! + sizes[i]!)}`;
  });
  return `${rowid}: ${values.join(' | ')}`;
}

function readerOf(file: string, order: SourceOrder, byEngine = false): SqliteReader {
  const store = new SqliteStore(file, byEngine);
  opened.push(store);
  return store.reader(mappingOf({ fields: [], order }));
}

/** The rows of table `things` as the reader has them, and how many of them came from its pages. */
function fromReader(file: string, order: SourceOrder, from = 0): { rows: string[]; byPages: number } {
  const rows: string[] = [];
  let byPages = 0;
  for (const cursor of readerOf(file, order).cells(from)) {
    while (cursor.next()) {
      rows.push(shown(cursor.rowid, cursor.row));
      if (cursor instanceof PageCursor) byPages++;
    }
  }
  return { rows, byPages };
}

/** The same as SQLite's own engine has them. */
function fromEngine(file: string, sql: string): string[] {
  const db = new WasmDatabase(file);
  const names = db.prepare("select count(*) from pragma_table_info('things')");
  names.step();
  const columns = names.double(0);
  names.close();
  const statement = db.prepare(sql);
  const rows: string[] = [];
  while (statement.step()) {
    const cells = {
      kinds: new Uint8Array(columns),
      numbers: new Float64Array(columns),
      starts: new Uint32Array(columns),
      sizes: new Uint32Array(columns),
    };
    statement.read(1, cells);
    rows.push(shown(statement.double(0), { ...cells, bytes: memory() }));
  }
  statement.close();
  db.close();
  return rows;
}

const VALUES = [
  ...['null', '0', '1', '-1', '127', '-128', '32767', '-32768', '8388607', '-8388608', '2147483647'],
  ...['-2147483648', '140737488355327', '-140737488355328', '9007199254740991', '9223372036854775807'],
  ...['5.0', '-0.0', '1.5', '5e-324', '1e999', '-1e999', "''", "'a'", "'1'", "'日本語 🚀'", "x''", "x'00ff'"],
  ...["cast(x'41e6' as text)", "'a' || char(0)", 'randomblob(300)', 'randomblob(5000)', 'randomblob(70000)'],
  ...["replace(hex(zeroblob(200)), '00', 'long ')"],
];
const PAGE_SIZES = [512, 1024, 4096, 65_536];
const TIMES = ['null', "'x'", "x'01'", '7', '7.5', '-1', '9223372036854775806', '9223372036854775807'];
const NAMES = ["'A'", "'a'", "'aa'", "'B'", "''", `'${'long '.repeat(300)}'`];

/** Fills `things`. @param first SQL of what the first columns of a row are; three more hold anything */
function filled(rows: number, first: (row: number, random: Random) => string): string {
  const values = random(7, 'things');
  const line = (row: number) => [first(row, values), ...[1, 2, 3].map(() => values.pick(VALUES))].join(', ');
  return `insert into things values ${Array.from({ length: rows }, (_, row) => `(${line(row)})`).join(',')};`;
}

describe('rows that are read from the pages of the file are those that SQLite reads', () => {
  const all = 'select rowid, * from things order by rowid';

  it.each(PAGE_SIZES)('of a table in its own order, with pages of %i bytes', (size) => {
    const file = made(`pragma page_size = ${size};
      create table things (id integer primary key, a, r real, t text, b numeric);
      ${filled(1500, (row) => `${row * 3 - 700}, ${row % 2 ? row : `'${row}'`}`)}
      delete from things where id % 7 = 0; update things set a = randomblob(900) where id % 11 = 0;`);
    const expected = fromEngine(file, all);
    expect(expected.length).toBeGreaterThan(1000);
    const { rows, byPages } = fromReader(file, { by: ['id'] });
    expect(rows).toEqual(expected);
    expect(byPages).toBe(rows.length);
    for (const from of [1, 2, 777, rows.length - 1, rows.length]) {
      expect(fromReader(file, { by: ['id'] }, from).rows).toEqual(expected.slice(from));
    }
  });

  it.each(PAGE_SIZES)(
    'of series by an index, those of several spellings merged, with pages of %i bytes',
    (size) => {
      const at = (row: number, values: Random) => (row % 2 ? values.pick(TIMES) : `'2025-${row % 13}'`);
      const file = made(`pragma page_size = ${size};
      create table things (name text, at, a, b real, c);
      create index by_name on things (name);
      create index by_name_at on things (name, at);
      ${filled(2000, (row, values) => `${values.pick(NAMES)}, ${at(row, values)}`)}
      insert into things values (null, 1, 2, 3, 4), (x'41', 1, 2, 3, 4);
      delete from things where rowid % 5 = 0;`);
      const spellings = new Map([
        ['a', 'A'],
        ['aa', 'A'],
      ]);
      const order = { series: { name: spellings }, by: ['at'] };
      // Whose series is no text comes last, and by the engine.
      const expected = fromEngine(
        file,
        `select rowid, * from things where typeof(name) = 'text'
       order by case when name in ('a', 'aa') then 'A' else name end, at, rowid`,
      );
      const { rows, byPages } = fromReader(file, order);
      expect(rows.slice(0, byPages)).toEqual(expected);
      expect(rows.slice(byPages)).toEqual(
        fromEngine(file, "select rowid, * from things where typeof(name) <> 'text'"),
      );
      for (const from of [1, 150, 333, 999, byPages - 1]) {
        expect(fromReader(file, order, from).rows).toEqual(rows.slice(from));
      }
    },
  );

  it.each(PAGE_SIZES)(
    'and the rows of each series are counted as SQLite does, with pages of %i bytes',
    (size) => {
      const one = (row: number, values: Random) =>
        row % 50 === 0 ? values.pick(['null', '7', "x'41'"]) : row < 1500 ? "'A'" : values.pick(NAMES);
      const file = made(`pragma page_size = ${size};
      create table things (name text, frame text, at, a, b real, c);
      create index by_name_frame_at on things (name, frame, at);
      ${filled(3000, (row, values) => `${one(row, values)}, ${one(row + 25, values)}, ${row}`)}`);
      const order = { series: { name: new Map([['a', 'A']]), frame: new Map() }, by: ['at'] };
      const { pages, stretches } = readerOf(file, order).known;
      expect(pages?.index).toBeGreaterThan(0);
      const { known } = readerOf(file, order, true);
      expect(known.pages).toBeUndefined();
      expect(stretches).toEqual(known.stretches);
      expect(stretches.length).toBeGreaterThan(20);
    },
  );

  it.each([
    ['', []],
    ["insert into things values ('a', 1)", [1]],
    ["insert into things values ('a', 1), ('a', 2), ('b', 1), ('b', 2), ('b', 3)", [2, 3]],
  ])('up to the last one: %s', (rows, counts) => {
    const file = made(`create table things (name text, at); create index i on things (name, at); ${rows}`);
    const { stretches } = readerOf(file, { series: { name: new Map() }, by: ['at'] }).known;
    expect(stretches.map(({ count }) => count)).toEqual(counts);
  });

  it('of a table that got columns later, and whose columns have left', () => {
    const file = made(`create table things (id integer primary key, a, b);
      insert into things values (1, 'x', 2.5), (2, 'y', 7);
      alter table things drop column a;
      alter table things add column later text default 'by default';
      alter table things add column added real;
      insert into things values (3, 1, 'said', 4);`);
    const { rows, byPages } = fromReader(file, { by: ['id'] });
    expect(rows).toEqual(fromEngine(file, all));
    expect(byPages).toBe(3);
  });

  it.each([
    ['without rowid', 'create table things (id text primary key, a) without rowid', 'id'],
    ['with a generated column', 'create table things (id integer primary key, a, g as (a || 1))', 'id'],
    ['with a key that is not the rowid', 'create table things (id integer primary key desc, a)', 'id'],
    [
      'whose index sorts otherwise',
      'create table things (id text collate nocase, a); create index i on things (id, a)',
      'a',
    ],
    [
      'whose index has not all of its rows',
      "create table things (id text, a); create index i on things (id, a) where a > ''",
      'a',
    ],
    [
      'whose rowids are no safe integers',
      'create table things (id integer primary key, a); insert into things values (9223372036854775807, 1)',
      'id',
    ],
  ])('leaves a table %s to the engine', (_, sql, by) => {
    const file = made(`${sql}; insert into things (id, a) values (3, 'x'), (1, 'y'), (2, 'z')`);
    const order = by === 'id' ? { by } : { series: { id: new Map() }, by: [by] };
    expect(readerOf(file, { ...order, by: [by] }).known.pages).toBeUndefined();
  });
});

it('a page that is none of the table is an error that names it', () => {
  const file = made(`create table things (id integer primary key, a);
    ${Array.from({ length: 500 }, (_, i) => `insert into things values (${i}, zeroblob(100));`).join('')}`);
  const reader = readerOf(file, { by: ['id'] });
  void reader.known;
  const fd = openSync(file, 'r+');
  writeSync(fd, Buffer.alloc(4096), 0, 4096, 4 * 4096);
  closeSync(fd);
  const read = () => {
    for (const cursor of reader.cells(0)) while (cursor.next());
  };
  expect(read).toThrow(`${file}: page 5 is of kind 0`);
});
