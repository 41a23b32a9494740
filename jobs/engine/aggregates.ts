import { setImmediate } from 'node:timers/promises';
import type pg from 'pg';
import { ident } from '../database.ts';
import type { SqliteStore } from '../sources/sqlite.ts';
import type { EngineCheck, Field, TableMapping } from './mapping.ts';

/** One thing that both engines computed, each from its own data. */
export interface CheckResult {
  readonly name: string;
  readonly table: string;
  readonly ok: boolean;
  readonly source: string;
  readonly target: string;
}

/** Relative difference that the sum of doubles may have: it depends on the order of the rows. */
const SUM_TOLERANCE = 1e-9;

interface Aggregate {
  readonly name: string;
  /** Over `stored`, the column, and `value`, what is computed of it once a row. */
  readonly source: string;
  readonly target: string;
  readonly tolerance?: number;
}

/** What is asked of a column on both sides, each in its own dialect. */
interface Question {
  readonly column: string;
  readonly stored: string;
  /** SQL of the value that the source's engine computes of the stored one. */
  readonly value: string;
  readonly aggregates: readonly Aggregate[];
}

function questionOf({ column, from, aggregate }: Field): Question | undefined {
  const stored = `"${from}"`;
  const target = ident(column);
  const count = { name: 'count', source: 'count(stored)', target: `count(${target})` };
  const ordered = (value: string, distinct = value): Aggregate[] => [
    count,
    { name: 'min', source: 'min(value)', target: `min(${value})` },
    { name: 'max', source: 'max(value)', target: `max(${value})` },
    { name: 'distinct', source: 'count(distinct value)', target: `count(distinct ${distinct})` },
  ];
  switch (aggregate) {
    case 'number': {
      const sum = {
        name: 'sum',
        source: 'total(value)',
        target: `coalesce(sum(${target}), 0)`,
        tolerance: SUM_TOLERANCE,
      };
      return { column, stored, value: stored, aggregates: [...ordered(target), sum] };
    }
    case 'text':
      return { column, stored, value: stored, aggregates: ordered(`${target} collate "C"`, target) };
    case 'instant': {
      // SQLite rounds to milliseconds, up into the next second at the end of one: the fraction is taken from the text.
      const fraction = `cast(substr(substr(rtrim(${stored}, 'Z'), 21) || '000000', 1, 6) as integer)`;
      const value = `(strftime('%s', substr(${stored}, 1, 19)) * 1000000 + ${fraction})`;
      return {
        column,
        stored,
        value,
        aggregates: ordered(`(extract(epoch from ${target}) * 1000000)::bigint`),
      };
    }
    case 'uuid': {
      const value = `lower(replace(${stored}, '-', ''))`;
      const text = `replace(${target}::text, '-', '') collate "C"`;
      return { column, stored, value, aggregates: ordered(text, target) };
    }
    default:
      return undefined;
  }
}

/**
 * Proof (b): what the source's own engine computes of each plain column against what PostgreSQL computes. It knows
 * nothing of the contracts, so it sees what load and verify might both get wrong.
 *
 * @param setAside rowids of the records that are not in the table: quarantined or merged
 */
export async function compareAggregates(
  client: pg.Client,
  sqlite: SqliteStore,
  mapping: TableMapping,
  setAside: readonly bigint[],
): Promise<CheckResult[]> {
  excludeRows(sqlite, setAside);
  const results: CheckResult[] = [];
  const rows: Aggregate = { name: 'count', source: 'count(*)', target: 'count(*)' };
  const questions = [
    ...mapping.fields.flatMap((field) => questionOf(field) ?? []),
    { column: '*', value: 'null', stored: 'null', aggregates: [rows] },
  ];
  for (const { column, value, stored, aggregates } of questions) {
    const target = client.query<unknown[]>({
      text: `select ${aggregates.map((each) => each.target).join(', ')} from public.${ident(mapping.table)}`,
      rowMode: 'array',
    });
    target.catch(() => {});
    // SQLite answers synchronously: a column at a time lets the other systems' connections live meanwhile.
    await setImmediate();
    // A limit keeps the engine from computing the value again for each aggregate.
    const [left] = sqlite.query(
      `select ${aggregates.map((each) => each.source).join(', ')} from (
         select ${stored} as stored, ${value} as value from "${mapping.entity}"
         where rowid not in (select id from temp.set_aside) limit -1)`,
    );
    const [right] = (await target).rows;
    for (const [i, each] of aggregates.entries()) {
      results.push(result(each, `${each.name}(${column})`, mapping.table, left![i], right![i]));
    }
  }
  return results;
}

/** The checks that a system brings itself. */
export async function compareChecks(
  client: pg.Client,
  sqlite: SqliteStore,
  checks: readonly EngineCheck[],
  setAside: (table: string) => readonly bigint[],
): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const check of checks) {
    excludeRows(sqlite, setAside(check.table));
    const left = sqlite.query(check.source);
    const { rows } = await client.query<unknown[]>({ text: check.target, rowMode: 'array' });
    const flat = (table: readonly (readonly unknown[])[]) =>
      table.map((row) => row.map(plain).join(' ')).join('; ');
    results.push(result(check, check.name, check.table, flat(left), flat(rows)));
  }
  return results;
}

function excludeRows(sqlite: SqliteStore, rowids: readonly bigint[]): void {
  sqlite.execute(
    'create temp table if not exists set_aside (id integer primary key); delete from temp.set_aside',
  );
  for (let at = 0; at < rowids.length; at += 500) {
    const values = rowids.slice(at, at + 500).map((id) => `(${id})`);
    sqlite.execute(`insert or ignore into temp.set_aside values ${values.join(', ')}`);
  }
}

function result(
  check: { readonly tolerance?: number },
  name: string,
  table: string,
  source: unknown,
  target: unknown,
): CheckResult {
  const a = plain(source);
  const b = plain(target);
  return { name, table, ok: a === b || near(a, b, check.tolerance), source: a, target: b };
}

/** Whether two finite numbers, as text, are the same within a relative tolerance. */
function near(a: string, b: string, tolerance: number | undefined): boolean {
  const [x, y] = [Number(a), Number(b)];
  if (tolerance === undefined || !Number.isFinite(x) || !Number.isFinite(y)) return false;
  return Math.abs(x - y) <= tolerance * Math.max(Math.abs(x), Math.abs(y));
}

function plain(value: unknown): string {
  return value === null || value === undefined ? 'null' : String(value);
}
