import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { afterAll, describe, expect, it } from 'vitest';
import { bigint, bool, double, integer, naiveUtc, text } from '../../jobs/engine/contracts.ts';
import { CopyBuffer } from '../../jobs/engine/copy-buffer.ts';
import type { TableMapping } from '../../jobs/engine/mapping.ts';
import { Parents } from '../../jobs/engine/parents.ts';
import { RowConverter } from '../../jobs/engine/row-converter.ts';
import { random } from '../../jobs/sample/random.ts';
import { SqliteStore } from '../../jobs/sources/sqlite.ts';
import { SYSTEMS } from '../../jobs/systems/index.ts';
import { longWay, mappingOf, rowsIn } from '../records.ts';

const folder = mkdtempSync(join(tmpdir(), 'cutover-lanes-'));
const opened: SqliteStore[] = [];
afterAll(() => {
  for (const store of opened) store.close();
  rmSync(folder, { recursive: true, force: true });
});

const blob = (hex: string) => `cast(x'${hex}' as text)`;
/** SQL of values that stores hold: ordinary ones first, then what each contract has to look at twice. */
const TEXTS = [
  ...["'BTC/USDT:USDT'", "'BTCUSDT'", "'SOL/USDT:USDT'", "'1h'", "'15M'", "'1W'", "''", "'日本語 🚀'"],
  ...[blob('41e6'), blob('ff'), blob('410042'), blob('00'), blob('c080'), blob('eda080'), blob('e38182')],
  `'${'x'.repeat(48)}'`,
  `'${'é'.repeat(40)}'`,
  `'${'long '.repeat(400)}'`,
];
const TIMES = [
  ...["'2025-06-01 00:00:00.000000'", "'2025-06-01 01:00:00.000000'", "'2025-05-31 15:00:00'"],
  ...["'2025-06-01 00:00:00.000001'", "'2025-06-01 00:30:00.5'", "'1999-12-31 23:59:59.999999'"],
  ...["'0001-01-01 00:00:00'", "'9999-12-31 23:59:59'", "'2024-02-29 12:00:00'", "'2023-02-29 12:00:00'"],
  ...["'2025-06-01T00:00:00'", "'2025-06-01 24:00:00'", "'2025-06-01'", "'2025-06-01 00:00:00.'", "'now'"],
];
const NUMBERS = [
  ...['1.5', '0.1', '-0.0', '0', '1', '-1', '5e-324', '1.7976931348623157e308', '1e999', '-1e999', '2.0'],
  ...['2147483647', '2147483648', '-2147483649', '9007199254740991', '9007199254740992', '9007199254740993'],
  ...['9223372036854775807', '-9223372036854775808', '-9007199254740993'],
];
const ANY = [...TEXTS, ...TIMES, ...NUMBERS, 'null', "x'0102'", "'1.5'", "'7'"];

let n = 0;
/** Rows of a table of these columns, each value by `pick`, read both ways. */
function readBothWays(
  mapping: TableMapping,
  columns: readonly string[],
  rows: number,
  pick: (column: string, row: number) => string,
) {
  const file = join(folder, `${n++}.db`);
  const db = new Database(file);
  db.exec(`create table "${mapping.entity}" (${columns.map((name) => `"${name}"`).join(', ')}); begin`);
  for (let row = 0; row < rows; row++) {
    db.exec(`insert into "${mapping.entity}" values (${columns.map((name) => pick(name, row)).join(', ')})`);
  }
  db.exec('commit');
  db.close();
  const store = new SqliteStore(file);
  opened.push(store);
  const reader = store.reader(mapping);
  const converter = new RowConverter(mapping, new Parents(), false);
  const long = new RowConverter(mapping, new Parents(), false);
  const lanes = converter.lanes(reader.columns);
  let short = 0;
  const wrong: unknown[] = [];
  for (const cursor of reader.cells(0)) {
    while (cursor.next()) {
      const out = new CopyBuffer(8);
      const taken = lanes?.(cursor.row, out) ?? false;
      const record = cursor.record();
      if (!taken) {
        if (out.length !== 0) wrong.push([record.locator, 'left something']);
        continue;
      }
      short++;
      const expected = longWay(long, record);
      const written = rowsIn(out)[0];
      if (JSON.stringify(written) !== JSON.stringify(expected) || long.notes.length > 0) {
        wrong.push([record.locator, record.payload(new Set() as never), written, expected, long.notes]);
      }
    }
  }
  return { lanes, short, wrong };
}

