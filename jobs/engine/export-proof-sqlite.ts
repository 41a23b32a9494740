import Database from 'libsql';
import { parseLoosely } from '../sources/parse-loosely.ts';
import { literal, quote } from '../sources/sqlite-quote.ts';
import { definitionsIn, type OtherTables, otherTables } from '../sources/sqlite-tables.ts';
import type { Divergence } from './compare.ts';
import type { Differences } from './differences.ts';
import { looseDifferences } from './loose-json.ts';

/** So many rows of a table are looked at field by field; more are only counted. */
const LOOKED_AT = 10_000;

export interface TableProof {
  /** Rows of the snapshot. */
  readonly source: number;
  /** Those of them that the export should have. */
  readonly rows: number;
  readonly columns: number;
}

export interface SqlitePair {
  /** Files. */
  readonly snapshot: string;
  readonly exported: string;
  readonly tables: readonly { readonly entity: string; readonly leftOut: ReadonlySet<string> }[];
  /** Tables that no row was loaded from, by name or pattern: those that are no search index come with their rows. */
  readonly notSource?: readonly string[];
  /** Rowids of the records that the ledger says are not in the target. */
  setAside(entity: string): readonly bigint[];
}

interface Column {
  readonly name: string;
  readonly type: string;
  /** Place in the primary key, from 1; 0 for none. */
  readonly pk: number;
}

const TIME_FORM = `${'[0-9]'.repeat(4)}-${'[0-9]'.repeat(2)}-${'[0-9]'.repeat(2)} ${Array(3).fill('[0-9]'.repeat(2)).join(':')}`;

/**
 * A column in the one form in which equal contents are equal, after its declared type: of a DATETIME both text forms
 * mean an instant; of a JSON document the leaves with their paths count. Anything else is compared as it is stored.
 */
function comparable({ name, type }: Column): string {
  const column = quote(name);
  if (type === 'DATETIME') {
    return `case when ${column} glob '${TIME_FORM}*'
      then substr(${column}, 1, 19) || '.' || substr(substr(${column}, 21) || '000000', 1, 6) else ${column} end`;
  }
  if (type === 'JSON') {
    return `case when ${column} is not null then (
      select group_concat(fullkey || ' ' || kind || ' ' || value, char(10) order by fullkey) from (
        select fullkey, iif(type in ('integer', 'real'), 'number', type) as kind,
          case when typeof(atom) <> 'real' then quote(atom)
            when abs(atom) < 9e18 and atom = cast(atom as integer) then cast(atom as integer)
            else printf('%!.17g', atom) end as value
        from json_tree(cast(${column} as text)))) end`;
  }
  return column;
}

/**
 * Compares an exported SQLite file with the snapshot by SQLite's own engine: the tables by EXCEPT in both directions. It
 * knows the tables' declared types and nothing of the contracts that load and export go by.
 */
export function compareSqlite(pair: SqlitePair, found: Differences): Map<string, TableProof> {
  // The snapshot is the main database: what is attached to a read-only one can be written to all the same.
  const db = new Database(pair.snapshot, { readonly: true });
  const tell: Tell = (divergence) => found.add(divergence);
  const tables = new Map<string, TableProof>();
  try {
    db.pragma('temp_store = file');
    db.exec(`attach ${literal(pair.exported)} as exported`);
    const others = otherTables(definitionsIn(db), pair.notSource ?? []);
    compareSchemas(db, pair, others, tell);
    for (const name of others.ordinary) {
      excludeRows(db, []);
      compareTables(db, name, new Set(), tell);
    }
    for (const { entity, leftOut } of pair.tables) {
      excludeRows(db, pair.setAside(entity));
      tables.set(entity, compareTables(db, entity, leftOut, tell));
    }
  } finally {
    db.close();
  }
  return tables;
}

type Tell = (divergence: Divergence) => void;

function excludeRows(db: Database.Database, rowids: readonly bigint[]): void {
  db.exec('drop table if exists temp.set_aside; create temp table set_aside (id integer primary key)');
  const insert = db.prepare('insert or ignore into temp.set_aside values (?)');
  for (const id of rowids) insert.run(id);
}

/** The export has the snapshot's tables and indexes, letter by letter, and no others; the snapshot has no rows elsewhere. */
function compareSchemas(db: Database.Database, pair: SqlitePair, others: OtherTables, tell: Tell): void {
  const sources = pair.tables.map(({ entity }) => entity);
  const known = new Set([...sources, ...others.ordinary, ...others.virtual]);
  // Made by the virtual table's own module, as it needs them.
  const isShadow = (table: string) => others.shadows.includes(table);
  const definitions = (schema: string) =>
    new Map(
      (
        db
          .prepare(
            `select name, tbl_name, ifnull(sql, '') from ${schema}.sqlite_master where name not like 'sqlite\\_%' escape '\\'`,
          )
          .raw(true)
          .all() as unknown as [string, string, string][]
      ).map(([name, table, sql]) => [name, { table, sql }]),
    );
  const [ours, theirs] = [definitions('exported'), definitions('main')];
  for (const [name, { table, sql }] of theirs) {
    if (known.has(table)) {
      const target = ours.get(name)?.sql ?? null;
      if (target !== sql) tell({ table, key: name, field: null, source: sql, target, kind: 'changed' });
    } else if (name === table && !isShadow(table) && /^create table/i.test(sql)) {
      const rows = count(db, `main.${quote(table)}`);
      const source = `${rows} rows that were never loaded`;
      if (rows > 0) tell({ table, key: '*', field: null, source, target: null, kind: 'missing' });
    }
  }
  for (const [name, { table, sql }] of ours) {
    if (theirs.has(name) || isShadow(table)) continue;
    tell({ table, key: name, field: null, source: null, target: sql, kind: 'extra' });
  }
}

