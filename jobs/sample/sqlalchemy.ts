/**
 * A table as SQLAlchemy and Alembic write its DDL: layout and blanks at line ends included, for `sqlite_master` of a legacy
 * file holds these very texts.
 */
export interface LegacyTable {
  readonly name: string;
  readonly columns: readonly string[];
  /** Table constraints after the columns and the primary key. */
  readonly constraints: readonly string[];
  /** `[name, columns]`; the names that start with `uq_` are unique, and those that say so. */
  readonly indexes: readonly (readonly [name: string, columns: string, unique?: 'unique'])[];
}

export function createTable({ name, columns, constraints }: LegacyTable): string {
  return `CREATE TABLE ${name} (\n\t${[...columns, 'PRIMARY KEY (id)', ...constraints].join(', \n\t')}\n)`;
}

export function createIndexes({ name, indexes }: LegacyTable): string[] {
  return indexes.map(
    ([index, columns, unique]) =>
      `CREATE ${unique || index.startsWith('uq_') ? 'UNIQUE ' : ''}INDEX ${index} ON ${name} (${columns})`,
  );
}
