import { setImmediate } from 'node:timers/promises';
import { CopiedTable } from './copied-table.ts';
import { JsonSyntaxError, parseJsonIn } from './json-parse.ts';
import { defectOf, NOT_AN_OBJECT, writeJson } from './json-records.ts';
import { JsonSplitter } from './json-split.ts';
import { JsonObject, type JsonValue, withoutMembers } from './json-value.ts';
import type { LeftOut } from './left-out.ts';
import { PackedVector } from './packed-vector.ts';
import type { Raw, SourceRecord } from './source.ts';

/** A row of a copied table, and where it lies in memory. */
interface RowBytes {
  readonly bytes: Buffer;
  readonly start: number;
}

interface Parsed {
  readonly value: JsonValue;
  readonly vectors: readonly (PackedVector | null)[];
  readonly defect: SourceRecord['defect'];
  /** Of the row as JSON. */
  readonly text: Buffer;
}

/**
 * A row of a table of a living database. Its fields are those of the row as `to_json` writes it, but that a packed vector is
 * given as it is where a contract asks for it.
 */
export class CopiedRow implements SourceRecord {
  #bytes: RowBytes | undefined;
  #parsed: Parsed | undefined;

  /**
   * @param name of the table's file  @param ordinal the row's place in it, from 0
   * @param offset where the row lies in the file  @param size of it, in bytes
   * @param bytes the row, until somebody says `forget`; absent: it is read when it is asked for
   * @param sorted see `SourceRecord`
   */
  constructor(
    private readonly table: CopiedTable,
    private readonly name: string,
    private readonly ordinal: number,
    private readonly offset: number,
    private readonly size: number,
    bytes?: RowBytes,
    readonly sorted?: string,
  ) {
    this.#bytes = bytes;
  }

  get locator(): string {
    return `${this.name}[${this.ordinal}]`;
  }

  get defect(): SourceRecord['defect'] {
    return this.#row.defect;
  }

  get(field: string): Raw {
    if (field === '$file') return this.name;
    const at = this.table.packed.indexOf(field);
    return at < 0 ? this.#member(field) : this.#row.vectors[at];
  }

  own(field: string): Raw {
    return field === '$file' ? this.#member(field) : this.get(field);
  }

  fields(): Iterable<string> {
    const { value } = this.#row;
    return value instanceof JsonObject ? value.keys : [];
  }

  payload(leftOut: LeftOut): string {
    const { value } = this.#row;
    if (!(value instanceof JsonObject)) return writeJson(value);
    const whole = new JsonObject(value.keys.map((key) => [key, this.#asJson(key)]));
    whole.overridden = value.overridden;
    const kept = withoutMembers(whole, leftOut);
    return kept === whole ? this.#text() : writeJson(kept);
  }

  /** Lets go of the memory in which the row lay; it is read again where somebody asks for it. */
  forget(): void {
    for (const vector of this.#parsed?.vectors ?? []) vector?.forget();
    this.#bytes = undefined;
    this.#parsed = undefined;
  }

  #member(name: string): Raw {
    const { value } = this.#row;
    return value instanceof JsonObject ? value.get(name) : undefined;
  }

  #asJson(name: string): JsonValue {
    const raw = this.own(name);
    return raw instanceof PackedVector ? raw.toString() : (raw as JsonValue);
  }

  /** The row as it was written, its vectors as texts in their places. */
  #text(): string {
    const { text } = this.#row;
    const splitter = new JsonSplitter(this.name, 'object', text.length, 0);
    splitter.push(text);
    splitter.end();
    let whole = '';
    let done = 0;
    for (const { key, start, end } of splitter.take()) {
      const vector = this.own(key!);
      if (!(vector instanceof PackedVector)) continue;
      whole += `${text.toString('utf8', done, start)}"${vector}"`;
      done = end;
    }
    return whole + text.toString('utf8', done);
  }

  get #row(): Parsed {
    this.#parsed ??= this.#parse();
    return this.#parsed;
  }

  #parse(): Parsed {
    this.#bytes ??= { bytes: this.table.read(this.offset, this.size), start: 0 };
    const { bytes, start } = this.#bytes;
    const begin = start + 6;
    const end = begin + bytes.readInt32BE(start + 2);
    const vectors: (PackedVector | null)[] = [];
    let at = end;
    for (let i = 0; i < this.table.packed.length; i++) {
      const size = bytes.readInt32BE(at);
      at += 4;
      const again = () => this.#row.vectors[i]!.bytes;
      vectors.push(size < 0 ? null : new PackedVector(bytes.subarray(at, at + size), again));
      at += Math.max(0, size);
    }
    try {
      const { value, issues } = parseJsonIn(bytes, begin, end);
      const defect = value instanceof JsonObject ? defectOf(issues) : NOT_AN_OBJECT;
      return { value, vectors, defect, text: bytes.subarray(begin, end) };
    } catch (error) {
      if (!(error instanceof JsonSyntaxError)) throw error;
      throw this.table.damaged(
        this.offset + 6 + error.offset,
        `has no row as JSON (expected ${error.expected})`,
      );
    }
  }
}

/** Rows that are read before somebody else gets a turn. */
const AT_ONCE = 256;

/** All rows of a copied table, each as long as nobody asks for the next one. @param name of the table's file */
export async function* copiedRows(table: CopiedTable, name: string): AsyncGenerator<CopiedRow> {
  const rows = table.rows();
  for (let ordinal = 0; rows.next(); ordinal++) {
    const { bytes, start, end, offset } = rows;
    yield new CopiedRow(table, name, ordinal, offset, end - start, { bytes, start });
    if (ordinal % AT_ONCE === 0) await setImmediate();
  }
}

/** Reads a copied table to its end. @throws CutoverError `source` for one that is cut or damaged */
export async function checkCopiedTable(path: string): Promise<void> {
  const table = new CopiedTable(path);
  try {
    for await (const row of copiedRows(table, path)) void row.defect;
  } finally {
    table.close();
  }
}