function compareTables(db: Database.Database, entity: string, leftOut: ReadonlySet<string>, tell: Tell) {
  const columns = (
    db
      .prepare(`select name, upper(type) as type, pk from pragma_table_info(${literal(entity)}, 'main')`)
      .all() as Column[]
  ).filter(({ name }) => !leftOut.has(name));
  const keyed = columns.filter((column) => column.pk > 0);
  const key = (keyed.length > 0 ? keyed : columns).map(({ name }) => quote(name));
  const table = quote(entity);
  const source = `(select * from main.${table} where rowid not in (select id from temp.set_aside))`;
  const target = `exported.${table}`;
  const forms = columns.map((column) => `${comparable(column)} as ${quote(column.name)}`).join(', ');
  const totals = {
    source: count(db, `main.${table}`),
    rows: count(db, source),
    columns: columns.length,
  };
  let told = 0;
  const difference = (
    row: Row,
    field: string | null,
    kind: Divergence['kind'],
    source: string | null,
    target: string | null,
  ) => {
    told++;
    const name = (keyed.length > 0 ? keyed : columns).map(({ name }, i) => `${name}=${row[i]}`).join(' ');
    tell({ table: entity, key: name, field, source: cut(source), target: cut(target), kind });
  };
  const differing = (a: string, b: string): Row[] => {
    const rows: Row[] = [];
    const statement = db
      .prepare(`select ${key.join(', ')} from (select ${forms} from ${a} except select ${forms} from ${b})`)
      .safeIntegers(true)
      .raw(true);
    for (const row of statement.iterate() as IterableIterator<Row>) {
      if (rows.length < LOOKED_AT) rows.push(row);
      else difference(row, null, 'changed', null, null);
    }
    return rows;
  };
  // Each column as it is stored, then in its comparable form.
  const wanted = columns.flatMap((column) => [quote(column.name), comparable(column)]).join(', ');
  const lookup = (from: string) => {
    const statement = db
      .prepare(`select ${wanted} from ${from} where ${key.map((name) => `${name} is ?`).join(' and ')}`)
      .safeIntegers(true)
      .raw(true);
    return (row: Row) => statement.get([...row]) as unknown as Row | undefined;
  };
  const [inSource, inTarget] = [lookup(source), lookup(target)];
  for (const row of differing(source, target)) {
    const [a, b] = [inSource(row)!, inTarget(row)];
    if (b === undefined) difference(row, null, 'missing', rowText(columns, a), null);
    for (const [i, { name, type }] of b === undefined ? [] : columns.entries()) {
      // biome-ignore lint/suspicious/noDoubleEquals: an integer and a real of one value are one number, as for SQLite
      if (a[2 * i + 1] == b![2 * i + 1]) continue;
      const [was, is] = [a[2 * i]!, b![2 * i]!];
      if (type !== 'JSON' || was === null || is === null) {
        difference(row, name, 'changed', shown(was), shown(is));
        continue;
      }
      // Keys that are spelled with other escapes are no difference; a second opinion says so.
      for (const { path, a, b } of looseDifferences(parseLoosely(String(was)), parseLoosely(String(is)))) {
        difference(row, path === '' ? name : `${name}.${path}`, 'changed', a, b);
      }
    }
  }
  for (const row of differing(target, source)) {
    if (inSource(row) === undefined) difference(row, null, 'extra', null, rowText(columns, inTarget(row)!));
  }
  const exported = count(db, target);
  if (told === 0 && exported !== totals.rows) {
    const [source, target] = [`${totals.rows} rows`, `${exported} rows`];
    tell({ table: entity, key: '*', field: null, source, target, kind: 'changed' });
  }
  return totals;
}

type Row = readonly (string | number | bigint | Buffer | null)[];

const SHOWN = 200;
const cut = (text: string | null) =>
  text !== null && text.length > SHOWN ? `${text.slice(0, SHOWN)}… (${text.length} characters)` : text;

const shown = (value: Row[number]) => (value === null ? null : String(value));

const rowText = (columns: readonly Column[], row: Row) =>
  columns.map(({ name }, i) => `${name}=${row[2 * i]}`).join(' ');

function count(db: Database.Database, from: string): number {
  const [n] = db.prepare(`select count(*) from ${from}`).raw(true).get() as unknown as [number];
  return n;
}
