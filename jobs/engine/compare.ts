import type pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { ident, literal } from '../database.ts';
import type { OrderedReader } from '../sources/source.ts';
import { type Batch, batches } from './batches.ts';
import { fieldsOf } from './copy-buffer.ts';
import { CopyRows } from './copy-rows.ts';
import { compareKeys } from './key-order.ts';
import { quarantinedIn } from './ledger.ts';
import type { TableMapping } from './mapping.ts';
import type { Pace } from './pace.ts';
import type { Parents } from './parents.ts';
import { RowConverter } from './row-converter.ts';

/** One difference between source and target. */
export interface Divergence {
  readonly table: string;
  /** The key's columns: `symbol=BTC/USDT:USDT timeframe=1h …`; for a record without a key, its locator. */
  readonly key: string;
  /** The column; null when the whole row is missing or extra. */
  readonly field: string | null;
  readonly source: string | null;
  readonly target: string | null;
  readonly kind: 'changed' | 'missing' | 'extra';
}

/** Which rows are compared: those of the source by position, those of the target by the first columns of their key. */
export interface KeyRange {
  readonly from: number;
  readonly to: number;
  /** The key of the first row begins with this; absent: from the first row on. */
  readonly first?: readonly string[] | undefined;
  /** The keys end before this; absent: with the last row. */
  readonly before?: readonly string[] | undefined;
}

