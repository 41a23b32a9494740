import type { Cut, OrderedReader } from '../sources/source.ts';
import type { TableMapping } from './mapping.ts';
import type { Parents } from './parents.ts';
import { MOST_PARTS, type Part } from './part.ts';
import { RowConverter } from './row-converter.ts';

/** Parts a thread: the last ones to end are then short, and no thread waits long for another. */
const PARTS_A_THREAD = 4;

/** A part with what its first key begins with; absent for the first part, which has all that sorts before the second. */
export interface CutPart extends Part {
  readonly key?: readonly string[] | undefined;
}

/** So many keys of parents are handed to each thread; with more of them a table stays with the thread that knows them. */
const MOST_PARENTS = 100_000;

/**
 * Cuts a table into parts of about one size, where its reader says that it may be cut. Rows that have columns are worth
 * another thread if they take the short way.
 */
export function cut(
  mapping: TableMapping,
  reader: OrderedReader,
  parents: Parents,
  { threads, partRows } = { threads: 1, partRows: 1 },
): readonly CutPart[] {
  const whole: CutPart = { n: 0, from: 0, to: reader.count };
  const most = Math.floor((reader.count * (reader.weight ?? 1)) / partRows);
  const wanted = Math.min(threads * PARTS_A_THREAD, MOST_PARTS, most);
  if (threads < 2 || wanted < 2 || !reader.cuts || parents.count > MOST_PARENTS) return [whole];
  if (reader.columns ? !standsAlone(mapping, reader, parents) : mapping.parents) return [whole];
  const size = reader.count / wanted;
  const parts: CutPart[] = [];
  let begin: Cut = { at: 0, key: [] };
  for (const cut of [...reader.cuts(), { at: reader.count, key: [] }]) {
    if (cut.at < reader.count && cut.at - begin.at < size) continue;
    const key = parts.length === 0 ? undefined : begin.key;
    if (cut.at > begin.at) parts.push({ n: parts.length, from: begin.at, to: cut.at, key });
    begin = cut;
  }
  return parts;
}

/** Whether the rows of a table take the short way and no other table is asked, or asks, for its rows. */
export function standsAlone(mapping: TableMapping, reader: OrderedReader, parents: Parents): boolean {
  if (mapping.parents || !reader.columns) return false;
  const converter = new RowConverter(mapping, parents, reader.missingIsNotNull);
  return converter.lanes(reader.columns) !== undefined;
}
