import { isUtf8 } from 'node:buffer';
import { parseJson } from '../sources/json-parse.ts';
import { JsonNumber, JsonObject, type JsonValue, withoutMembers } from '../sources/json-value.ts';
import { PackedVector } from '../sources/packed-vector.ts';
import { CellKind, type Raw } from '../sources/source.ts';
import { textReader, withJsonLane, writeBoolean, writeZulu } from './json-lane.ts';
import { encodeJsonb, JsonbUnstorable, replaceNonFinite } from './jsonb.ts';
import { JsonbLane } from './jsonb-lane.ts';
import { cellLane, writeDouble, writeInt32, writeInt64, writeNaiveUtc, writeText } from './lane.ts';
import {
  asJsonValue,
  legacyBool,
  legacyDouble,
  legacyInteger,
  legacyIso,
  legacyJson,
  legacyLocal,
  legacyNaive,
  legacyText,
  legacyZulu,
  noted,
} from './legacy.ts';
import type { Field, LegacyRow, RowScope } from './mapping.ts';
import * as pg from './pg-types.ts';
import { Reject } from './reject.ts';
import { parseIsoTimestamp, parseNaiveTimestamp, parseZuluTimestamp } from './time.ts';
import { vectorOf } from './vector.ts';

/** What every contract may be told. */
export interface FieldOptions {
  /** Source field when its name is not the column's. */
  readonly from?: string;
  /** Accept null and missing as SQL NULL. Default false: either is rejected as NULL_VALUE. */
  readonly nullable?: boolean;
  /** Value of a missing field, where the legacy application has a default of its own. */
  readonly missing?: unknown;
  /** Ids of the hazards that this field's rule answers. */
  readonly hazards?: readonly string[];
}

type Convert = (raw: Exclude<Raw, null | undefined>, scope: RowScope, field: string) => unknown;

/** The inverse of `Convert`; undefined for SQL NULL, which stands for null and for missing. */
type Legacy = (row: LegacyRow, column: string, field: string) => Raw;

/** A field whose nulls are handled the one way, and whose other values `convert` and its inverse `legacy` handle. */
export function field(
  column: string,
  type: Field['type'],
  stored: Field['stored'],
  options: FieldOptions,
  convert: Convert,
  legacy: Legacy,
  aggregate?: Field['aggregate'],
  write?: Parameters<typeof cellLane>[2],
): Field {
  const from = options.from ?? column;
  const nullable = options.nullable ?? false;
  const checked: Field['convert'] = (raw, scope) => {
    if (raw === undefined && options.missing !== undefined) return options.missing;
    if (raw === null || raw === undefined) {
      if (nullable) return null;
      throw new Reject('NULL_VALUE', from, raw === null ? 'null' : 'missing');
    }
    return convert(raw, scope, from);
  };
  return {
    column,
    type,
    from,
    stored,
    nullable,
    hazards: options.hazards,
    missing: options.missing,
    aggregate,
    convert: checked,
    lane: write && { of: checked, make: cellLane(from, nullable, write) },
    legacy: (row) => legacy(row, column, from),
  };
}

/** What a value is, for the detail of a reason; never the value itself where it may be long. */
export function describe(raw: Raw): string {
  if (raw === undefined) return 'missing';
  if (raw === null) return 'null';
  if (raw instanceof JsonNumber) return `number ${raw.text}`;
  if (Buffer.isBuffer(raw)) return JSON.stringify(raw.toString('utf8', 0, 60));
  if (typeof raw === 'string') return JSON.stringify(raw.slice(0, 60));
  if (Array.isArray(raw)) return 'an array';
  if (raw instanceof JsonObject) return 'an object';
  if (raw instanceof PackedVector) return 'a vector';
  return String(raw);
}

/** Text that PostgreSQL can hold: valid UTF-8, no NUL, no lone surrogate. Bytes pass through unchanged. */
export function checkedText(raw: Raw, field: string): string | Buffer {
  if (Buffer.isBuffer(raw)) {
    if (raw.indexOf(0) !== -1) throw new Reject('NUL_CHARACTER', field, 'U+0000 in text');
    if (!isUtf8(raw)) throw new Reject('INVALID_UTF8', field, 'bytes that are not UTF-8');
    return raw;
  }
  if (typeof raw === 'string') {
    if (raw.includes('\0')) throw new Reject('NUL_CHARACTER', field, 'U+0000 in text');
    if (!raw.isWellFormed()) throw new Reject('LONE_SURROGATE', field, 'half of a surrogate pair');
    return raw;
  }
  throw new Reject('WRONG_TYPE', field, `${describe(raw)} where text is expected`);
}

