import {
  checkedText,
  derived,
  json,
  localInstant,
  membersOf,
  reference,
  score as scoreBetween,
  stringOf,
  text,
} from '../../engine/contracts.ts';
import { encodeJsonb } from '../../engine/jsonb.ts';
import { noted } from '../../engine/legacy.ts';
import type { DuplicateVerdict, Field, KeyedRow, LegacyRow, TableMapping } from '../../engine/mapping.ts';
import * as pg from '../../engine/pg-types.ts';
import { Reject } from '../../engine/reject.ts';
import { parseJson } from '../../sources/json-parse.ts';
import { JsonNumber, JsonObject, type JsonValue } from '../../sources/json-value.ts';
import type { Raw } from '../../sources/source.ts';
import { HOST_ZONE } from './layout.ts';

/** R10: a time without an offset is the host's; R11: one with an offset, or a date alone, is noted. */
export const time = (column: string, from: string = column, nullable = false): Field =>
  localInstant(column, {
    from,
    nullable,
    rule: 'R11',
    localOffsetMinutes: HOST_ZONE.offsetMinutes,
    hazards: ['R10', 'R11'],
  });

/** R6, R7: a share of one. */
export const score = (column: string, nonFinite = 'R6', from: string = column): Field =>
  scoreBetween(column, { from, nonFinite, outside: 'R7', hazards: [nonFinite, 'R7'] });

/** A number of any size; Cohen's d has no bounds. */
export const anyNumber = (column: string): Field =>
  scoreBetween(column, {
    nonFinite: 'X4',
    outside: 'R7',
    low: Number.NEGATIVE_INFINITY,
    high: Number.POSITIVE_INFINITY,
    hazards: ['X4'],
  });

/** Name of the file that the record is in. */
export const sourceFile: Field = text('source_file', { from: '$file' });

/** What the web client sends as the id of a user: the type of customer that they talk to. */
const CUSTOMER_TYPES = [
  'analytical',
  'decisive',
  'collaborative',
  'skeptical',
  'driver',
  'expressive',
  'amiable',
];

/** The plan's length of an id. */
const USUAL_LENGTH = 50;

/** Why an id is hardly one person's own; undefined for one that may be. */
export function suspicion(id: string): string | undefined {
  if (id === '') return 'empty';
  if (CUSTOMER_TYPES.includes(id.toLowerCase())) return 'a type of customer';
  if ([...id].length > USUAL_LENGTH) return `${[...id].length} characters`;
  if (id.includes('@')) return 'an e-mail address';
  return undefined;
}

/** The key of the record is who it belongs to. R1: any text is an id; R2: `user_id` within the record may say otherwise. */
export const userId: Field = (() => {
  const base = text('user_id', { from: '$key', hazards: ['R1', 'R2'] });
  return {
    ...base,
    convert(raw, scope) {
      const id = stringOf(base.convert(raw, scope) as string, '$key');
      const doubt = suspicion(id);
      if (doubt !== undefined) scope.note('R1', 'user_id', doubt);
      return id;
    },
  };
})();

/** R2: noted once, with the limits; the value itself is the key's. */
export const limitsUserId: Field = {
  ...text('user_id', { from: '$key', hazards: ['R2'] }),
  convert(raw, scope) {
    const id = stringOf(raw, '$key');
    const inner = scope.raw('user_id');
    if (inner !== id) scope.note('R2', 'user_id', shown(inner));
    if (scope.parent('users', id) === undefined) throw new Reject('ORPHAN_USER', '$key', `no user ${id}`);
    return id;
  },
};

/**
 * What the record itself has for `user_id` where that is not its key (R2). A row without it and without a note of it has
 * the key there, as the application's own loader needs it.
 */
export const otherUserId: Field = (() => {
  const base = json('other_user_id', { from: 'user_id', nullable: true, nonFinite: 'X4', hazards: ['R2'] });
  return {
    ...base,
    convert: (raw, scope) => (raw === scope.raw('$key') ? null : base.convert(raw, scope)),
    legacy(row) {
      const other = base.legacy?.(row);
      if (other !== undefined) return other;
      return noted(row, 'R2', 'user_id') === undefined ? (row.text('user_id') ?? undefined) : undefined;
    },
  };
})();

/** The record around the session names its user. */
export const sessionUser: Field = reference('user_id', pg.text, {
  from: '$key',
  parents: 'users',
  stored: 'text',
  orphan: { reject: 'ORPHAN_USER' },
  hazards: ['R2'],
});

function shown(raw: Raw): string {
  if (raw === undefined) return 'missing';
  if (raw instanceof JsonNumber) return raw.text;
  return typeof raw === 'string' && raw.isWellFormed() && !raw.includes('\0') ? raw : 'not storable';
}

/**
 * R3: a text among the reminder settings, in a column of its own; the application has '' for nothing. The settings keep
 * the text, so only a column that says more than they do counts.
 */
export function setting(name: string, column: string): Field {
  const base = text(column, { from: 'reminder_settings', nullable: true, hazards: ['R3'] });
  const kept = (row: LegacyRow): unknown => {
    const settings = row.text('notification_settings');
    const value = settings === null ? undefined : parseJson(Buffer.from(settings)).value;
    return value instanceof JsonObject ? value.get(name) : undefined;
  };
  return {
    ...base,
    aggregate: undefined,
    convert(raw) {
      const value = membersOf(raw, 'reminder_settings')?.get(name);
      if (value === '' || value === undefined || value === null) return null;
      return checkedText(value, column);
    },
    legacy(row) {
      const value = row.text(column);
      if (value !== null) return new JsonObject([[name, value]]);
      const was = kept(row);
      return typeof was === 'string' && was !== '' ? new JsonObject([[name, '']]) : undefined;
    },
    notExported: `${column} = '' or ${column} is distinct from nullif(notification_settings ->> '${name}', '')`,
  };
}

