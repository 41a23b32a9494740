import { KnownTexts, LONGEST_KNOWN } from '../sources/json-texts.ts';
import { CellKind, type Cells } from '../sources/source.ts';
import type { CopyBuffer } from './copy-buffer.ts';
import { cellLane, type LaneScope } from './lane.ts';
import type { Field } from './mapping.ts';
import { zuluTimes } from './time-reader.ts';

/** Writes one cell; see `Lane`. */
type WriteCell = Parameters<typeof cellLane>[2];

/**
 * The field with a lane for members of JSON; a typed store has other values for its contract.
 * @param make makes what writes the field's cell, unless that is null; `place` as for `MakeLane`
 */
export function withJsonLane<F extends Field>(
  field: F,
  make: (scope: LaneScope, place: (column: string) => number) => WriteCell,
): F {
  const lane: Field['lane'] = {
    of: field.convert,
    make: (place, scope) =>
      scope.isJson ? cellLane(field.from!, field.nullable, make(scope, place))(place, scope) : undefined,
  };
  return { ...field, lane };
}

export function writeBoolean(cells: Cells, at: number, out: CopyBuffer): boolean {
  if (cells.kinds[at] !== CellKind.boolean) return false;
  out.int32(1);
  out.reserve(1);
  out.bytes[out.length++] = cells.numbers[at]!;
  return true;
}

/** The members of a record mostly have one day: it is known to all lanes. */
const readZulu = zuluTimes();

/** Microseconds since 2000 of `YYYY-MM-DDTHH:MM:SS[.f{1,6}]Z`; undefined for anything else. */
export function zuluIn(cells: Cells, at: number): number | bigint | undefined {
  if (cells.kinds[at] !== CellKind.string) return undefined;
  return readZulu(cells, cells.starts[at]!, cells.sizes[at]!);
}

export function writeZulu(cells: Cells, at: number, out: CopyBuffer): boolean {
  const micros = zuluIn(cells, at);
  if (micros === undefined) return false;
  out.int64Field(micros);
  return true;
}

/** Decodes strings, of which the short ones are mostly there again and again. */
export function textReader(): (cells: Cells, at: number) => string {
  const known = new KnownTexts();
  return ({ bytes, starts, sizes }, at) => {
    const start = starts[at]!;
    const end = start + sizes[at]!;
    if (end === start || end - start > LONGEST_KNOWN) return bytes.toString('utf8', start, end);
    const place = known.placeOf(bytes, start, end);
    let text = known.find(place, bytes, start, end);
    if (text === undefined) {
      text = bytes.toString('utf8', start, end);
      known.keep(place, bytes, start, end, text);
    }
    return text;
  };
}