export function stringOf(raw: Raw, field: string): string {
  const value = checkedText(raw, field);
  return typeof value === 'string' ? value : value.toString('utf8');
}

export function text(column: string, options: FieldOptions = {}): Field {
  return field(
    column,
    pg.text,
    'text',
    options,
    (raw, _scope, from) => checkedText(raw, from),
    legacyText,
    'text',
    writeText,
  );
}

/** An integer of any representation; a fraction or a float that lost digits is not one. */
function integerOf(raw: Raw, field: string): bigint {
  if (typeof raw === 'bigint') return raw;
  if (typeof raw === 'number' && Number.isSafeInteger(raw)) return BigInt(raw);
  if (raw instanceof JsonNumber && /^-?\d+$/.test(raw.text)) return BigInt(raw.text);
  throw new Reject('BAD_INTEGER', field, describe(raw));
}

export function integer(column: string, options: FieldOptions = {}): Field {
  return field(
    column,
    pg.int4,
    'number',
    options,
    (raw, _scope, from) => {
      const value = integerOf(raw, from);
      if (value < -2147483648n || value > 2147483647n) throw new Reject('OUT_OF_RANGE', from, String(value));
      return Number(value);
    },
    legacyInteger,
    'number',
    writeInt32,
  );
}

export function bigint(column: string, options: FieldOptions = {}): Field {
  return field(
    column,
    pg.int8,
    'number',
    options,
    (raw, _scope, from) => {
      const value = integerOf(raw, from);
      if (value !== BigInt.asIntN(64, value)) throw new Reject('OUT_OF_RANGE', from, String(value));
      return value;
    },
    legacyInteger,
    'number',
    writeInt64,
  );
}

/** An integer that a form may have stored as text; the text is noted under `rule`. */
export function lenientInteger(column: string, rule: string, options: FieldOptions = {}): Field {
  const strict = integer(column, options);
  const base = field(
    column,
    pg.int4,
    'number',
    { ...options, hazards: [rule] },
    (raw, scope, from) => {
      if (typeof raw !== 'string') return strict.convert(raw, scope);
      if (!/^-?\d{1,9}$/.test(raw)) throw new Reject('BAD_INTEGER', from, describe(raw));
      scope.note(rule, from, raw);
      return Number(raw);
    },
    (row, _column, from) => {
      const was = noted(row, rule, from);
      return was !== undefined && String(Number(was)) === row.text(column) ? was : legacyInteger(row, column);
    },
  );
  return withJsonLane(base, () => writeInt32);
}

/** A double, bit for bit; an infinity is kept and noted under `infinite` (aggregates over it break). */
export function double(column: string, options: FieldOptions & { infinite?: string } = {}): Field {
  return field(
    column,
    pg.float8,
    'number',
    options,
    (raw, scope, from) => {
      const value = doubleOf(raw, from);
      if (!Number.isFinite(value) && options.infinite) scope.note(options.infinite, from, String(value));
      return value;
    },
    legacyDouble,
    'number',
    writeDouble,
  );
}

/**
 * A double between `low` and `high`, where the application takes any. NaN and infinities become null and are noted under
 * `nonFinite`; another number outside is kept and noted under `outside`.
 */
export function score(
  column: string,
  options: FieldOptions & { nonFinite: string; outside: string; low?: number; high?: number },
): Field {
  const { nonFinite, outside, low = 0, high = 1 } = options;
  return field(
    column,
    pg.float8,
    'number',
    { ...options, nullable: true },
    (raw, scope, from) => {
      const value = doubleOf(raw, from);
      if (!Number.isFinite(value)) {
        scope.note(nonFinite, from, String(value));
        return null;
      }
      if (value < low || value > high) scope.note(outside, from, String(value));
      return value;
    },
    (row, _column, from) => {
      const value = legacyDouble(row, column);
      const token = noted(row, nonFinite, from);
      return value === undefined && token !== undefined ? new JsonNumber(token) : value;
    },
  );
}

