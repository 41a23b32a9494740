/** What an application asks, in the words of its legacy store and of the target; both answer as many rows. */
export interface Query {
  readonly name: string;
  /** Statements for the legacy store, one after the other. */
  readonly sqlite: readonly string[];
  readonly postgres: readonly string[];
  /** It writes, so it is undone after each run. */
  readonly writes?: boolean;
  /** It needs every row of a table, so that an index may be no help. */
  readonly whole?: boolean;
  /** It answers with every spelling that the legacy store has, where the target has one. */
  readonly spellings?: boolean;
}

/** One whose words are the same to both. */
export const same = (name: string, ...statements: string[]): Query => ({
  name,
  sqlite: statements,
  postgres: statements,
});

/** One that asks for every row of a table. */
export const ofAll = (query: Query): Query => ({ ...query, whole: true });
