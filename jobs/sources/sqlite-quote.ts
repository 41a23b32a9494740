/** A name in SQL for SQLite. */
export const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** A text in SQL for SQLite. PostgreSQL's form for a text with a backslash is none of SQLite's. */
export const literal = (value: string): string => `'${value.replaceAll("'", "''")}'`;