/** Which of the records with this key it is, in source order, from 1: the key's last column where records may repeat. */
export function nth(column: string, options: Pick<FieldOptions, 'hazards'> = {}): Field {
  // The records are numbered when their keys are known, so the first pass has no number.
  return {
    ...integer(column, { from: '$nth', missing: 0, ...options }),
    legacy: undefined,
    aggregate: undefined,
  };
}

/** The double that a number means; one that no double is near to is out of range, as it is for PostgreSQL. */
export function doubleOf(raw: Raw, field: string): number {
  if (typeof raw === 'number') return raw;
  if (raw instanceof JsonNumber) {
    const value = Number(raw.text);
    const lost = Number.isFinite(value) ? value === 0 && /^[^eE]*[1-9]/.test(raw.text) : raw.isFinite;
    if (lost) throw new Reject('OUT_OF_RANGE', field, describe(raw));
    return value;
  }
  if (typeof raw === 'bigint') {
    const value = Number(raw);
    if (BigInt(value) === raw) return value;
    throw new Reject('INEXACT_NUMBER', field, `${raw} has no equal double`);
  }
  throw new Reject('WRONG_TYPE', field, `${describe(raw)} where a number is expected`);
}

/** 0/1 as SQLite stores it, or a JSON boolean. */
export function bool(column: string, options: FieldOptions = {}): Field {
  const base = field(
    column,
    pg.bool,
    'number',
    options,
    (raw, _scope, from) => {
      if (typeof raw === 'boolean') return raw;
      if (raw === 0n || raw === 1n) return raw === 1n;
      throw new Reject('BAD_BOOLEAN', from, describe(raw));
    },
    legacyBool,
  );
  return withJsonLane(base, () => writeBoolean);
}

/** A boolean that a form may have stored as text or number; what it was is noted under `rule`. */
export function lenientBool(column: string, rule: string, options: FieldOptions = {}): Field {
  const base = field(
    column,
    pg.bool,
    'number',
    { ...options, hazards: [rule] },
    (raw, scope, from) => {
      if (typeof raw === 'boolean') return raw;
      const was = raw instanceof JsonNumber ? raw.text : raw;
      if (was === 'true' || was === '1' || was === 'false' || was === '0') {
        scope.note(rule, from, JSON.stringify(raw instanceof JsonNumber ? Number(was) : was));
        return was === 'true' || was === '1';
      }
      throw new Reject('BAD_BOOLEAN', from, describe(raw));
    },
    (row, _column, from) => {
      const value = legacyBool(row, column);
      const was = noted(row, rule, from);
      if (was === undefined || /true|1/.test(was) !== value) return value;
      return parseJson(Buffer.from(was)).value;
    },
  );
  return withJsonLane(base, () => writeBoolean);
}

/** `YYYY-MM-DD HH:MM:SS[.ffffff]` without a zone, meaning UTC: the store's setting, written here. */
export function naiveUtc(column: string, options: FieldOptions = {}): Field {
  return field(
    column,
    pg.timestamptz,
    'text',
    { ...options },
    (raw, _scope, from) => {
      const value = Buffer.isBuffer(raw) ? parseNaiveTimestamp(raw) : undefined;
      if (value === undefined) throw new Reject('BAD_TIMESTAMP', from, describe(raw));
      return value;
    },
    legacyNaive,
    'instant',
    writeNaiveUtc(),
  );
}

/** The form that Python writes: six digits of a fraction, or none where it is zero. */
const PYTHON_ZULU = /:\d\d(?:\.(?!000000)\d{6})?Z$/;

/** `YYYY-MM-DDTHH:MM:SS[.ffffff]Z`; another number of digits, or zeros for a fraction, is noted under `rule`. */
export function zuluTime(column: string, options: FieldOptions & { rule: string }): Field {
  return field(
    column,
    pg.timestamptz,
    'text',
    { ...options, hazards: [options.rule, ...(options.hazards ?? [])] },
    (raw, scope, from) => {
      const value = Buffer.isBuffer(raw) ? parseZuluTimestamp(raw) : undefined;
      if (value === undefined) throw new Reject('BAD_TIMESTAMP', from, describe(raw));
      const text = String(raw);
      if (!PYTHON_ZULU.test(text)) scope.note(options.rule, from, text);
      return value;
    },
    (row, column, from) => {
      const iso = legacyZulu(row, column);
      const was = noted(row, options.rule, from);
      if (iso === undefined || was === undefined) return iso;
      return parseZuluTimestamp(Buffer.from(was)) === parseZuluTimestamp(Buffer.from(iso)) ? was : iso;
    },
    'instant',
  );
}

