import type { SourceOrder } from '../engine/mapping.ts';
import { CellKind } from './source.ts';
import type { WasmDatabase } from './sqlite-wasm.ts';

/** A part of a table that the engine yields in key order by itself. */
export interface Stretch {
  /** SQL condition, with a `?` for each of `values`. */
  readonly where: string;
  readonly values: readonly Buffer[];
  readonly count: number;
  /** The series columns as they are stored; undefined where no table can hold them. */
  readonly key?: readonly string[] | undefined;
}

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;

/**
 * The table as stretches whose sequence is key order: one a series, with all spellings of its name together. Rows whose
 * series columns are not text come last; their records are defective, whatever their order.
 */
export function stretchesOf(db: WasmDatabase, table: string, order: SourceOrder, count: number): Stretch[] {
  const columns = Object.keys(order.series ?? {});
  if (columns.length === 0) return [{ where: 'true', values: [], count }];
  const names = columns.map(quote).join(', ');
  const found: { readonly spelling: Buffer[]; readonly n: number }[] = [];
  const statement = db.prepare(`select ${names}, count(*) from ${quote(table)} group by ${names}`);
  while (statement.step()) {
    if (columns.some((_, i) => statement.kind(i) !== CellKind.text)) continue;
    found.push({ spelling: columns.map((_, i) => statement.copy(i)), n: statement.double(columns.length) });
  }
  statement.close();
  // A NUL separates, as nothing that is stored contains one and it sorts before everything else.
  const series = new Map<string, { key: Buffer; stored: string[]; spellings: Buffer[][]; count: number }>();
  for (const { n, spelling } of found) {
    const stored = spelling.map((text, i) => order.series![columns[i]!]!.get(text.toString()) ?? text);
    const key = Buffer.concat(stored.flatMap((text) => [Buffer.from(text), Buffer.from([0])]));
    const of = series.get(key.toString('latin1')) ?? {
      key,
      stored: stored.map(String),
      spellings: [],
      count: 0,
    };
    of.spellings.push(spelling);
    of.count += n;
    series.set(key.toString('latin1'), of);
  }
  // A blob never equals a text in SQLite, hence the cast of the bound bytes.
  const one = `(${columns.map((column) => `${quote(column)} = cast(? as text)`).join(' and ')})`;
  const stretches: Stretch[] = [...series.values()]
    .sort((a, b) => a.key.compare(b.key))
    .map((each) => ({
      where: each.spellings.map(() => one).join(' or '),
      values: each.spellings.flat(),
      count: each.count,
      // What PostgreSQL can't hold is no bound in it.
      key: each.stored.every((name) => !name.includes('\0') && !name.includes('\ufffd'))
        ? each.stored
        : undefined,
    }));
  const rest = count - stretches.reduce((sum, stretch) => sum + stretch.count, 0);
  const isText = columns.map((column) => `typeof(${quote(column)}) = 'text'`).join(' and ');
  return rest === 0 ? stretches : [...stretches, { where: `not (${isText})`, values: [], count: rest }];
}