const jsonOf = (value: JsonValue) => encodeJsonb(value);
const whole = (value: number) => new JsonNumber(String(value));

/** What the application takes for reminder settings that are not there (R5). */
export const REMINDER_DEFAULTS = new JsonObject([
  ['email_enabled', true],
  ['email_address', ''],
  ['user_name', ''],
  ['reminder_days', [3, 1, 0].map(whole)],
  ['timezone', 'Asia/Tokyo'],
  ['enable_shame_system', false],
]);

/** A document with the application's default where it is missing (R5). */
export const documentOr = (column: string, value: JsonValue, from: string = column): Field =>
  json(column, { from, missing: jsonOf(value), nonFinite: 'R6', hazards: ['R5', 'R6'] });

export const document = (column: string, nonFinite = 'X4'): Field =>
  json(column, { nullable: true, nonFinite, hazards: ['X4'] });

/** Of a key that one object has twice, Python's reader, and so the application, took the last (R21). */
export function lastCounts(_first: KeyedRow, _second: KeyedRow, identical: boolean): DuplicateVerdict {
  return { winner: 'second', loser: identical ? 'merge' : { quarantine: 'DUPLICATE_KEY' }, rule: 'R21' };
}

/** R9: a user's session that is there twice. */
export function oneSession(_first: KeyedRow, _second: KeyedRow, identical: boolean): DuplicateVerdict {
  return { winner: 'first', loser: identical ? 'merge' : { quarantine: 'DUPLICATE_KEY' }, rule: 'R9' };
}

/** What the note of a test without an id says. */
const NO_TEST_ID = 'none, known by its file';

/** R16: the key in the file, or the test's own id; a comparison or a new test that has neither is known by its file. */
export const testId: Field = {
  column: 'test_id',
  from: 'test_id',
  type: pg.text,
  stored: 'text',
  nullable: false,
  hazards: ['R16'],
  convert(raw, scope) {
    const key = scope.raw('$key');
    const id = key ?? raw;
    if (id === undefined || id === null || id === '') {
      scope.note('R16', 'test_id', NO_TEST_ID);
      return stringOf(scope.raw('$file'), '$file');
    }
    const own = stringOf(id, 'test_id');
    if (key !== undefined && raw !== undefined && raw !== key) scope.note('R16', 'test_id', shown(raw));
    return own;
  },
};

/** R16: whether the test's file is an object of tests by their ids; else it is the test. */
export const inObject: Field = {
  ...derived('in_object', pg.bool, (scope) => scope.raw('$key') !== undefined),
  from: '$key',
  legacy: (row) => (row.text('in_object') === 't' ? (row.text('test_id') ?? undefined) : undefined),
};

/** What a test that is found by its key has for `test_id` itself. */
export const ownTestId: Field = (() => {
  const base = json('own_test_id', { from: 'test_id', nullable: true, nonFinite: 'X4', hazards: ['R16'] });
  return {
    ...base,
    convert: (raw, scope) => (scope.raw('$key') === undefined ? null : base.convert(raw, scope)),
    legacy(row) {
      if (row.text('in_object') === 't') return base.legacy?.(row);
      const hadNone =
        noted(row, 'R16', 'test_id') === NO_TEST_ID && row.text('test_id') === row.text('source_file');
      return hadNone ? undefined : (row.text('test_id') ?? undefined);
    },
    notExported: 'not in_object and own_test_id is not null',
  };
})();

/** R16: one test in two files. */
export function oneTest(first: KeyedRow, second: KeyedRow): DuplicateVerdict {
  const none: ReadonlySet<string> = new Set();
  const identical = first.record.payload(none) === second.record.payload(none);
  return {
    winner: 'first',
    loser: identical ? 'merge' : { quarantine: 'DUPLICATE_ID' },
    rule: 'R16',
    identical,
  };
}

/** R14: a log may outlive its user. */
export const loggedUser: Field = (() => {
  const base = text('user_id', { hazards: ['R14'] });
  return {
    ...base,
    convert(raw, scope) {
      const id = stringOf(base.convert(raw, scope) as string, 'user_id');
      if (scope.parent('users', id) === undefined) scope.note('R14', 'user_id', id === '' ? "''" : id);
      return id;
    },
  };
})();

/** R17: a setting that is named like a credential has no value here. */
export const settingValue: Field = (() => {
  const base = json('value', { nullable: true, nonFinite: 'X4', hazards: ['R17', 'X4'] });
  return {
    ...base,
    convert(raw, scope) {
      const key = scope.raw('key');
      if (typeof key === 'string' && scope.leftOut.has(key, raw)) {
        scope.note('R17', key, 'a credential, left out');
        return null;
      }
      return base.convert(raw, scope);
    },
  };
})();

/** A name for the table whose rows users are, for those that belong to them. */
export const USERS: NonNullable<TableMapping['parents']> = [
  { as: 'users', by: (row) => String(row('user_id')), key: 'user_id' },
];
