import { createHash } from 'node:crypto';
import pg from 'pg';
import { ident } from '../database.ts';
import type { Batch, Rejected } from './batches.ts';
import { CopyBuffer } from './copy-buffer.ts';
import { copyIn } from './copy-in.ts';
import { atomically, type Writing } from './hold.ts';
import { type Counts, type Run, recordBatch, setAside } from './ledger.ts';
import type { RowConverter } from './row-converter.ts';

/**
 * SQLSTATEs of a row that the table refuses: classes 22 (data exception) and 23 (integrity constraint violation), and
 * 54000 for a key that is longer than an index can hold.
 */
const ROW_REFUSED = /^(2[23]|54000)/;

export interface WriteOptions extends Writing {
  readonly run: Run;
}

/** Writes the batches of one mapping, each in one transaction with its quarantine and its checkpoint. */
export class TableWriter {
  readonly #table: string;
  readonly #columns: string;
  readonly #upsert: string;
  readonly #partitionedUpsert: string;
  #isPartitioned: boolean | undefined;

  constructor(
    private readonly client: pg.Client,
    private readonly name: string,
    converter: Pick<RowConverter, 'columns' | 'types' | 'mapping'>,
    private readonly options: WriteOptions,
  ) {
    const { columns, types, mapping } = converter;
    this.#table = `public.${ident(name)}`;
    this.#columns = columns.map(ident).join(', ');
    const data = columns.flatMap((column, i) =>
      mapping.key.includes(column) ? [] : [{ column, type: types[i]! }],
    );
    const identity = (row: string) =>
      data
        .map(({ column, type }) => type.identity?.(`${row}.${ident(column)}`) ?? `${row}.${ident(column)}`)
        .join(', ');
    const staged = 'select * from pg_temp.stage where _n > $1 and _n <= $2';
    const insert = `insert into ${this.#table} as target (${this.#columns})
        select ${this.#columns} from (${staged}) as staged order by _n
        on conflict (${mapping.key.map(ident).join(', ')}) do update
          set ${data.map(({ column }) => `${ident(column)} = excluded.${ident(column)}`).join(', ')}
          where (${identity('target')}) is distinct from (${identity('excluded')})`;
    // xmax is 0 in a row that no transaction has touched before: an insert.
    this.#upsert = `
      with written as (${insert} returning (xmax = 0) as inserted)
      select count(*) filter (where inserted) as inserted, count(*) as written from written`;
    // A partitioned table returns no system columns: there, an insert is what was not known before. Not for
    // hypertables, on which a look-up by key asks every chunk.
    const sameKey = mapping.key
      .map((column) => `target.${ident(column)} = staged.${ident(column)}`)
      .join(' and ');
    this.#partitionedUpsert = `
      with known as (select count(*) as n from (${staged}) as staged
        where exists (select from ${this.#table} as target where ${sameKey})),
      written as (${insert} returning 1)
      select $2::integer - $1::integer - known.n as inserted, (select count(*) from written) as written from known`;
  }

  /** Writes a batch and its checkpoint. @returns what became of its records */
  async write(batch: Batch, n: number, part = 0): Promise<Counts> {
    if (this.options.run.mode === 'append') {
      try {
        return await this.#transaction(batch, { n, part }, () => this.#append(batch));
      } catch (error) {
        if (!(error instanceof BatchRefused)) throw error;
        // The slower way finds out which row it is.
      }
    }
    return this.#transaction(batch, { n, part }, () => this.merge(batch));
  }

  /** Tries row `i` again, which is in quarantine. @returns what it became; undefined when the table still refuses it */
  async replay(batch: Batch, i: number): Promise<'inserted' | 'updated' | 'unchanged' | undefined> {
    const { client, options } = this;
    return atomically(client, options, async () => {
      const written = await this.merge(rowsOf(batch, [i]));
      if (written.refused.length > 0) return undefined;
      const became = written.inserted ? 'inserted' : written.updated ? 'updated' : 'unchanged';
      await client.query(
        `with replayed as (
           update migration.quarantine set replayed_at = clock_timestamp()
           where run_id = $1 and table_name = $2 and locator = $3 and replayed_at is null returning batch)
         update migration.batch set quarantined = quarantined - 1, ${became} = ${became} + 1
         from replayed where run_id = $1 and table_name = $2 and n = replayed.batch`,
        [options.run.id, this.name, batch.locator(i)],
      );
      return became;
    });
  }

  async #transaction(
    batch: Batch,
    number: { readonly n: number; readonly part: number },
    rows: () => Promise<Written>,
  ): Promise<Counts> {
    return atomically(this.client, this.options, async () => {
      const written = batch.starts.length > 0 ? await rows() : NOTHING_WRITTEN;
      const rejected = [...batch.rejected, ...written.refused];
      const counts: Counts = {
        read: batch.to - batch.from,
        inserted: written.inserted,
        updated: written.updated,
        unchanged: batch.starts.length - written.inserted - written.updated - written.refused.length,
        merged: batch.merged.length,
        quarantined: rejected.length,
      };
      const { run } = this.options;
      const { bytes, length } = batch.rows;
      const sha256 = createHash('sha256').update(bytes.subarray(0, length)).digest();
      await recordBatch(this.client, run, this.name, number, { ...batch, sha256 }, counts);
      await setAside(this.client, run, this.name, number.n, rejected, batch.merged);
      return counts;
    });
  }

  async #append(batch: Batch): Promise<Written> {
    try {
      await copyIn(this.client, `${this.#table} (${this.#columns})`, batch.rows);
    } catch (error) {
      throw isRefusal(error) ? new BatchRefused() : error;
    }
    return { inserted: batch.starts.length, updated: 0, refused: [] };
  }

  /** Writes what differs of a batch's rows, in the caller's transaction. */
  async merge(batch: RowsToWrite): Promise<Written> {
    await this.client.query(
      `create temporary table stage as select ${this.#columns} from ${this.#table} with no data;
       alter table pg_temp.stage add column _n integer generated always as identity`,
    );
    this.#isPartitioned ??= await isPartitioned(this.client, this.#table);
    await copyIn(this.client, `pg_temp.stage (${this.#columns})`, batch.rows);
    const written = await this.#upsertRange(batch, 0, batch.starts.length);
    await this.client.query('drop table pg_temp.stage');
    return written;
  }

  /** Upserts rows (after, upTo]; a range that is refused is halved until the refused row stands alone. */
  async #upsertRange(batch: RowsToWrite, after: number, upTo: number): Promise<Written> {
    const { client } = this;
    await client.query('savepoint bisect');
    try {
      const { rows } = await client.query<{ inserted: string; written: string }>(
        this.#isPartitioned ? this.#partitionedUpsert : this.#upsert,
        [after, upTo],
      );
      await client.query('release bisect');
      const inserted = Number(rows[0]!.inserted);
      return { inserted, updated: Number(rows[0]!.written) - inserted, refused: [] };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      await client.query('rollback to bisect; release bisect');
      if (upTo - after === 1) return { inserted: 0, updated: 0, refused: [refusal(batch, after, error)] };
    }
    const middle = (after + upTo) >> 1;
    const left = await this.#upsertRange(batch, after, middle);
    const right = await this.#upsertRange(batch, middle, upTo);
    return {
      inserted: left.inserted + right.inserted,
      updated: left.updated + right.updated,
      refused: [...left.refused, ...right.refused],
    };
  }
}

/** A row of the batch is refused by the table. */
class BatchRefused extends Error {}

/** What is written of a batch. */
export type RowsToWrite = Pick<Batch, 'rows' | 'starts' | 'locator' | 'payload'>;

interface Written {
  inserted: number;
  updated: number;
  /** What the table refuses. */
  refused: Rejected[];
}

const NOTHING_WRITTEN: Written = { inserted: 0, updated: 0, refused: [] };

async function isPartitioned(client: pg.Client, table: string): Promise<boolean> {
  const { rows } = await client.query<{ relkind: string }>(
    'select relkind from pg_class where oid = to_regclass($1)',
    [table],
  );
  return rows[0]?.relkind === 'p';
}

/** Some rows of a batch. */
export function rowsOf(batch: Batch, picked: readonly number[]): RowsToWrite {
  const rows = new CopyBuffer();
  const starts = picked.map((i) => {
    const start = rows.length;
    rows.raw(batch.rows.bytes.subarray(batch.starts[i]!, batch.starts[i + 1] ?? batch.rows.length));
    return start;
  });
  const locator = (i: number) => batch.locator(picked[i]!);
  return { rows, starts, locator, payload: (i) => batch.payload(picked[i]!) };
}

function isRefusal(error: unknown): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && ROW_REFUSED.test(error.code ?? '');
}

/** The constraint's name is the reason; where there is none, the SQLSTATE. */
function refusal(batch: RowsToWrite, i: number, error: pg.DatabaseError): Rejected {
  return {
    locator: batch.locator(i),
    code: error.constraint ?? `SQLSTATE_${error.code}`,
    field: error.column ?? '',
    detail: error.detail ?? error.message,
    payload: batch.payload(i),
  };
}
