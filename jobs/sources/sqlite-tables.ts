import type Database from 'libsql';
import { matchesPattern } from './file-pattern.ts';

/** One entry of `sqlite_master`. */
export interface Definition {
  readonly type: 'table' | 'index' | 'trigger' | 'view';
  readonly name: string;
  /** The table it belongs to, itself for a table. */
  readonly table: string;
  readonly sql: string;
}

/** All that a file's schema says, but for SQLite's own: the tables first, then in the order in which they were made. */
export function definitionsIn(db: Database.Database, schema = 'main'): Definition[] {
  return db
    .prepare(
      `select type, name, tbl_name as "table", sql from ${schema}.sqlite_master
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
  const virtual = tables.filter(isVirtual).map(({ name }) => name);
  const isShadow = (name: string) => virtual.some((each) => name.startsWith(`${each}_`));
  const known = tables.map(({ name }) => name).filter((name) => isNamed(name, notSource));
  return {
    ordinary: known.filter((name) => !virtual.includes(name) && !isShadow(name)),
    virtual: known.filter((name) => virtual.includes(name)),
    shadows: known.filter((name) => !virtual.includes(name) && isShadow(name)),
  };
}

/** Whether a name matches one of these patterns. */
export function isNamed(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => matchesPattern(pattern, name));
}
