import { parseJson } from '../sources/json-parse.ts';
import { JsonNumber, JsonObject, type JsonValue, jsonPath } from '../sources/json-value.ts';
import { PackedVector } from '../sources/packed-vector.ts';
import type { Raw } from '../sources/source.ts';
import type { LegacyRow, Note } from './mapping.ts';

/** What the source had under `path`, if a note of `rule` says so. */
export function noted(row: LegacyRow, rule: string, path: string): string | undefined {
  return row.notes.find((note) => note.rule === rule && note.path === path)?.was;
}

export function legacyText(row: LegacyRow, column: string): string | undefined {
  return row.text(column) ?? undefined;
}

export function legacyInteger(row: LegacyRow, column: string): JsonNumber | undefined {
  const text = row.text(column);
  return text === null ? undefined : new JsonNumber(text);
}

export function legacyDouble(row: LegacyRow, column: string): number | undefined {
  const text = row.text(column);
  return text === null ? undefined : Number(text);
}

export function legacyBool(row: LegacyRow, column: string): boolean | undefined {
  const text = row.text(column);
  return text === null ? undefined : text === 't';
}

/** A document, with the non-finite numbers that the notes of `rule` name put back where they stood. */
export function legacyJson(
  row: LegacyRow,
  column: string,
  field: string,
  rule: string,
): JsonValue | undefined {
  const text = row.text(column);
  return text === null
    ? undefined
    : withNonFinite(parseJson(Buffer.from(text)).value, row.notes, field, rule);
}

/** @param field what the notes' paths begin with, in place of `$` */
export function withNonFinite(
  document: JsonValue,
  notes: readonly Note[],
  field: string,
  rule: string,
): JsonValue {
  const tokens = new Map(notes.filter((note) => note.rule === rule).map(({ path, was }) => [path, was]));
  if (tokens.size === 0) return document;
  const restore = (node: JsonValue, path: string): JsonValue => {
    if (node === null) {
      const was = tokens.get(`${field}${path.slice(1)}`);
      return was === undefined ? null : new JsonNumber(was);
    }
    if (Array.isArray(node)) return node.map((element, i) => restore(element, jsonPath(path, i)));
    if (node instanceof JsonObject) {
      return new JsonObject(Array.from(node, ([key, member]) => [key, restore(member, jsonPath(path, key))]));
    }
    return node;
  };
  return restore(document, '$');
}

const TIMESTAMP = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?\+00$/;

/** A timestamptz, as text in UTC, in pieces; undefined for one that no legacy form has a place for (`infinity`, year 10000). */
function pieces(text: string): { date: string; time: string; fraction: string } | undefined {
  const match = TIMESTAMP.exec(text);
  return match ? { date: match[1]!, time: match[2]!, fraction: (match[3] ?? '').padEnd(6, '0') } : undefined;
}

/** `YYYY-MM-DD HH:MM:SS.ffffff` in UTC, without a zone: the form that the application itself writes. */
export function legacyNaive(row: LegacyRow, column: string): string | undefined {
  const text = row.text(column);
  const found = text === null ? undefined : pieces(text);
  return found ? `${found.date} ${found.time}.${found.fraction}` : (text ?? undefined);
}

/** ISO 8601 with `Z` as Python writes it: six digits of a fraction, or none where it is zero. */
export function legacyZulu(row: LegacyRow, column: string): string | undefined {
  const text = row.text(column);
  const found = text === null ? undefined : pieces(text);
  if (!found) return text ?? undefined;
  return `${found.date}T${found.time}${found.fraction === '000000' ? '' : `.${found.fraction}`}Z`;
}

/** ISO 8601 with `Z`: milliseconds, or microseconds where there are some. */
export function legacyIso(row: LegacyRow, column: string): string | undefined {
  const text = row.text(column);
  const found = text === null ? undefined : pieces(text);
  return found ? `${found.date}T${found.time}.${found.fraction.replace(/000$/, '')}Z` : (text ?? undefined);
}

/** ISO 8601 without a zone, in the zone that is `offsetMinutes` from UTC; no fraction where it is zero, as Python writes it. */
export function legacyLocal(row: LegacyRow, column: string, offsetMinutes: number): string | undefined {
  const text = row.text(column);
  const found = text === null ? undefined : pieces(text);
  if (!found) return text ?? undefined;
  const utc = Date.parse(`${found.date}T${found.time}Z`);
  const local = new Date(utc + offsetMinutes * 60_000).toISOString().slice(0, 19);
  return found.fraction === '000000' ? local : `${local}.${found.fraction}`;
}

/** Raw values that JSON has, too: all that a contract of a JSON store gives back. */
export function asJsonValue(raw: Raw): JsonValue | undefined {
  if (Buffer.isBuffer(raw) || raw instanceof PackedVector) return raw.toString();
  return typeof raw === 'bigint' || typeof raw === 'number' ? new JsonNumber(String(raw)) : raw;
}
