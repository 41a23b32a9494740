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
  /** Over `stored`, the column, and what is computed of it once a row. */
  readonly source: string;
  readonly target: string;
  readonly tolerance?: number;
}

/** What is asked of a column on both sides, each in its own dialect. */
interface Question {
  readonly column: string;
  readonly stored: string;
  /** SQL of what the source's engine computes of the stored value, by name. */
  readonly computed?: Readonly<Record<string, string>>;
  readonly aggregates: readonly Aggregate[];
}

function questionOf({ column, from, aggregate }: Field): Question | undefined {
  const stored = `"${from}"`;
  const target = ident(column);
  const count = { name: 'count', source: 'count(stored)', target: `count(${target})` };
  const bounds = (source: string, minimum: string, maximum: string): Aggregate[] => [
    { name: 'min', source: `min(${source})`, target: minimum },
    { name: 'max', source: `max(${source})`, target: maximum },
  ];
  // Only of what can't be summed: it has to keep all values.
  const distinct = (source: string, of: string) => ({
    name: 'distinct',
    source: `count(distinct ${source})`,
    target: `count(distinct ${of})`,
  });
  switch (aggregate) {
    case 'number': {
      const sum = {
        name: 'sum',
        source: 'total(stored)',
        target: `coalesce(sum(${target}), 0)`,
        tolerance: SUM_TOLERANCE,
      };
      return {
        column,
        stored,
        aggregates: [count, ...bounds('stored', `min(${target})`, `max(${target})`), sum],
      };
    }
    case 'text': {
      const text = `${target} collate "C"`;
      const aggregates = [
        count,
        ...bounds('stored', `min(${text})`, `max(${text})`),
        distinct('stored', text),
      ];
      return { column, stored, aggregates };
    }
    case 'instant': {
      // SQLite rounds to milliseconds, up into the next second at the end of one: the fraction is taken from the text.
      const digits = `case length(${stored}) when 19 then 0 when 26 then substr(${stored}, 21)
        else substr(substr(rtrim(${stored}, 'Z'), 21) || '000000', 1, 6) end`;
      const seconds = `unixepoch(substr(${stored}, 1, 19))`;
      const micros = (of: string) => `(extract(epoch from ${of}) * 1000000)::bigint`;
      // Sums of microseconds would go beyond 64 bits; and extract makes a numeric, which costs more than the rest.
      const sums = [
        {
          name: 'sum of seconds',
          source: 'sum(seconds)',
          target: `sum(date_part('epoch', date_trunc('second', ${target}))::bigint)`,
        },
        {
          name: 'sum of fractions',
          source: 'sum(fraction)',
          target: `sum(date_part('microseconds', ${target})::bigint % 1000000)`,
        },
      ];
      return {
        column,
        stored,
        computed: { seconds, fraction: `cast(${digits} as integer)` },
        aggregates: [
          count,
          ...bounds('seconds * 1000000 + fraction', micros(`min(${target})`), micros(`max(${target})`)),
          ...sums,
        ],
      };
    }
    case 'uuid': {
      const text = `replace(${target}::text, '-', '') collate "C"`;
      return {
        column,
        stored,
        computed: { hex: `lower(replace(${stored}, '-', ''))` },
        aggregates: [count, ...bounds('hex', `min(${text})`, `max(${text})`), distinct('hex', target)],
      };
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
  const questions: Question[] = [
    ...mapping.fields.flatMap((field) => questionOf(field) ?? []),
    { column: '*', stored: 'null', aggregates: [rows] },
  ];
  for (const { column, stored, computed = {}, aggregates } of questions) {
    const target = client.query<unknown[]>({
      text: `select ${aggregates.map((each) => each.target).join(', ')} from public.${ident(mapping.table)}`,
      rowMode: 'array',
    });
    target.catch(() => {});
    // SQLite answers synchronously: a column at a time lets the other systems' connections live meanwhile.
    await setImmediate();
    const values = [
      `${stored} as stored`,
      ...Object.entries(computed).map(([name, sql]) => `${sql} as ${name}`),
    ];
    // A limit keeps the engine from computing a value again for each aggregate.
    const [left] = sqlite.query(
      `select ${aggregates.map((each) => each.source).join(', ')} from (
         select ${values.join(', ')} from "${mapping.entity}"
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
