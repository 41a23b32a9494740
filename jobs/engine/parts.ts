import type pg from 'pg';
import type { OrderedReader } from '../sources/source.ts';
import { claimed } from './claim.ts';
import { partProgressOf } from './ledger.ts';
import type { LoadCrew } from './load.ts';
import type { TableMapping } from './mapping.ts';
import { sleep } from './pace.ts';
import type { Parents } from './parents.ts';
import { loadPart, type Part, type PartOptions } from './part.ts';

/** Between two looks at parts that others are at. */
const PAUSE_MS = 1000;

/** Loads what is left of a table's parts, each that no other session is at, until all are complete, whoever did them. */
export async function loadParts(
  client: pg.Client,
  mapping: TableMapping,
  reader: OrderedReader,
  parents: Parents,
  parts: readonly Part[],
  crew: LoadCrew | undefined,
  options: PartOptions,
): Promise<void> {
  const { table } = mapping;
  const { run, fence, batchRows, signal, onBatch } = options;
  for (let left = parts, before = Number.POSITIVE_INFINITY; ; before = left.length) {
    const progress = await partProgressOf(client, run.id, table);
    left = left.filter(({ n }) => !progress.get(n)?.complete);
    if (left.length === 0) return;
    if (left.length === before) await sleep(PAUSE_MS, signal);
    if (crew && left.length > 1) {
      const known = { reader: reader.known, parents: parents.all };
      await crew.load(
        table,
        left.map((part) => ({ part, known, run, fence, batchRows })),
        onBatch,
      );
      continue;
    }
    for (const part of left) {
      await claimed(client, run, table, part.n, (done) =>
        loadPart(client, mapping, reader, parents, part, done, options),
      );
    }
  }
}
