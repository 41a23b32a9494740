import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Affected, affectedRows } from '../../jobs/engine/affected.ts';
import { type Batch, batches } from '../../jobs/engine/batches.ts';
import type { TableMapping } from '../../jobs/engine/mapping.ts';
import { Parents } from '../../jobs/engine/parents.ts';
import { writeSample } from '../../jobs/sample/index.ts';
import { SqliteStore } from '../../jobs/sources/sqlite.ts';
import { changedRows } from '../../jobs/sources/sqlite-changes.ts';
import { trdinger } from '../../jobs/systems/trdinger/index.ts';
import { changeCandles } from '../candle-changes.ts';

const candles = trdinger.tables[0]!;
const pause = async () => {};

/** All that a pass over records makes of them. */
interface Made {
  /** By key. */
  readonly rows: Map<string, string>;
  readonly setAside: Map<string, string>;
  readonly notes: Record<string, number>;
}

async function made(passes: AsyncIterable<Batch>): Promise<Made> {
  const all: Made = { rows: new Map(), setAside: new Map(), notes: {} };
  for await (const { rows, starts, rejected, merged, notes, ...batch } of passes) {
    for (const [i, start] of starts.entries()) {
      const row = rows.bytes.toString('latin1', start, starts[i + 1] ?? rows.length);
      const [symbol, timeframe, timestamp] = fields(row);
      const key = `${symbol} ${timeframe} ${timestamp}`;
      expect(all.rows.has(key)).toBe(false);
      all.rows.set(key, `${batch.locator(i)} ${row}`);
    }
    for (const each of [...rejected, ...merged]) all.setAside.set(each.locator, JSON.stringify(each));
    for (const [rule, n] of Object.entries(notes)) all.notes[rule] = (all.notes[rule] ?? 0) + n;
  }
  return all;
}

/** The first three fields of a row in binary COPY form. */
function fields(row: string): string[] {
  let at = 2;
  return [0, 1, 2].map(() => {
    const size = Buffer.from(row.slice(at, at + 4), 'latin1').readInt32BE();
    const field = row.slice(at + 4, at + 4 + size);
    at += 4 + size;
    return field;
  });
}

/** What is left of the first, and all of the last, where the second is a part of the first. */
function replaced(all: Made, gone: Made, come: Made): Made {
  const take = (from: Map<string, string>, less: Map<string, string>, more: Map<string, string>) => {
    const left = new Map(from);
    for (const [key, value] of less) {
      expect(left.get(key)).toBe(value);
      left.delete(key);
    }
    for (const [key, value] of more) {
      expect(left.has(key)).toBe(false);
      left.set(key, value);
    }
    return left;
  };
  const notes = { ...all.notes };
  for (const [rule, n] of Object.entries(gone.notes)) notes[rule] = notes[rule]! - n;
  for (const [rule, n] of Object.entries(come.notes)) notes[rule] = (notes[rule] ?? 0) + n;
  return {
    rows: take(all.rows, gone.rows, come.rows),
    setAside: take(all.setAside, gone.setAside, come.setAside),
    notes: Object.fromEntries(Object.entries(notes).filter(([, n]) => n !== 0)),
  };
}