/**
 * ISO 8601 with `Z` or an offset. A date alone means midnight UTC and a time without offset means `localOffsetMinutes`
 * (as JavaScript reads them on a server in that zone); either is noted under `rule`.
 */
export function isoInstant(
  column: string,
  options: FieldOptions & { rule: string; localOffsetMinutes: number },
): Field {
  const parse = (text: string) => parseIsoTimestamp(text, options.localOffsetMinutes);
  const base = instantField(column, options, parse, legacyIso, ({ assumed }) => assumed);
  return withJsonLane(base, () => writeZulu);
}

/**
 * ISO 8601 without an offset, as Python's `isoformat()` writes a local time: it means `localOffsetMinutes`. A text with an
 * offset or `Z` means what it says, a date alone is local midnight; either, and any other form, is noted under `rule`.
 */
export function localInstant(
  column: string,
  options: FieldOptions & { rule: string; localOffsetMinutes: number },
): Field {
  const offset = options.localOffsetMinutes;
  const parse = (text: string) => parseIsoTimestamp(DATE.test(text) ? `${text}T00:00` : text, offset);
  const legacy = (row: LegacyRow, from: string) => legacyLocal(row, from, offset);
  return instantField(column, options, parse, legacy, (_, text) => !PYTHON_LOCAL.test(text));
}

/** Seconds, and six digits of a fraction or none where it is zero. */
const PYTHON_LOCAL = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(?!000000)\d{6})?$/;

const DATE = /^\d{4}-\d\d-\d\d$/;

function instantField(
  column: string,
  options: FieldOptions & { rule: string },
  parse: (text: string) => ReturnType<typeof parseIsoTimestamp>,
  legacyForm: (row: LegacyRow, column: string) => string | undefined,
  isNoted: (parsed: NonNullable<ReturnType<typeof parseIsoTimestamp>>, text: string) => boolean,
): Field {
  return field(
    column,
    pg.timestamptz,
    'text',
    options,
    (raw, scope, from) => {
      const value = typeof raw === 'string' ? parse(raw) : undefined;
      if (value === undefined) throw new Reject('BAD_TIMESTAMP', from, describe(raw));
      if (isNoted(value, raw as string)) scope.note(options.rule, from, raw as string);
      return value.micros;
    },
    (row, _column, from) => {
      const text = legacyForm(row, column);
      const was = noted(row, options.rule, from);
      return text !== undefined && was !== undefined && parse(was)?.micros === parse(text)?.micros
        ? was
        : text;
    },
  );
}

/** A JSON document. NaN and infinities, which jsonb has not, become null and are noted under `nonFinite`. */
export function json(column: string, options: FieldOptions & { nonFinite: string }): Field {
  const base = field(
    column,
    pg.jsonb,
    'json',
    options,
    (raw, scope, from) => {
      const document = Buffer.isBuffer(raw) ? parseStored(raw, from) : (raw as JsonValue);
      return storableJson(document, scope, from, options.nonFinite);
    },
    (row, _column, from) => legacyJson(row, column, from, options.nonFinite),
  );
  return withJsonLane(base, ({ leftOut }) => new JsonbLane(leftOut).write);
}

function parseStored(raw: Buffer, field: string): JsonValue {
  let parsed: ReturnType<typeof parseJson>;
  try {
    parsed = parseJson(raw);
  } catch (error) {
    if (!isUtf8(raw)) throw new Reject('INVALID_UTF8', field, 'bytes that are not UTF-8');
    throw new Reject('BAD_JSON', field, (error as Error).message);
  }
  const issue = parsed.issues.find((each) => each.code !== 'NON_FINITE');
  if (issue) throw new Reject(issue.code, field, `${issue.path}: ${issue.detail}`);
  return parsed.value;
}

/** Rule id under which a member that was left out is noted. */
export const CREDENTIAL_RULE = 'X10';

