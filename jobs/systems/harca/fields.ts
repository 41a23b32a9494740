import { derived, describe, type FieldOptions, isoInstant } from '../../engine/contracts.ts';
import type { Field } from '../../engine/mapping.ts';
import * as pg from '../../engine/pg-types.ts';
import { Reject } from '../../engine/reject.ts';
import { JsonNumber } from '../../sources/json-value.ts';
import type { Raw } from '../../sources/source.ts';

/** Rule id of a number that JSON has not, in whichever document it stands. */
export const ANYWHERE = 'X4';

/** Name of the file without its folders and `.json`. */
export const nameOf = (file: Raw): string =>
  String(file)
    .replace(/^.*\//, '')
    .replace(/\.json$/, '');

/** All stores write times with a zone; one without would mean UTC, and is noted. */
export const instant = (column: string, options: FieldOptions = {}): Field =>
  isoInstant(column, { ...options, rule: 'X3', localOffsetMinutes: 0 });

/** Null in this store, where the column's default would say something that the store does not. */
export const absent = (column: string, type: Field['type']): Field =>
  derived(column, type, () => null, { nullable: true });

/** What a JavaScript date can hold. */
const MAX_EPOCH = 8_640_000_000_000_000n;

/** Milliseconds since 1970 (V18). */
export function epochMillis(column: string, from: string): Field {
  return {
    column,
    from,
    type: pg.timestamptz,
    stored: 'number',
    nullable: true,
    hazards: ['V18'],
    convert(raw) {
      if (raw === undefined || raw === null) return null;
      const value = raw instanceof JsonNumber && /^-?\d{1,16}$/.test(raw.text) ? BigInt(raw.text) : undefined;
      if (value === undefined || value > MAX_EPOCH || value < -MAX_EPOCH)
        throw new Reject('BAD_TIMESTAMP', from, describe(raw));
      return value * 1000n - BigInt(pg.POSTGRES_EPOCH_MICROSECONDS);
    },
  };
}
