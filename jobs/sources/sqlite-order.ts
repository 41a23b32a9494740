import type { SourceOrder } from '../engine/mapping.ts';
import type { SqliteStore } from './sqlite.ts';
import { quote } from './sqlite-quote.ts';

/** A part of a table that the engine yields in key order by itself. */
export interface Stretch {
  /** SQL condition, with a `?` for each of `values`. */
  readonly where: string;
  readonly values: readonly Uint8Array[];
  readonly count: number;
  /** The spellings of its series, one value a series column, and how many rows have each; absent without series. */
  readonly spellings?: readonly Spelling[];
  /** The series columns as they are stored; undefined where no table can hold them. */
  readonly key?: readonly string[] | undefined;
}

export interface Spelling {
  readonly key: readonly Buffer[];
  readonly count: number;
}

/**
 * The table as stretches whose sequence is key order: one a series, with all spellings of its name together. Rows whose
 * series columns are not text come last; their records are defective, whatever their order.
 */
export function stretchesOf(
  store: Pick<SqliteStore, 'query'>,
  table: string,
  order: SourceOrder,
  count: number,
): Stretch[] {
  const columns = Object.keys(order.series ?? {});
  if (columns.length === 0) return [{ where: 'true', values: [], count }];
  const names = columns.map(quote);
  // Texts as blobs: the driver would mend bytes that are not UTF-8.
  const asked = names.map((name) => `typeof(${name}), cast(${name} as blob)`).join(', ');
  const found: Spelling[] = [];
  for (const [rows, ...group] of store.query(
    `select count(*), ${asked} from ${quote(table)} group by ${names.join(', ')}`,
  )) {
    if (columns.some((_, i) => group[2 * i] !== 'text')) continue;
    const key = columns.map((_, i) => Buffer.from(group[2 * i + 1] as unknown as Uint8Array));
    found.push({ key, count: Number(rows) });
  }
  // A NUL separates, as nothing that is stored contains one and it sorts before everything else.
  const series = new Map<string, { key: Buffer; stored: string[]; spellings: Spelling[] }>();
  for (const spelling of found) {
    const stored = spelling.key.map((text, i) => order.series![columns[i]!]!.get(text.toString()) ?? text);
    const key = Buffer.concat(stored.flatMap((text) => [Buffer.from(text), Buffer.from([0])]));
    const of = series.get(key.toString('latin1')) ?? {
      key,
      stored: stored.map(String),
      spellings: [],
    };
    of.spellings.push(spelling);
    series.set(key.toString('latin1'), of);
  }
  // A blob never equals a text in SQLite, hence the cast of the bound bytes.
  const one = `(${columns.map((column) => `${quote(column)} = cast(? as text)`).join(' and ')})`;
  const stretches: Stretch[] = [...series.values()]
    .sort((a, b) => a.key.compare(b.key))
    .map((each) => ({
      where: each.spellings.map(() => one).join(' or '),
      values: each.spellings.flatMap(({ key }) => key),
      count: each.spellings.reduce((sum, { count }) => sum + count, 0),
      spellings: each.spellings,
      // What PostgreSQL can't hold is no bound in it.
      key: each.stored.every((name) => !name.includes('\0') && !name.includes('\ufffd'))
        ? each.stored
        : undefined,
    }));
  const isText = names.map((name) => `typeof(${name}) = 'text'`).join(' and ');
  const rest = count - stretches.reduce((sum, stretch) => sum + stretch.count, 0);
  return rest === 0 ? stretches : [...stretches, { where: `not (${isText})`, values: [], count: rest }];
}