/** The canonical jsonb text of a document, with non-finite numbers replaced and noted. */
export function storableJson(document: JsonValue, scope: RowScope, field: string, nonFinite: string): Buffer {
  const kept = withoutMembers(document, scope.leftOut, (path) =>
    scope.note(CREDENTIAL_RULE, `${field}${path.slice(1)}`, 'left out'),
  );
  const { value, paths } = replaceNonFinite(kept);
  for (const { path, was } of paths) scope.note(nonFinite, `${field}${path.slice(1)}`, was);
  try {
    return encodeJsonb(value);
  } catch (error) {
    if (error instanceof JsonbUnstorable) throw new Reject(error.code, field, error.path);
    throw error;
  }
}

/** A column whose value is one member of a nested object. A missing object has no members. */
export function member(object: string, name: string, inner: Field): Field {
  return {
    ...inner,
    from: object,
    convert: (raw, scope) => inner.convert(membersOf(raw, object)?.get(name), scope),
    legacy(row) {
      const value = asJsonValue(inner.legacy?.(row));
      return value === undefined ? undefined : new JsonObject([[name, value]]);
    },
  };
}

/** The members of a nested object; undefined when there is none. */
export function membersOf(raw: Raw, field: string): JsonObject | undefined {
  if (raw === undefined || raw === null) return undefined;
  if (raw instanceof JsonObject) return raw;
  throw new Reject('WRONG_TYPE', field, `${describe(raw)} where an object is expected`);
}

/** An embedding, in any of the forms that {@link vectorOf} reads; stored in single precision. */
export function vector(column: string, options: FieldOptions = {}): Field {
  return field(
    column,
    pg.vector,
    'json',
    options,
    (raw, _scope, from) => vectorOf(raw, from),
    (row) => {
      const text = row.text(column);
      return text === null ? undefined : parseJson(Buffer.from(text)).value;
    },
  );
}

/** A value computed from the whole record. */
export function derived(
  column: string,
  type: Field['type'],
  convert: (scope: RowScope) => unknown,
  options: Pick<FieldOptions, 'hazards' | 'nullable'> & Pick<Field, 'notExported'> = {},
): Field {
  return {
    column,
    type,
    stored: 'text',
    nullable: options.nullable ?? false,
    hazards: options.hazards,
    notExported: options.notExported,
    convert: (_raw, scope) => convert(scope),
  };
}

/**
 * The key of a parent record. Where it does not exist: `orphan.reject` sends the record to quarantine under that code,
 * `orphan.note` keeps it without a parent and notes the legacy id.
 *
 * @param options.kept column with the legacy id as the record had it: an export gives it back where the reference agrees
 */
export function reference(
  column: string,
  type: Field['type'],
  options: FieldOptions & {
    parents: string;
    stored: Field['stored'];
    kept?: string;
    orphan: { readonly reject: string } | { readonly note: string };
  },
): Field {
  const { parents, orphan, kept } = options;
  const nullable = options.nullable || 'note' in orphan;
  const legacyName = (row: LegacyRow, from: string): string | undefined => {
    const key = row.text(column);
    const was = kept ? legacyText(row, kept) : undefined;
    if (key === null) {
      const lost = was ?? ('note' in orphan ? noted(row, orphan.note, from) : undefined);
      // The row that it names is there: somebody took the reference away.
      return lost !== undefined && row.keyOf(parents, lost) !== undefined ? undefined : lost;
    }
    const other = was === undefined ? undefined : row.keyOf(parents, was);
    // A merged record's legacy id names no row; one that names another row is older than the reference.
    return was === undefined || (other !== undefined && other !== key)
      ? (row.nameOf(parents, key) ?? key)
      : was;
  };
  const base = field(
    column,
    type,
    options.stored,
    { ...options, nullable },
    (raw, scope, from) => {
      const legacyId = typeof raw === 'bigint' ? String(raw) : stringOf(raw, from);
      const key = scope.parent(parents, legacyId);
      if (key !== undefined) return key;
      if ('reject' in orphan) throw new Reject(orphan.reject, from, `no ${legacyId} among ${parents}`);
      scope.note(orphan.note, from, legacyId);
      return null;
    },
    (row, _column, from) => {
      const name = legacyName(row, from);
      return name !== undefined && options.stored === 'number' ? new JsonNumber(name) : name;
    },
  );
  return withJsonLane(base, (scope) => {
    const read = textReader();
    return (cells, at, out) => {
      if (cells.kinds[at] !== CellKind.string) return false;
      const key = scope.parent(parents, read(cells, at));
      if (key === undefined) return false;
      type.write(out, key);
      return true;
    };
  });
}