export interface CompareOptions {
  /** Absent: the whole table. */
  readonly range?: KeyRange;
  readonly pace?: Pace | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Comparison {
  /** Rows that are on both sides. */
  rows: number;
  /** Fields of those rows, each compared. */
  fields: number;
  /** All differences, also those that are not listed. */
  differences: number;
}

/** A comparison, and the first of its differences. */
export type Compared = Comparison & { readonly divergences: readonly Divergence[] };

/** Values longer than this are cut in a divergence. */
const SHOWN = 200;
/** Characters before the place where two long values begin to differ. */
const LEAD = 40;

/**
 * Compares every field of every row: the source, converted again from the snapshot, against the table, both in key
 * order and in binary COPY form. What a contract refuses must be in quarantine, what is in quarantine must not be in
 * the table.
 *
 * @param quarantined locators of the records that the ledger says are in quarantine
 * @param report called for each difference, with the target's row when it is extra; the row is valid during the call
 */
export async function compareTable(
  client: pg.Client,
  mapping: TableMapping,
  reader: OrderedReader,
  parents: Parents,
  quarantined: ReadonlySet<string>,
  report: (divergence: Divergence, row?: Buffer) => void,
  { range, pace, signal }: CompareOptions = {},
): Promise<Comparison> {
  const converter = new RowConverter(mapping, parents, reader.missingIsNotNull);
  const { columns, types, keyOrder } = converter;
  const result: Comparison = { rows: 0, fields: 0, differences: 0 };
  const tell = (divergence: Omit<Divergence, 'table'>, row?: Buffer) => {
    result.differences++;
    report({ table: `public.${mapping.table}`, ...divergence }, row);
  };
  const show = (field: Buffer | null, i: number) => (field === null ? null : cut(types[i]!.show(field)));
  const keyText = (fields: (Buffer | null)[]) =>
    mapping.key.map((column, i) => `${column}=${show(fields[i]!, i)}`).join(' ');
  const rowText = (fields: (Buffer | null)[]) =>
    cut(fields.map((field, i) => `${columns[i]}=${show(field, i)}`).join(' '));

  const order = mapping.key.map(
    (column, i) => `${ident(column)}${types[i]!.sql === 'text' ? ' collate "C"' : ''}`,
  );
  const stream = client.query(
    copyTo(
      `copy (select ${columns.map(ident).join(', ')} from public.${ident(mapping.table)}
        where ${withinRange(mapping, range)} order by ${order.join(', ')})
       to stdout (format binary)`,
    ),
  );
  const target = new CopyRows(stream);
  const step = async () => {
    while (!target.next()) if (!(await target.more())) return false;
    return true;
  };
  const extra = () => {
    const fields = fieldsOf(target.bytes, target.start);
    tell(
      { key: keyText(fields), field: null, source: null, target: rowText(fields), kind: 'extra' },
      target.bytes.subarray(target.start, target.end),
    );
  };

  const isQuarantined = quarantineOf(reader, quarantined);
  // Of what has arrived: rows that differ somewhere are looked at one by one.
  let differing: Buffer | undefined;
  /** Passes over the rows from row `i` on that are the target's next ones, all bytes at once. @returns how many */
  const sameRows = (batch: Batch, i: number): number => {
    if (target.bytes === differing) return 0;
    const { rows, starts } = batch;
    const start = starts[i]!;
    const size = Math.min(rows.length - start, target.bytes.length - target.start);
    if (rows.bytes.compare(target.bytes, target.start, target.start + size, start, start + size) !== 0) {
      differing = target.bytes;
      return 0;
    }
    let next = i;
    let end = start;
    while (next < starts.length && !isQuarantined(batch, next)) {
      const after = starts[next + 1] ?? rows.length;
      if (after - start > size) break;
      end = after;
      next++;
    }
    if (next > i) target.pass(end - start);
    return next - i;
  };

  let has = await step();
  for await (const batch of batches(mapping, reader, parents, {
    ...(range && { first: range.from, from: range.from, to: range.to }),
    rows: 10_000,
    recycle: true,
  })) {
    signal?.throwIfAborted();
    await pace?.pass(batch.to - batch.from, signal);
    const { bytes } = batch.rows;
    for (let i = 0; i < batch.starts.length; i++) {
      const same = has ? sameRows(batch, i) : 0;
      if (same > 0) {
        result.rows += same;
        result.fields += same * columns.length;
        i += same - 1;
        has = target.next() || (await step());
        continue;
      }
      const start = batch.starts[i]!;
      const end = batch.starts[i + 1] ?? batch.rows.length;
      let found = has ? compareKeys(bytes, start, target.bytes, target.start, keyOrder) : -1;
      while (found > 0) {
        extra();
        has = target.next() || (await step());
        found = has ? compareKeys(bytes, start, target.bytes, target.start, keyOrder) : -1;
      }
      const inQuarantine = isQuarantined(batch, i);
      if (found < 0) {
        if (!inQuarantine) {
          const fields = fieldsOf(bytes, start);
          tell({ key: keyText(fields), field: null, source: rowText(fields), target: null, kind: 'missing' });
        }
        continue;
      }
      if (inQuarantine) {
        extra();
        has = target.next() || (await step());
        continue;
      }
      result.rows++;
      result.fields += columns.length;
      const equal =
        end - start === target.end - target.start &&
        bytes.compare(target.bytes, target.start, target.end, start, end) === 0;
      if (!equal) {
        const expected = fieldsOf(bytes, start);
        const actual = fieldsOf(target.bytes, target.start);
        for (let f = 0; f < columns.length; f++) {
          const a = expected[f]!;
          const b = actual[f]!;
          if (a === b || (a && b && (a.equals(b) || types[f]!.same?.(a, b)))) continue;
          const [source, target] = excerpts(a && types[f]!.show(a), b && types[f]!.show(b));
          tell({ key: keyText(expected), field: columns[f]!, source, target, kind: 'changed' });
        }
      }
      has = target.next() || (await step());
    }
    for (const { locator, code, detail } of batch.rejected) {
      if (quarantined.has(locator)) continue;
      tell({ key: locator, field: null, source: `${code}: ${detail}`, target: null, kind: 'missing' });
    }
  }
  while (has) {
    extra();
    has = await step();
  }
  return result;
}

/** Whether a row's record is in quarantine, as the ledger says. */
function quarantineOf(
  reader: OrderedReader,
  quarantined: ReadonlySet<string>,
): (batch: Batch, i: number) => boolean {
  if (quarantined.size === 0) return () => false;
  // A text for each row would cost more than to compare it.
  const rowids = new Set<number | undefined>();
  for (const locator of reader.rowidOf ? quarantined : []) rowids.add(reader.rowidOf!(locator));
  return (batch, i) => {
    const rowid = batch.rowid(i);
    return reader.rowidOf && rowid !== undefined ? rowids.has(rowid) : quarantined.has(batch.locator(i));
  };
}

/** The range as SQL. */
function withinRange(mapping: TableMapping, { first, before }: Partial<KeyRange> = {}): string {
  const bound = (operator: string, key: readonly string[] | undefined) => {
    if (key === undefined) return 'true';
    const types = key.map((_, i) => mapping.fields.find(({ column }) => column === mapping.key[i])!.type.sql);
    const columns = types.map(
      (type, i) => `${ident(mapping.key[i]!)}${type === 'text' ? ' collate "C"' : ''}`,
    );
    const values = key.map((value, i) => `${literal(value)}::${types[i]}`);
    return `(${columns.join(', ')}) ${operator} (${values.join(', ')})`;
  };
  return `${bound('>=', first)} and ${bound('<', before)}`;
}

/**
 * Compares a table, or a range of it, with what the ledger says is in quarantine.
 * @param listed so many differences are listed; all are counted
 */
export async function compareLoaded(
  client: pg.Client,
  runId: string,
  mapping: TableMapping,
  reader: OrderedReader,
  parents: Parents,
  listed: number,
  options: CompareOptions,
): Promise<Compared> {
  const divergences: Divergence[] = [];
  const keep = (divergence: Divergence) => {
    if (divergences.length < listed) divergences.push(divergence);
  };
  const quarantined = await quarantinedIn(client, runId, mapping.table);
  const found = await compareTable(client, mapping, reader, parents, quarantined, keep, options);
  return { ...found, divergences };
}

/** Two values that differ; of long ones the part where they begin to. */
function excerpts(a: string | null, b: string | null): [string | null, string | null] {
  let at = 0;
  while (a && b && at < a.length && a[at] === b[at]) at++;
  return [a && cut(a, at), b && cut(b, at)];
}

/** @param at place that must be seen */
function cut(text: string, at = 0): string {
  if (text.length <= SHOWN) return text;
  const from = at < SHOWN - LEAD ? 0 : at - LEAD;
  return `${from > 0 ? '…' : ''}${text.slice(from, from + SHOWN)}… (${text.length} characters)`;
}
