import { setImmediate } from 'node:timers/promises';
import { CopiedRow } from '../sources/copied-row.ts';
import { CopiedTable, nameOfTable } from '../sources/copied-table.ts';
import type { CollectionFile } from '../sources/json-collection.ts';
import type { Cut, OrderedReader, SourceRecord } from '../sources/source.ts';
import { ExternalSort } from './external-sort.ts';
import { keyReader } from './key-reader.ts';
import type { TableMapping } from './mapping.ts';
import type { Parents } from './parents.ts';
import { RowOrder, RowOrderWriter } from './row-order.ts';

/** Bytes of rows that are read at a stretch, before sockets get their turn: less than what is sent at once. */
const BLOCK_BYTES = 128 << 10;
/** Rows whose keys are read, and whose places are written, at a stretch. */
const KEYS_AT_ONCE = 256;
const PLACES_AT_ONCE = 10_000;
/** Places are small: so much of them is sorted at once. */
const SORT_BYTES = 4 << 20;
/** A table may be cut into about so many pieces. */
const CUTS = 256;

/**
 * The rows of a copied table in key order. One pass reads the keys and sorts the rows' places; the rows themselves are read
 * from where they lie, as they are too large to be written once more. Those that no key can be made of come first.
 */
export class TableReader implements OrderedReader {
  readonly missingIsNotNull = true;
  /** With a vector of some kilobytes. */
  readonly weight = 5;

  private constructor(
    readonly entity: string,
    private readonly name: string,
    private readonly table: CopiedTable,
    private readonly places: RowOrder,
    private readonly found: readonly Cut[] | undefined,
  ) {}

  /**
   * @param path of the file for the order, which is made
   * @param order the file in which another reader of this table has it already
   * @throws CutoverError `source` for a file that is cut or damaged
   */
  static async open(
    file: CollectionFile,
    mapping: TableMapping,
    parents: Parents,
    path: string,
    order?: string,
  ): Promise<TableReader> {
    const table = new CopiedTable(file.path);
    const name = nameOfTable(file.name);
    try {
      if (order !== undefined)
        return new TableReader(mapping.entity, name, table, new RowOrder(order), undefined);
      const cuts = await sortRows(table, name, mapping, parents, path);
      return new TableReader(mapping.entity, name, table, new RowOrder(path), cuts);
    } catch (error) {
      table.close();
      throw error;
    }
  }

  get count(): number {
    return this.places.count;
  }

  get known(): string {
    return this.places.path;
  }

  cuts(): readonly Cut[] {
    return this.found ?? [];
  }

  async *blocks(from: number): AsyncGenerator<SourceRecord[]> {
    let bytes = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    for (let at = from; at < this.count; ) {
      const block: CopiedRow[] = [];
      for (let filled = 0; at < this.count; at++) {
        const { offset, size, ordinal, text } = this.places.at(at);
        if (filled + size > bytes.length) {
          if (block.length > 0) break;
          bytes = Buffer.allocUnsafeSlow(size);
        }
        this.table.read(offset, size, bytes, filled);
        block.push(
          new CopiedRow(this.table, this.name, ordinal, offset, size, { bytes, start: filled }, text),
        );
        filled += size;
      }
      yield block;
      // A batch of rows would else hold all that they were made of, and their memory is used again.
      for (const row of block) row.forget();
      await setImmediate();
    }
  }

  async close(): Promise<void> {
    this.table.close();
    this.places.close();
    if (this.found !== undefined) this.places.remove();
  }
}

/** Writes the places of the rows in key order into a file. @returns where the table may be cut */
async function sortRows(
  table: CopiedTable,
  name: string,
  mapping: TableMapping,
  parents: Parents,
  path: string,
): Promise<Cut[]> {
  const sort = new ExternalSort(`${path}.sort`, SORT_BYTES);
  const writer = new RowOrderWriter(path);
  try {
    const keyOf = keyReader(mapping, parents);
    const rows = table.rows();
    for (let ordinal = 0; rows.next(); ordinal++) {
      const { bytes, start, end, offset } = rows;
      const key = keyOf(new CopiedRow(table, name, ordinal, offset, end - start, { bytes, start }));
      const at = sort.add(key, key.length, PLACE);
      sort.bytes.writeDoubleLE(offset, at);
      sort.bytes.writeDoubleLE(ordinal, at + 8);
      sort.bytes.writeUInt32LE(end - start, at + 16);
      if (ordinal % KEYS_AT_ONCE === 0) await setImmediate();
    }
    sort.finish();
    const texts = textsOf(mapping);
    // What a rule that looks back saw is of one part.
    const cutter = mapping.watch ? undefined : new Cutter(Math.ceil(sort.count / CUTS));
    const cursor = sort.cursor();
    for (let position = 0; cursor.next(); position++) {
      const { bytes, keyStart, keyEnd } = cursor;
      const begin = beginOf(bytes.subarray(keyStart, keyEnd), texts);
      const text = begin?.subarray(begin.lastIndexOf(0, -2) + 1, -1);
      writer.add(
        bytes.readDoubleLE(keyEnd),
        bytes.readUInt32LE(keyEnd + 16),
        bytes.readDoubleLE(keyEnd + 8),
        text,
      );
      if (begin) cutter?.pass(position, begin);
      if (position % PLACES_AT_ONCE === 0) await setImmediate();
    }
    return cutter?.cuts ?? [];
  } finally {
    writer.close();
    sort.close();
  }
}

/** Bytes of a place among what is sorted: offset, ordinal, size. */
const PLACE = 20;

/** How many texts the key begins with. */
function textsOf({ key, fields }: TableMapping): number {
  const other = key.findIndex((name) => fields.find(({ column }) => column === name)!.type.sql !== 'text');
  return other < 0 ? key.length : other;
}

/** The texts that a key begins with, in the form in which it is sorted: behind each stands a NUL. */
function beginOf(key: Buffer, texts: number): Buffer | undefined {
  let end = 0;
  for (let i = 0; i < texts; i++) end = key.indexOf(0, end) + 1;
  return end === 0 ? undefined : key.subarray(0, end);
}

/** Finds places about `step` rows apart where the texts that the key begins with are others than before. */
class Cutter {
  readonly cuts: Cut[] = [];
  #before: Buffer | undefined;

  constructor(private readonly step: number) {}

  /** @param begin valid during the call */
  pass(position: number, begin: Buffer): void {
    if (position - (this.cuts.at(-1)?.at ?? 0) < this.step) return;
    if (this.#before === undefined) this.#before = Buffer.from(begin);
    else if (!begin.equals(this.#before)) {
      this.cuts.push({ at: position, key: begin.toString('utf8', 0, begin.length - 1).split('\0') });
      this.#before = undefined;
    }
  }
}
