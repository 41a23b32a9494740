import type { Raw } from '../sources/source.ts';
import { describe, type FieldOptions, field, stringOf } from './contracts.ts';
import { noted } from './legacy.ts';
import type { Field, LegacyRow, RowScope, SourceOrder } from './mapping.ts';
import * as pg from './pg-types.ts';
import { Reject } from './reject.ts';
import { parseUuid, uuidText } from './uuid.ts';

export interface UuidOptions extends FieldOptions {
  /** Hazard id under which another spelling than small letters with dashes is noted. */
  readonly rule: string;
}

/** SQL of a source for the order of a UUID column, whatever its spellings. */
export function uuidOrder(column: string): SourceOrder {
  return { by: [{ sql: `lower(replace("${column}", '-', ''))` }] };
}

/** @throws Reject `BAD_UUID` */
function uuidOf(raw: Raw, from: string): { bytes: Buffer; text: string } {
  const text = stringOf(raw, from);
  const bytes = parseUuid(text);
  if (bytes === undefined) throw new Reject('BAD_UUID', from, describe(raw));
  return { bytes, text };
}

/** What the source had, where a note says so and it is the same UUID still. */
function spelling(row: LegacyRow, column: string, from: string, rule: string): string | undefined {
  const text = row.text(column) ?? undefined;
  const was = noted(row, rule, from);
  return text !== undefined && was !== undefined && uuidText(was) === text ? was : text;
}

function noteSpelling(scope: RowScope, rule: string, from: string, text: string, bytes: Uint8Array): void {
  if (text !== uuidText(bytes)) scope.note(rule, from, text);
}

/** A UUID in any spelling, stored as the type of that name. */
export function uuid(column: string, options: UuidOptions): Field {
  return field(
    column,
    pg.uuid,
    'text',
    { ...options, hazards: [options.rule, ...(options.hazards ?? [])] },
    (raw, scope, from) => {
      const { bytes, text } = uuidOf(raw, from);
      noteSpelling(scope, options.rule, from, text, bytes);
      return bytes;
    },
    (row, _column, from) => spelling(row, column, from, options.rule),
    'uuid',
  );
}

/**
 * A reference, in any spelling, to a row that is named by the text of its UUID. Where that is not stored:
 * `orphan.reject` sends the record to quarantine under that code, `orphan.note` keeps it without a parent and notes the
 * legacy id.
 */
export function uuidReference(
  column: string,
  options: UuidOptions & {
    readonly parents: string;
    readonly orphan: { readonly reject: string } | { readonly note: string };
  },
): Field {
  const { parents, orphan, rule } = options;
  const orphanRule = 'note' in orphan ? orphan.note : undefined;
  return field(
    column,
    pg.uuid,
    'text',
    {
      ...options,
      nullable: options.nullable || orphanRule !== undefined,
      hazards: [rule, ...(options.hazards ?? [])],
    },
    (raw, scope, from) => {
      const { bytes, text } = uuidOf(raw, from);
      const key = scope.parent(parents, uuidText(bytes));
      if (key !== undefined) {
        noteSpelling(scope, rule, from, text, bytes);
        return key;
      }
      if (orphanRule === undefined) {
        throw new Reject((orphan as { reject: string }).reject, from, `no ${text} among ${parents}`);
      }
      scope.note(orphanRule, from, text);
      return null;
    },
    (row, _column, from) => {
      if (row.text(column) !== null) return spelling(row, column, from, rule);
      const lost = orphanRule === undefined ? undefined : noted(row, orphanRule, from);
      // The row that it names is there: somebody took the reference away.
      return lost !== undefined && row.keyOf(parents, uuidText(lost)) !== undefined ? undefined : lost;
    },
    // A vanished parent is a null in the target alone.
    orphanRule === undefined ? 'uuid' : undefined,
  );
}
