import type pg from 'pg';
import type { OrderedReader } from '../sources/source.ts';
import { batches } from './batches.ts';
import type { Counts, PartProgress, Run } from './ledger.ts';
import type { TableMapping } from './mapping.ts';
import type { Pace } from './pace.ts';
import type { Parents } from './parents.ts';
import { RowConverter } from './row-converter.ts';
import { TableWriter } from './table-writer.ts';

/** A range of positions that is loaded by itself: no record of it shares a key, or a rule that looks back, with another. */
export interface Part {
  readonly n: number;
  readonly from: number;
  readonly to: number;
}

/** A part, and what a thread has to know to load what is left of it. */
export interface PartTask extends Pick<PartOptions, 'run' | 'fence' | 'batchRows'> {
  readonly part: Part;
  readonly known: Known;
}

/** What a thread would otherwise have to read a source for. */
export interface Known {
  /** Of the reader that made the parts, see `OrderedReader.known`. */
  readonly reader: unknown;
  readonly parents: Parents['all'];
}

/** A part has less batches than this, so that the number of a batch says which part's it is. */
const BATCHES_A_PART = 10_000_000;
/** So that each batch's number is a PostgreSQL integer. */
export const MOST_PARTS = 200;

export interface PartOptions {
  readonly run: Run;
  readonly fence: bigint;
  readonly batchRows: number;
  readonly dryRun: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly pace?: Pace | undefined;
  /** Called after each batch, with what became of its records. */
  readonly onBatch: (written: Counts) => void;
}

/** Loads what is left of a part, batch by batch; the next batch is made while the server writes this one. */
export async function loadPart(
  client: pg.Client,
  mapping: TableMapping,
  reader: OrderedReader,
  parents: Parents,
  part: Part,
  done: Pick<PartProgress, 'position' | 'lastBatch'> | undefined,
  options: PartOptions,
): Promise<void> {
  const converter = new RowConverter(mapping, parents, reader.missingIsNotNull);
  const writer = new TableWriter(client, mapping.table, converter, options);
  let n = done?.lastBatch ?? part.n * BATCHES_A_PART;
  let writing: Promise<Counts> | undefined;
  const settle = async () => {
    if (!writing) return;
    const written = await writing;
    writing = undefined;
    options.onBatch(written);
  };
  const source = batches(mapping, reader, parents, {
    first: part.from,
    from: done?.position ?? part.from,
    to: part.to,
    rows: options.batchRows,
    recycle: true,
  });
  try {
    for await (const batch of source) {
      await settle();
      options.signal?.throwIfAborted();
      await options.pace?.pass(batch.to - batch.from, options.signal);
      writing = writer.write(batch, ++n, part.n);
      writing.catch(() => {});
    }
    await settle();
  } finally {
    await writing?.catch(() => {});
  }
}
