import { checkedText } from '../../engine/contracts.ts';
import { cellLane, LastText, writeText } from '../../engine/lane.ts';
import type { DuplicateVerdict, Field, KeyedRow, LegacyRow } from '../../engine/mapping.ts';
import { text as pgText } from '../../engine/pg-types.ts';
import { CellKind } from '../../sources/source.ts';

/** Other spellings of a symbol or timeframe, to the one that is stored. */
type Aliases = ReadonlyMap<string, string>;

const perpetual = (base: string): [string, string][] =>
  [`${base}USDT`, `${base}-USDT`, `${base}USDT_PERP`, `${base}/USDT`].map((alias) => [
    alias,
    `${base}/USDT:USDT`,
  ]);

/**
 * H1. The first three are the application's own table; `BTC/USDT` is not in it, but the historical collector stored the
 * perpetual's prices under that name (legacy code).
 */
export const SYMBOLS: Aliases = new Map([...perpetual('BTC'), ...perpetual('ETH')]);

/** H13. */
export const TIMEFRAMES: Aliases = new Map(
  ['15m', '30m', '1h', '4h', '1d'].map((name) => [name.toUpperCase(), name]),
);

/** Seconds of a bar. */
export const BAR_SECONDS: ReadonlyMap<string, number> = new Map([
  ['15m', 900],
  ['30m', 1800],
  ['1h', 3600],
  ['4h', 14_400],
  ['1d', 86_400],
]);

/** The column in its canonical spelling, and `source_<column>` as the source has it. */
export function canonical(column: string, aliases: Aliases, hazard: string): Field[] {
  const source = `source_${column}`;
  const field = (
    name: string,
    convert: (value: string | Buffer) => string | Buffer,
    write: Parameters<typeof cellLane>[2],
    legacy?: Field['legacy'],
  ): Field => {
    const checked: Field['convert'] = (raw) => convert(checkedText(raw, column));
    return {
      column: name,
      from: column,
      type: pgText,
      stored: 'text',
      nullable: false,
      hazards: [hazard],
      aggregate: name === column ? undefined : 'text',
      convert: checked,
      lane: { of: checked, make: cellLane(column, false, write) },
      legacy,
    };
  };
  // A row that was given another symbol since has the old one's source spelling.
  const spelling = (row: LegacyRow) => {
    const [stored, was] = [row.text(column), row.text(source)];
    return (was !== null && (aliases.get(was) ?? was) === stored ? was : stored) ?? undefined;
  };
  return [
    field(column, (value) => aliases.get(value.toString()) ?? value, writeCanonical(aliases)),
    field(source, (value) => value, writeText, spelling),
  ];
}

function writeCanonical(aliases: Aliases): Parameters<typeof cellLane>[2] {
  const last = new LastText();
  let name: string | undefined;
  return (cells, at, out) => {
    if (cells.kinds[at] !== CellKind.text) return false;
    if (!last.isIn(cells, at)) name = aliases.get(last.take(cells, at));
    if (name === undefined) return writeText(cells, at, out);
    out.textField(name);
    return true;
  };
}

/** The canonical spelling as SQL of the source, so that it sorts by what is stored. */
export function canonicalSql(column: string, aliases: Aliases): string {
  const cases = [...aliases].map(([alias, name]) => `when '${alias}' then '${name}'`);
  return `case ${column} ${cases.join(' ')} else ${column} end`;
}

/**
 * H1, H13: of rows with one canonical key, the one under the canonical spelling wins, else the first row. The others are
 * merged; whether their values differed is recorded.
 */
export function preferCanonical(values: readonly string[]): (a: KeyedRow, b: KeyedRow) => DuplicateVerdict {
  const source = (row: KeyedRow, column: string) => String(row.value(`source_${column}`));
  const isAlias = (row: KeyedRow, column: string) =>
    row.value(`source_${column}`) !== undefined && source(row, column) !== String(row.value(column)) ? 1 : 0;
  const rank = (row: KeyedRow) => 2 * isAlias(row, 'symbol') + isAlias(row, 'timeframe');
  return (first, second) => {
    const differ = (column: string) => source(first, column) !== source(second, column);
    return {
      winner: rank(second) < rank(first) ? 'second' : 'first',
      loser: 'merge',
      rule: differ('symbol') ? 'H1' : differ('timeframe') ? 'H13' : 'H2',
      identical: values.every((column) => Object.is(first.value(column), second.value(column))),
    };
  };
}
