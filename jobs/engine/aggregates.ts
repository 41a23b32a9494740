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

/** What a store's own engine is asked. */
export interface EngineTask {
  readonly table: string;
  /** SQL; `temp.set_aside` has the rowids of the records that are not in the table. */
  readonly source: string;
  /** Those rowids: quarantined or merged. */
  readonly setAside: readonly bigint[];
}

/** Rows as arrays. */
export type Answer = readonly (readonly unknown[])[];

/** What both engines are asked, each in its own dialect. */
export interface EngineQuestion extends Pick<EngineTask, 'table' | 'source'> {
  readonly target: string;
  compare(source: Answer, target: Answer): CheckResult[];
}

/**
 * Proof (b): what the source's own engine computes of each plain column against what PostgreSQL computes. It knows
 * nothing of the contracts, so it sees what load and verify might both get wrong.
 */
export function aggregatesOf(mapping: TableMapping): EngineQuestion[] {
  const { table, entity } = mapping;
  const rows: Aggregate = { name: 'count', source: 'count(*)', target: 'count(*)' };
  const questions: Question[] = [
    ...mapping.fields.flatMap((field) => questionOf(field) ?? []),
    { column: '*', stored: 'null', aggregates: [rows] },
  ];
  return questions.map(({ column, stored, computed = {}, aggregates }) => {
    const values = [
      `${stored} as stored`,
      ...Object.entries(computed).map(([name, sql]) => `${sql} as ${name}`),
    ];
    return {
      table,
      // A limit keeps the engine from computing a value again for each aggregate.
      source: `select ${aggregates.map((each) => each.source).join(', ')} from (
         select ${values.join(', ')} from "${entity}"
         where rowid not in (select id from temp.set_aside) limit -1)`,
      target: `select ${aggregates.map((each) => each.target).join(', ')} from public.${ident(table)}`,
      compare: ([left], [right]) =>
        aggregates.map((each, i) => result(each, `${each.name}(${column})`, table, left![i], right![i])),
    };
  });
}

/** A check that a system brings itself. */
export function questionOfCheck(check: EngineCheck): EngineQuestion {
  const flat = (rows: Answer) => rows.map((row) => row.map(plain).join(' ')).join('; ');
  return {
    ...check,
    compare: (source, target) => [result(check, check.name, check.table, flat(source), flat(target))],
  };
}

/**
 * Asks both engines at once.
 * @param ask answers each task by the store's engine
 * @param setAside rowids of a table's records that are not in it
 */
export async function compareEngines(
  client: pg.Client,
  ask: (tasks: readonly EngineTask[]) => Promise<readonly Answer[]>,
  questions: readonly EngineQuestion[],
  setAside: (table: string) => readonly bigint[],
): Promise<CheckResult[]> {
  const asked = askTarget(client, questions);
  asked.catch(() => {});
  const source = await ask(
    questions.map(({ table, source }) => ({ table, source, setAside: setAside(table) })),
  );
  const target = await asked;
  return questions.flatMap((question, i) => question.compare(source[i]!, target[i]!));
}

async function askTarget(client: pg.Client, questions: readonly EngineQuestion[]): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (const { target } of questions) {
    answers.push((await client.query<unknown[]>({ text: target, rowMode: 'array' })).rows);
  }
  return answers;
}

/** A SQLite store that answers tasks. */
export class SqliteAnswers {
  /** Whose records are set aside. */
  #table: string | undefined;

  constructor(private readonly sqlite: SqliteStore) {}

  /** One after the other. It is busy with each, so the connections of other systems get their turn in between. */
  async all(tasks: readonly EngineTask[]): Promise<Answer[]> {
    const answers: Answer[] = [];
    for (const task of tasks) {
      await setImmediate();
      answers.push(this.to(task));
    }
    return answers;
  }

  to({ table, source, setAside }: EngineTask): Answer {
    if (this.#table !== table) this.#exclude(setAside);
    this.#table = table;
    return this.sqlite.query(source);
  }

  #exclude(rowids: readonly bigint[]): void {
    this.sqlite.execute(
      'create temp table if not exists set_aside (id integer primary key); delete from temp.set_aside',
    );
    for (let at = 0; at < rowids.length; at += 500) {
      const values = rowids.slice(at, at + 500).map((id) => `(${id})`);
      this.sqlite.execute(`insert or ignore into temp.set_aside values ${values.join(', ')}`);
    }
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
