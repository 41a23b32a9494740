import { stringOf } from '../../engine/contracts.ts';
import type { KeyedRow, TableMapping } from '../../engine/mapping.ts';
import { uuidText } from '../../engine/uuid.ts';

/** Two values as contracts return them. */
const same = (a: unknown, b: unknown): boolean =>
  a instanceof Uint8Array && b instanceof Uint8Array ? Buffer.compare(a, b) === 0 : Object.is(a, b);

const asTheApplicationWrites = (row: KeyedRow): boolean => {
  const id = stringOf(row.record.get('id'), 'id');
  return id === uuidText(id);
};

/**
 * I17: SQLite holds two spellings of one UUID for two keys. The row whose id the application itself wrote (small letters,
 * dashes) stays, without one the first; the other is merged when it says the same, and not chosen between when it doesn't.
 */
export function oneSpelling(columns: readonly string[]): NonNullable<TableMapping['duplicates']> {
  return (first, second) => {
    const identical = columns.every((column) => same(first.value(column), second.value(column)));
    return {
      winner: asTheApplicationWrites(second) && !asTheApplicationWrites(first) ? 'second' : 'first',
      loser: identical ? 'merge' : { quarantine: 'DUPLICATE_ID' },
      rule: 'I17',
      identical,
    };
  };
}
