import type Database from 'libsql';
import { matchesAny } from './file-pattern.ts';

/** One entry of `sqlite_master`. */
export interface Definition {
  readonly type: 'table' | 'index' | 'trigger' | 'view';
  readonly name: string;
  /** The table it belongs to, itself for a table. */
  readonly table: string;
  readonly sql: string;
  /** 1 for a table in which a virtual one keeps its content. */
  readonly shadow: 0 | 1;
}

/** All that a file's schema says, but for SQLite's own: the tables first, then in the order in which they were made. */
export function definitionsIn(db: Database.Database, schema = 'main'): Definition[] {
  return db
    .prepare(
      `select type, name, tbl_name as "table", sql, exists (select 1 from pragma_table_list as l
           where l.schema = '${schema}' and l.name = m.name and l.type = 'shadow') as shadow
       from ${schema}.sqlite_master as m
       where sql is not null and name not like 'sqlite\\_%' escape '\\' order by type <> 'table', rowid`,
    )
    .all() as Definition[];
}

const isVirtual = ({ sql }: Definition): boolean => /^create virtual/i.test(sql);

/** What a file holds beside its source tables. */
export interface OtherTables {
  /** Ordinary tables that are known and are no source. */
  readonly ordinary: readonly string[];
  /** Virtual tables that are known and are no source. */
  readonly virtual: readonly string[];
  /** Tables in which a virtual one keeps its content. */
  readonly shadows: readonly string[];
}

/** @param notSource patterns of names */
export function otherTables(definitions: readonly Definition[], notSource: readonly string[]): OtherTables {
  const tables = definitions.filter(({ type }) => type === 'table');
  const known = tables.filter(({ name }) => matchesAny(notSource, name));
  const names = (of: readonly Definition[]) => of.map(({ name }) => name);
  return {
    ordinary: names(known.filter((each) => !isVirtual(each) && !each.shadow)),
    virtual: names(known.filter(isVirtual)),
    shadows: names(known.filter(({ shadow }) => shadow)),
  };
}