describe('the short way writes what the long way writes, or nothing', () => {
  const columnsOf = (mapping: TableMapping) => [
    ...new Set([...mapping.fields.flatMap(({ from }) => from ?? []), 'created_at']),
  ];
  const tables = SYSTEMS.filter(({ source }) => source.kind === 'sqlite').flatMap((system) =>
    system.tables.map((mapping) => ({ name: `${system.name} ${mapping.table}`, mapping })),
  );

  it.each(tables)('$name', ({ mapping }) => {
    const values = random(1, mapping.table, 0);
    const likely = (name: string) => {
      const of = mapping.fields.find(({ from }) => from === name);
      if (/time|_at$/.test(name)) return TIMES;
      return of?.stored === 'number' ? NUMBERS : TEXTS;
    };
    // Mostly what belongs there, so that whole rows get through; now and then anything.
    const { wrong } = readBothWays(mapping, columnsOf(mapping), 3000, (name) => {
      if (values.next() < 0.02) return values.pick(ANY);
      return values.next() < 0.8 ? likely(name)[values.int(0, 2)]! : values.pick(likely(name));
    });
    expect(wrong.slice(0, 3)).toEqual([]);
  });

  it('every value in every kind of column', () => {
    const kinds = {
      t: text('t', { nullable: true }),
      i: integer('i', { nullable: true }),
      b: bigint('b', { nullable: true }),
      d: double('d', { nullable: true, infinite: 'H4' }),
      z: naiveUtc('z', { nullable: true }),
    };
    for (const [column, field] of Object.entries(kinds)) {
      const mapping = mappingOf({ fields: [bigint('id'), field], order: { by: ['id'] } });
      const pick = (name: string, row: number) => (name === 'id' ? String(row) : ANY[row]!);
      const { short, wrong } = readBothWays(mapping, ['id', column], ANY.length, pick);
      expect(wrong).toEqual([]);
      expect([column, short > 1 && short < ANY.length]).toEqual([column, true]);
    }
  });

  it('takes nearly all ordinary candles', () => {
    const mapping = SYSTEMS.flatMap(({ tables }) => tables).find(({ table }) => table === 'ohlcv_data')!;
    const ordinary: Record<string, (row: number) => string> = {
      symbol: () => "'BTC/USDT:USDT'",
      timeframe: () => "'1h'",
      timestamp: (row) => `'2025-06-01 ${String(row % 24).padStart(2, '0')}:00:00.000000'`,
      created_at: () => "'2025-07-01 00:00:00'",
      updated_at: () => "'2025-07-01 00:00:00'",
      id: String,
    };
    const pick = (name: string, row: number) => (ordinary[name] ?? ((at: number) => `${at}.5`))(row);
    const { short } = readBothWays(mapping, columnsOf(mapping), 200, pick);
    expect(short).toBe(200);
  });
});

describe('a table goes the long way', () => {
  const columns = ['id', 'name'];
  const lanesOf = (mapping: TableMapping) => new RowConverter(mapping, new Parents(), false).lanes(columns);

  it('whose field converts otherwise than the one that it was made from', () => {
    const base = text('name');
    const other = { ...base, convert: () => 'other' };
    expect(lanesOf(mappingOf({ fields: [bigint('id'), base] }))).toBeDefined();
    expect(lanesOf(mappingOf({ fields: [bigint('id'), other] }))).toBeUndefined();
  });

  it('with a field that has no lane, or a key that may be null', () => {
    expect(lanesOf(mappingOf({ fields: [bigint('id'), bool('name')] }))).toBeUndefined();
    expect(lanesOf(mappingOf({ fields: [bigint('id', { nullable: true }), text('name')] }))).toBeUndefined();
  });

  it('and a row with something in a column that the mapping does not know', () => {
    const pick = (name: string, row: number) => (name === 'other' && row > 0 ? "'x'" : String(row));
    const { short, wrong } = readBothWays(
      mappingOf({ fields: [bigint('id')], order: { by: ['id'] } }),
      ['id', 'other'],
      3,
      (name, row) => (name === 'other' && row === 0 ? 'null' : pick(name, row)),
    );
    expect([short, wrong]).toEqual([1, []]);
  });
});
