import { rm } from 'node:fs/promises';
import Database from 'libsql';
import type { LeftOut } from '../sources/left-out.ts';
import type { OrderedReader, Place, Raw, SourceRecord, UnorderedReader } from '../sources/source.ts';
import { CopyBuffer } from './copy-buffer.ts';
import { sortKey } from './key-order.ts';
import type { TableMapping } from './mapping.ts';
import type { Parents } from './parents.ts';
import { Reject } from './reject.ts';
import { RowConverter } from './row-converter.ts';

const BLOCK = 500;

/**
 * Gives an unordered source the order that everything else expects: one pass notes each record's key and place in a
 * scratch database on disk, the next reads the records in key order. Memory stays flat whatever the source's size.
 * Records that no key can be made of come first. Where a mapping reads the field `$nth`, records with one key are numbered.
 */
export class SortedReader implements OrderedReader {
  readonly entity: string;
  readonly missingIsNotNull: boolean;

  private constructor(
    private readonly inner: UnorderedReader,
    private readonly scratch: Database.Database,
    private readonly file: string,
    readonly count: number,
    private readonly isNumbered: boolean,
  ) {
    this.entity = inner.entity;
    this.missingIsNotNull = inner.missingIsNotNull;
  }

  /** @param file where the scratch database is made; removed by `close` */
  static async open(
    inner: UnorderedReader,
    mapping: TableMapping,
    parents: Parents,
    file: string,
  ): Promise<SortedReader> {
    await rm(file, { force: true });
    const scratch = new Database(file);
    scratch.exec(`pragma journal_mode = off; pragma synchronous = off;
      create table place (sort_key blob not null, ordinal integer not null, file integer not null,
        offset integer not null, length integer not null, key blob, at integer not null, part integer not null);
      begin`);
    const insert = scratch.prepare('insert into place values (?, ?, ?, ?, ?, ?, ?, ?)');
    const converter = new RowConverter(mapping, parents, inner.missingIsNotNull);
    const row = new CopyBuffer();
    let count = 0;
    for await (const block of inner.blocks(0)) {
      for (const record of block) {
        const { ordinal, file, offset, length, key, at, part } = record.place;
        // As bytes: the driver cuts a text at a NUL.
        const keyBytes = key === null ? null : Buffer.from(key, 'utf16le');
        insert.run(keyOf(record, converter, row), ordinal, file, offset, length, keyBytes, at, part);
        count++;
      }
    }
    scratch.exec('commit; create index place_key on place (sort_key, ordinal)');
    const isNumbered = mapping.fields.some(({ from }) => from === '$nth');
    return new SortedReader(inner, scratch, file, count, isNumbered);
  }

  async *blocks(from: number): AsyncGenerator<SourceRecord[]> {
    const places = this.scratch
      .prepare(
        `select ordinal, file, offset, length, key, at, part,
           ${this.isNumbered ? 'row_number() over (partition by sort_key order by ordinal)' : '0'} as nth from place
         order by sort_key, ordinal limit -1 offset ?`,
      )
      .iterate(from) as IterableIterator<Omit<Place, 'key'> & { key: Buffer | null; nth: number }>;
    let block: SourceRecord[] = [];
    for (const { key, nth, ...place } of places) {
      const record = await this.inner.reread({ ...place, key: key && Buffer.from(key).toString('utf16le') });
      block.push(this.isNumbered ? new NumberedRecord(record, BigInt(nth)) : record);
      if (block.length === BLOCK) {
        yield block;
        block = [];
      }
    }
    if (block.length > 0) yield block;
  }

  async close(): Promise<void> {
    this.scratch.close();
    await this.inner.close();
    await rm(this.file, { force: true });
  }
}

/** A record with the field `$nth`: which one of those with its key it is, in source order, from 1. */
class NumberedRecord implements SourceRecord {
  readonly locator: string;
  readonly defect: SourceRecord['defect'];

  constructor(
    private readonly record: SourceRecord,
    private readonly nth: bigint,
  ) {
    this.locator = record.locator;
    this.defect = record.defect;
  }

  get(field: string): Raw {
    return field === '$nth' ? this.nth : this.record.get(field);
  }

  fields(): Iterable<string> {
    return this.record.fields();
  }

  payload(leftOut: LeftOut): string {
    return this.record.payload(leftOut);
  }
}

/** The key of a record as bytes, see `sortKey`; none of one that no key can be made of. */
export function keyOf(record: SourceRecord, converter: RowConverter, row: CopyBuffer): Buffer {
  row.truncate(0);
  try {
    converter.convert(record, row);
  } catch (error) {
    if (error instanceof Reject) return Buffer.alloc(0);
    throw error;
  }
  return sortKey(row.bytes, 0, converter.keyOrder);
}
