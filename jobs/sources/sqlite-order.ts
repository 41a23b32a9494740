import type { SourceOrder } from '../engine/mapping.ts';
import type { SqliteStore } from './sqlite.ts';
import { IndexWalk } from './sqlite-btree.ts';
import type { PageFile } from './sqlite-pages.ts';
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

/** The spellings of a table's series, as the store's engine counts them. */
export function spellingsOf(
  store: Pick<SqliteStore, 'query'>,
  table: string,
  columns: readonly string[],
): Spelling[] {
  const names = columns.map(quote);
  // Texts as blobs: the driver would mend bytes that are not UTF-8.
  const asked = names.map((name) => `typeof(${name}), cast(${name} as blob)`).join(', ');
  return store
    .query(`select count(*), ${asked} from ${quote(table)} group by ${names.join(', ')}`)
    .filter(([, ...group]) => columns.every((_, i) => group[2 * i] === 'text'))
    .map(([count, ...group]) => ({
      key: columns.map((_, i) => Buffer.from(group[2 * i + 1] as unknown as Uint8Array)),
      count: Number(count),
    }));
}

/** The same from the pages of an index that begins with the series columns: most leaves are of one series. */
export function spellingsInPages(file: PageFile, root: number, columns: number): Spelling[] {
  const walk = new IndexWalk(file, root);
  const found: Spelling[] = [];
  walk.seek([]);
  for (let has = walk.step(); has; ) {
    const key = walk.texts(columns);
    if (key === undefined) {
      has = walk.step();
    } else {
      const { count, goesOn } = walk.pass(key);
      found.push({ key, count });
      has = goesOn;
    }
  }
  return found;
}

/**
 * The table as stretches whose sequence is key order: one a series, with all spellings of its name together. Rows whose
 * series columns are not text come last; their records are defective, whatever their order.
 *
 * @param count rows of the table
 * @param spellings counts those of its series by these columns
 */
export function stretchesOf(
  order: SourceOrder,
  count: number,
  spellings: (columns: readonly string[]) => readonly Spelling[],
): Stretch[] {
  const columns = Object.keys(order.series ?? {});
  if (columns.length === 0) return [{ where: 'true', values: [], count }];
  // A NUL separates, as nothing that is stored contains one and it sorts before everything else.
  const series = new Map<string, { key: Buffer; stored: string[]; spellings: Spelling[] }>();
  for (const spelling of spellings(columns)) {
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
  const isText = columns.map((column) => `typeof(${quote(column)}) = 'text'`).join(' and ');
  const rest = count - stretches.reduce((sum, stretch) => sum + stretch.count, 0);
  return rest === 0 ? stretches : [...stretches, { where: `not (${isText})`, values: [], count: rest }];
}
