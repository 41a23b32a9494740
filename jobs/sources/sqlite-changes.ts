import type { TableWalk } from './sqlite-btree.ts';

/** What differs between two copies of a table, by rowid; a record whose bytes have changed is in both. */
export interface ChangedRows {
  /** Records of the earlier copy that the later one has not. */
  readonly before: ReadonlySet<number>;
  /** Records of the later copy that the earlier one had not. */
  readonly after: ReadonlySet<number>;
}

/** Rows or pages that are compared at a stretch. */
const AT_ONCE = 20_000;

/**
 * Compares two copies of a table by the bytes of their records, page by page where nothing has changed.
 * @param most undefined is answered where more records than this are in either set
 * @param pause called now and then, so that others get their turn; what it throws ends the comparison
 */
export async function changedRows(
  earlier: TableWalk,
  later: TableWalk,
  most: number,
  pause: () => Promise<void>,
): Promise<ChangedRows | undefined> {
  const before = new Set<number>();
  const after = new Set<number>();
  let has = earlier.step();
  let hasLater = later.step();
  for (let i = 1; has || hasLater; i++) {
    if (i % AT_ONCE === 0) await pause();
    const order = !has ? 1 : !hasLater ? -1 : earlier.rowid - later.rowid;
    if (order !== 0 || !(earlier.skipEqualPage(later) || sameRecord(earlier, later))) {
      if (order <= 0) before.add(earlier.rowid);
      if (order >= 0) after.add(later.rowid);
      if (before.size > most || after.size > most) return undefined;
    }
    if (order <= 0) has = earlier.step();
    if (order >= 0) hasLater = later.step();
  }
  return { before, after };
}

function sameRecord(a: TableWalk, b: TableWalk): boolean {
  if (a.size !== b.size) return false;
  return a.piece.bytes.compare(b.piece.bytes, b.start, b.start + b.size, a.start, a.start + a.size) === 0;
}
