import type { Divergence } from './compare.ts';

/** So many differences are listed; all are counted. */
const LISTED = 10_000;

/** What a comparison finds, in bounded memory. */
export class Differences {
  readonly listed: Divergence[] = [];
  total = 0;
  readonly #byTable = new Map<string, number>();

  add(divergence: Divergence): void {
    this.total++;
    this.#byTable.set(divergence.table, this.of(divergence.table) + 1);
    if (this.listed.length < LISTED) this.listed.push(divergence);
  }

  /** How many a table has. */
  of(table: string): number {
    return this.#byTable.get(table) ?? 0;
  }
}
