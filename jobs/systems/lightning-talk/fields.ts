import { describe, isoInstant, membersOf, storableJson, stringOf, text } from '../../engine/contracts.ts';
import { withJsonLane } from '../../engine/json-lane.ts';
import { writeText } from '../../engine/lane.ts';
import { legacyJson, noted } from '../../engine/legacy.ts';
import type { DuplicateVerdict, Field, KeyedRow, TableMapping } from '../../engine/mapping.ts';
import * as pg from '../../engine/pg-types.ts';
import { Reject } from '../../engine/reject.ts';
import { keyOf, keysOf } from '../../engine/uuid.ts';
import { JsonNumber, JsonObject } from '../../sources/json-value.ts';
import { CellKind, type Cells, type Raw } from '../../sources/source.ts';

/** The legacy server ran in Japan: offset-less times and calendar days are in its zone (seen in analytics.date). */
export const SERVER_OFFSET_MINUTES = 540;

/** L2: a document without an id is not given one: nobody could find it again under an invented one. */
function legacyIdOf(raw: Raw): string {
  if (raw instanceof JsonNumber) return raw.text;
  if (raw === undefined || raw === null || raw === '') throw new Reject('MISSING_ID', 'id', describe(raw));
  return stringOf(raw, 'id');
}

/** A number is an id, too, but noted. */
const isId = (cells: Cells, at: number) => cells.kinds[at] === CellKind.string && cells.sizes[at]! > 0;

/** The new key, made from the legacy id, and the legacy id itself. */
export function ids(table: string): Field[] {
  const base = { from: 'id', stored: 'text', nullable: false, hazards: ['L1', 'L2'] } as const;
  return [
    withJsonLane<Field>(
      {
        ...base,
        column: 'id',
        type: pg.uuid,
        convert: (raw) => keyOf('lightning-talk', table, legacyIdOf(raw)),
      },
      () => {
        const keyIn = keysOf('lightning-talk', table);
        return (cells, at, out) => {
          if (!isId(cells, at)) return false;
          out.field(keyIn(cells.bytes, cells.starts[at]!, cells.sizes[at]!));
          return true;
        };
      },
    ),
    withJsonLane<Field>(
      {
        ...base,
        column: 'legacy_id',
        type: pg.text,
        convert(raw, scope) {
          if (raw instanceof JsonNumber) scope.note('L2', 'id', raw.text);
          return legacyIdOf(raw);
        },
        // A row that the application made on this database has no legacy id: its key serves.
        legacy(row) {
          const id = row.text('legacy_id') ?? row.text('id') ?? undefined;
          return id !== undefined && noted(row, 'L2', 'id') === id ? new JsonNumber(id) : id;
        },
      },
      () => (cells, at, out) => isId(cells, at) && writeText(cells, at, out),
    ),
  ];
}

/** L1: an identical copy is merged; a differing one is quarantined, the application only ever saw the first. */
export function byLegacyId(_first: KeyedRow, _second: KeyedRow, identical: boolean): DuplicateVerdict {
  return { winner: 'first', loser: identical ? 'merge' : { quarantine: 'DUPLICATE_ID' }, rule: 'L1' };
}

/** @param areNeighbours rows of one id follow each other, so that no more than one id has to be known at a time */
const oneKey =
  (areNeighbours: boolean): NonNullable<TableMapping['watch']> =>
  (place) => {
    const keys = new Map<string, string>();
    const id = place('legacy_id');
    const parts = ['event_id', 'email_key', 'occurred_at'].map(place).filter((at) => at >= 0);
    return (row) => {
      const legacyId = row.bytes(id).toString();
      const key = parts.map((part) => row.bytes(part).toString('hex')).join(' ');
      const known = keys.get(legacyId);
      if (known !== undefined && known !== key)
        throw new Reject('DUPLICATE_ID', 'id', `${legacyId} has another key already`);
      if (known === undefined && areNeighbours) keys.clear();
      keys.set(legacyId, key);
    };
  };

/** L1, where the key is not made from the id: an id that stands under another key already is not stored again. */
export const oneKeyPerId = oneKey(false);

/** The same where the key begins with what is made from the id. */
export const oneKeyPerNeighbouringId = oneKey(true);

/** L9: an assumed zone is noted. */
export function instant(column: string, from: string, nullable = false): Field {
  return isoInstant(column, {
    from,
    nullable,
    rule: 'L9',
    localOffsetMinutes: SERVER_OFFSET_MINUTES,
    hazards: ['L9'],
  });
}

export const created = instant('created_at', 'createdAt', true);
export const updated = instant('updated_at', 'updatedAt', true);

/** L20: a status outside the known ones is kept and noted; the target has no enum. */
export function status(known: readonly string[]): Field {
  const base = text('status', { nullable: true, hazards: ['L20'] });
  return {
    ...base,
    convert(raw, scope) {
      const value = base.convert(raw, scope);
      if (value !== null && !known.includes(value)) scope.note('L20', 'status', value);
      return value;
    },
  };
}

/** The members of a nested object that have no column of their own, and explicit nulls; empty for an empty object. */
export function otherMembers(column: string, object: string, known: readonly string[]): Field {
  return {
    column,
    from: object,
    type: pg.jsonb,
    stored: 'json',
    nullable: true,
    hazards: ['L8', 'L11'],
    convert(raw, scope) {
      const members = membersOf(raw, object);
      const others = [...(members ?? [])].filter(([key, value]) => !known.includes(key) || value === null);
      // An object without members is another thing than none.
      if (others.length === 0 && members?.size !== 0) return null;
      return storableJson(new JsonObject(others), scope, object, 'L27');
    },
    legacy: (row) => legacyJson(row, column, object, 'L27'),
  };
}
