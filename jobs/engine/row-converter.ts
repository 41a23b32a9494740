import { isUtf8 } from 'node:buffer';
import { JsonNumber, JsonObject, type JsonValue } from '../sources/json-value.ts';
import { type LeftOut, LeftOutMembers } from '../sources/left-out.ts';
import { PackedVector } from '../sources/packed-vector.ts';
import { CellKind, type Cells, type Raw, type SourceRecord } from '../sources/source.ts';
import { CREDENTIAL_RULE, checkedText, storableJson } from './contracts.ts';
import type { CopyBuffer } from './copy-buffer.ts';
import type { KeyOrder } from './key-order.ts';
import type { Lane } from './lane.ts';
import type { Field, Note, RowScope, TableMapping } from './mapping.ts';
import type { Parents } from './parents.ts';
import { jsonb } from './pg-types.ts';
import { Reject } from './reject.ts';
import { WrittenRow } from './written-row.ts';

/** Rule id under which a non-finite number in an unknown field is noted. */
export const NON_FINITE_RULE = 'X4';

/** Turns the records of one mapping into rows, by its contracts. */
export class RowConverter {
  /** Target columns in the order of the written fields: the key first, `extra` last. */
  readonly columns: readonly string[];
  readonly types: readonly Field['type'][];
  readonly keyOrder: KeyOrder;
  readonly leftOut: LeftOut;
  /** Values of the last converted record, one a column but `extra`. */
  values: unknown[] = [];
  /** Notes of the last converted record. */
  notes: Note[] = [];
  /** The last row that was written. */
  readonly row: WrittenRow;

  readonly #fields: readonly Field[];
  readonly #known: ReadonlySet<string>;
  readonly #elsewhere: ReadonlySet<string>;
  /** Fields of the source whose absence a column doesn't show. */
  readonly #optional: readonly string[];
  readonly #scope: RowScope;
  #record!: SourceRecord;

  constructor(
    readonly mapping: TableMapping,
    parents: Parents,
    private readonly missingIsNotNull: boolean,
  ) {
    const byColumn = new Map(mapping.fields.map((field) => [field.column, field]));
    const keys = mapping.key.map((column) => byColumn.get(column)!);
    this.#fields = [...keys, ...mapping.fields.filter((field) => !mapping.key.includes(field.column))];
    this.columns = [...this.#fields.map((field) => field.column), mapping.extra];
    this.types = [...this.#fields.map((field) => field.type), jsonb];
    this.row = new WrittenRow(this.columns.length);
    this.keyOrder = keys.map((field) => field.type.order!);
    this.leftOut = new LeftOutMembers(mapping.leftOut);
    // `$…` says something about a record; a member of that name is another thing.
    const named = mapping.fields.flatMap((field) => field.from ?? []);
    this.#known = new Set(named.filter((name) => !name.startsWith('$')));
    this.#elsewhere = new Set(Object.keys(mapping.elsewhere ?? {}));
    this.#optional = mapping.fields.flatMap(({ from, missing }) =>
      missing !== undefined && from !== undefined && !from.startsWith('$') ? [from] : [],
    );
    this.#scope = {
      leftOut: this.leftOut,
      raw: (name) => this.#record.get(name),
      sorted: () => this.#record.sorted,
      note: (rule, path, was) => this.notes.push({ rule, path, was }),
      parent: (entity, legacyId) => parents.find(entity, legacyId),
    };
  }

  get scope(): RowScope {
    return this.#scope;
  }

  /** Value of a column of the last converted record. */
  readonly value = (column: string): unknown => this.values[this.columns.indexOf(column)];