describe('the rows that a change affects', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cutover-affected-'));
  const opened: SqliteStore[] = [];
  const file = join(folder, 'sample', 'trdinger', 'trdinger.db');

  beforeAll(() =>
    writeSample({ out: join(folder, 'sample'), seed: 5, rows: { ohlcv_data: 3000 }, systems: ['trdinger'] }),
  );
  afterAll(() => {
    for (const store of opened) store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const reader = (of: string) => {
    const store = new SqliteStore(of);
    opened.push(store);
    return store.reader(candles);
  };
  const full = (of: string) => made(batches(candles, reader(of), new Parents(), { rows: 100 }));
  const find = async (mapping: TableMapping, from: string, to: string, most = 10_000) => {
    const [before, after] = [reader(from), reader(to)];
    const changed = await changedRows(before.records(), after.records(), most, pause);
    return changed && affectedRows(mapping, before, after, changed, most, pause);
  };
  const part = (of: string, { rowids, counts }: Affected['before']) =>
    made(
      batches(candles, reader(of).picked(rowids), new Parents(), {
        counts: (position) => counts[position]!,
        rows: 50,
      }),
    );

  it.each(Array.from({ length: 8 }, (_, i) => i))(
    'are all whose fate differs, and no more are looked at than lie around them (%i)',
    async (seed) => {
      let [last, whole] = [file, await full(file)];
      for (let round = 0; round < 6; round++) {
        const next = join(folder, `${seed}-${round}.db`);
        copyFileSync(last, next);
        const done = changeCandles(next, seed * 100 + round, 1 + ((seed + round) % 8));
        const affected = (await find(candles, last, next))!;
        const expected = await full(next);
        const found = replaced(whole, await part(last, affected.before), await part(next, affected.after));
        expect(found.notes, done.join('\n')).toEqual(expected.notes);
        expect([...found.setAside].sort(), done.join('\n')).toEqual([...expected.setAside].sort());
        expect([...found.rows].sort(), done.join('\n')).toEqual([...expected.rows].sort());
        [last, whole] = [next, expected];
      }
    },
  );

  /** A bar of a series of its own, whose values say which it is; another one's, if so wanted. */
  const bar = (
    time: string,
    like = time,
  ) => `insert into ohlcv_data (symbol, timeframe, timestamp, open, high, low, close, volume)
    values ('T', '1h', '2024-01-01 ${time}:00.000000', 1, 1, 1, 1, ${like.replace(':', '')});`;
  const hours = Array.from({ length: 24 }, (_, hour) => `${String(hour).padStart(2, '0')}:00`);
  const at = (time: string) => `timestamp = '2024-01-01 ${time}:00.000000' and symbol = 'T'`;
  const otherThan = (...times: string[]) =>
    hours.filter((hour) => !times.includes(hour)).map((hour) => bar(hour));

  it.each([
    {
      name: 'behind a record that is refused',
      before: [
        ...otherThan('13:00'),
        bar('13:00', '04:00'),
        `update ohlcv_data set close = 'none' where ${at('05:00')}`,
      ],
      change: `update ohlcv_data set volume = 5 where ${at('04:00')}`,
      fate: '13:00',
    },
    {
      name: 'by the last of several rows that went and came at one place',
      before: [...otherThan('20:00'), bar('20:00', '11:00')],
      change: `${bar('10:20')} delete from ohlcv_data where ${at('11:00')}`,
      fate: '20:00',
    },
    {
      name: 'by the first of several rows that went and came at one place',
      before: [...otherThan(), bar('01:20')],
      change: `${bar('10:20', '01:20')} delete from ohlcv_data where ${at('11:00')}`,
      fate: '10:20',
    },
    ...['03:30', '03:40', '04:30', '05:30', '09:30', '12:30'].map((time) => ({
      name: `where times can’t be read (${time})`,
      before: [...otherThan(), bar(`${time}x`, time), bar(`${time}y`, time), bar(`${time}z`, time)],
      change: `update ohlcv_data set volume = 400 where ${at('13:00')}`,
      fate: '13:00',
    })),
    {
      name: 'by a row that another change only has to see',
      before: [...otherThan('13:00'), bar('13:00', '04:00')],
      change: `update ohlcv_data set volume = 5 where ${at('04:00')}; update ohlcv_data set volume = 6 where ${at('22:00')}`,
      fate: '13:00',
    },
  ])('are found $name', async ({ name, before, change, fate }) => {
    const [from, to] = [join(folder, `${name}.db`), join(folder, `${name} changed.db`)];
    const execute = (of: string, sql: string) => {
      const db = new Database(of);
      db.exec(sql);
      db.close();
    };
    copyFileSync(file, from);
    execute(from, before.join(';'));
    copyFileSync(from, to);
    execute(to, change);
    const affected = (await find(candles, from, to))!;
    const [old, now] = [await full(from), await full(to)];
    const found = replaced(old, await part(from, affected.before), await part(to, affected.after));
    expect([...found.rows].sort()).toEqual([...now.rows].sort());
    expect([...found.setAside].sort()).toEqual([...now.setAside].sort());
    // It is a case at all.
    const isCopy = ({ setAside }: Made) =>
      [...setAside.values()].some((each) => each.includes('SHIFTED') && each.includes(`2024-01-01 ${fate}`));
    expect(isCopy(old)).not.toBe(isCopy(now));
  });

  it('are none between two copies, and too many where more than so many differ', async () => {
    const same = join(folder, 'same.db');
    copyFileSync(file, same);
    const none = { rowids: [], counts: [] };
    expect(await find(candles, file, same)).toEqual({ before: none, after: none });
    const other = join(folder, 'other.db');
    copyFileSync(file, other);
    changeCandles(other, 1, 30);
    expect(await find(candles, file, other, 5)).toBeUndefined();
    expect((await find(candles, file, other))!.after.rowids.length).toBeLessThan(2000);
  });
});
