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
  readonly source: string;
  readonly target: string;
  readonly tolerance?: number;
}

/** What is computed of a column, by the kind of its values. Both sides speak the same words in their own dialect. */
function aggregatesOf(field: Field): Aggregate[] {
  const source = `"${field.from}"`;
  const target = ident(field.column);
  const count = { name: 'count', source: `count(${source})`, target: `count(${target})` };
  switch (field.aggregate) {
    case 'number':
      return [
        count,
        { name: 'min', source: `min(${source})`, target: `min(${target})` },
        { name: 'max', source: `max(${source})`, target: `max(${target})` },
        { name: 'distinct', source: `count(distinct ${source})`, target: `count(distinct ${target})` },
        {
          name: 'sum',
          source: `total(${source})`,
          target: `coalesce(sum(${target}), 0)`,
          tolerance: SUM_TOLERANCE,
        },
      ];
    case 'text':
      return [
        count,
        { name: 'min', source: `min(${source})`, target: `min(${target} collate "C")` },
        { name: 'max', source: `max(${source})`, target: `max(${target} collate "C")` },
        { name: 'distinct', source: `count(distinct ${source})`, target: `count(distinct ${target})` },
      ];
    case 'instant': {
      // SQLite rounds to milliseconds, up into the next second at the end of one: the fraction is taken from the text.
      const fraction = `cast(substr(substr(rtrim(${source}, 'Z'), 21) || '000000', 1, 6) as integer)`;
      const micros = `(strftime('%s', substr(${source}, 1, 19)) * 1000000 + ${fraction})`;
      const epoch = `(extract(epoch from ${target}) * 1000000)::bigint`;
      return [
        count,
        { name: 'min', source: `min(${micros})`, target: `min(${epoch})` },
        { name: 'max', source: `max(${micros})`, target: `max(${epoch})` },
        { name: 'distinct', source: `count(distinct ${micros})`, target: `count(distinct ${epoch})` },
      ];
    }
    case 'uuid': {
      const digits = `lower(replace(${source}, '-', ''))`;
      const stored = `replace(${target}::text, '-', '') collate "C"`;
      return [
        count,
        { name: 'min', source: `min(${digits})`, target: `min(${stored})` },
        { name: 'max', source: `max(${digits})`, target: `max(${stored})` },
        {
          name: 'distinct',
          source: `count(distinct ${digits})`,
          target: `count(distinct ${target})`,
        },
      ];
    }
    default:
      return [];
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
  const columns = mapping.fields.map((field) => ({ column: field.column, aggregates: aggregatesOf(field) }));
  columns.push({ column: '*', aggregates: [{ name: 'count', source: 'count(*)', target: 'count(*)' }] });
  for (const { column, aggregates } of columns) {
    if (aggregates.length === 0) continue;
    const target = client.query<unknown[]>({
      text: `select ${aggregates.map((each) => each.target).join(', ')} from public.${ident(mapping.table)}`,
      rowMode: 'array',
    });
    target.catch(() => {});
    // SQLite answers synchronously: a column at a time lets the other systems' connections live meanwhile.
    await setImmediate();
    const [left] = sqlite.query(
      `select ${aggregates.map((each) => each.source).join(', ')} from "${mapping.entity}"
       where rowid not in (select id from temp.set_aside)`,
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