  /**
   * Appends the record's row to `out`.
   * @throws Reject when a contract refuses the record; `out` is as it was
   */
  convert(record: SourceRecord, out: CopyBuffer): void {
    const start = out.length;
    this.#record = record;
    this.values = new Array(this.#fields.length);
    this.notes = [];
    try {
      const { defect } = record;
      if (defect) throw new Reject(defect.code, defect.field, defect.detail);
      this.row.out = out;
      out.int16(this.columns.length);
      for (let i = 0; i < this.#fields.length; i++) {
        const field = this.#fields[i]!;
        this.row.starts[i] = out.length;
        const value = field.convert(
          field.from === undefined ? undefined : record.get(field.from),
          this.#scope,
        );
        this.values[i] = value;
        if (value === null) {
          if (i < this.keyOrder.length) throw new Reject('NULL_VALUE', field.column, 'null in the key');
          out.null();
        } else {
          field.type.write(out, value);
        }
      }
      const extra = this.#extra(record);
      if (extra === null) out.null();
      else jsonb.write(out, extra);
    } catch (error) {
      out.truncate(start);
      throw error;
    }
  }

  /**
   * The short way for the rows of a table with these columns; undefined where a field has none.
   *
   * @param of the rows, or their keys alone: then nothing is asked of the other columns, and not written
   * @returns a function that appends the row of some cells to `out`, or answers false and leaves `out` as it was: then
   *   the record has to be converted
   */
  lanes(
    columns: readonly string[],
    of: 'rows' | 'keys' = 'rows',
  ): ((cells: Cells, out: CopyBuffer) => boolean) | undefined {
    const fields = of === 'rows' ? this.#fields : this.#fields.slice(0, this.keyOrder.length);
    // A null in the key has a reason.
    if (this.#fields.some(({ nullable }, i) => nullable && i < this.keyOrder.length)) return undefined;
    const scope = { ...this.#scope, isJson: this.missingIsNotNull };
    const lanes: Lane[] = [];
    for (const { lane, convert, missing } of fields) {
      if (lane?.of !== convert || missing !== undefined) return undefined;
      const made = lane.make((column) => columns.indexOf(column), scope);
      if (made === undefined) return undefined;
      lanes.push(made);
    }
    const isUnknown = (name: string) => !this.#known.has(name) && !this.#elsewhere.has(name);
    const others = of === 'rows' ? columns.filter(isUnknown).map((name) => columns.indexOf(name)) : [];
    const { row } = this;
    const { starts } = row;
    return (cells, out) => {
      const start = out.length;
      for (const other of others) if (cells.kinds[other] !== CellKind.null) return false;
      row.out = out;
      out.int16(starts.length);
      for (let i = 0; i < lanes.length; i++) {
        starts[i] = out.length;
        if (lanes[i]!(cells, out)) continue;
        out.truncate(start);
        return false;
      }
      out.null();
      return true;
    };
  }

  /** Unknown fields, explicit nulls, fields that have a default and were missing, and notes; null when there are none. */
  #extra(record: SourceRecord): Buffer | null {
    const unknown = new JsonObject();
    const nulls: string[] = [];
    for (const name of record.fields()) {
      if (this.#known.has(name)) {
        if (this.missingIsNotNull && record.get(name) === null) nulls.push(name);
      } else if (!this.#elsewhere.has(name)) {
        const raw = record.own ? record.own(name) : record.get(name);
        if (this.leftOut.has(name, raw)) {
          // What the mapping names itself is no news.
          if (!(name in (this.mapping.leftOut ?? {}))) {
            this.notes.push({ rule: CREDENTIAL_RULE, path: name, was: 'left out' });
          }
          continue;
        }
        // `$` is ours: a legacy name that begins with it is escaped by another.
        if (raw !== undefined && (raw !== null || this.missingIsNotNull)) {
          unknown.add(name.startsWith('$') ? `$${name}` : name, asJson(raw, name));
        }
      }
    }
    const missing = this.missingIsNotNull
      ? this.#optional.filter((name) => record.get(name) === undefined)
      : [];
    if (unknown.size + nulls.length + missing.length + this.notes.length === 0) return null;
    if (unknown.size > 0) storableJson(unknown, this.#scope, 'extra', NON_FINITE_RULE);
    if (nulls.length > 0) unknown.add('$null', nulls);
    if (missing.length > 0) unknown.add('$missing', missing);
    if (this.notes.length > 0) {
      const notes = this.notes.map(
        ({ rule, path, was }) =>
          new JsonObject([
            ['rule', rule],
            ['path', path],
            ['was', was],
          ]),
      );
      unknown.add('$notes', notes);
    }
    const silent: RowScope = { ...this.#scope, note: () => {} };
    return storableJson(unknown, silent, 'extra', NON_FINITE_RULE);
  }
}

/** A raw value as JSON, for `extra`. */
function asJson(raw: Exclude<Raw, undefined>, field: string): JsonValue {
  if (typeof raw === 'bigint' || typeof raw === 'number') return new JsonNumber(String(raw));
  if (raw instanceof PackedVector) return raw.toString();
  if (!Buffer.isBuffer(raw)) return raw;
  if (!isUtf8(raw)) throw new Reject('INVALID_UTF8', field, 'bytes that are not UTF-8');
  return checkedText(raw, field).toString();
}
