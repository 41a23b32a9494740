import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { afterAll, describe, expect, it } from 'vitest';
import { type Random, random } from '../../jobs/sample/random.ts';
import { SqliteStore } from '../../jobs/sources/sqlite.ts';
import { changedRows } from '../../jobs/sources/sqlite-changes.ts';
import { mappingOf } from '../records.ts';

const folder = mkdtempSync(join(tmpdir(), 'cutover-changes-'));
const opened: SqliteStore[] = [];
afterAll(() => {
  for (const store of opened) store.close();
  rmSync(folder, { recursive: true, force: true });
});

function execute(file: string, ...statements: readonly string[]): void {
  const db = new Database(file);
  for (const sql of statements) db.exec(sql);
  db.close();
}

/** Rows of table `things` by rowid, as the engine has them. */
function rowsOf(file: string): Map<number, string> {
  const db = new Database(file);
  const rows = db.prepare('select rowid, hex(name), n from things').raw().all() as [number, string, number][];
  db.close();
  return new Map(rows.map(([rowid, ...values]) => [rowid, values.join()]));
}

const records = (file: string) => {
  const store = new SqliteStore(file);
  opened.push(store);
  return store.reader(mappingOf({ fields: [] })).records();
};

const pause = async () => {};
const changesOf = async (before: string, after: string, most = Number.POSITIVE_INFINITY) =>
  changedRows(records(before), records(after), most, pause);

/** Some rows go beyond their page, one of them by many. */
const text = (r: Random) => 'x'.repeat(r.int(0, 9) === 0 ? r.int(300, 20_000) : r.int(0, 60)) + r.hex(6);

function change(r: Random, rows: number): string {
  const id = r.int(1, rows);
  return r.pick([
    `update things set n = n + 1 where rowid = ${id}`,
    `update things set name = '${text(r)}' where rowid = ${id}`,
    // Within what lies on an overflow page, of the same length.
    `update things set name = substr(name, 1, length(name) - 1) || 'y' where length(name) > 300 and rowid >= ${id}
       and rowid < ${id} + 20`,
    `delete from things where rowid = ${id}`,
    `delete from things where rowid between ${id} and ${id} + 40`,
    `insert or ignore into things (rowid, name, n) values (${id}, '${text(r)}', 1)`,
    `insert into things (name, n) values ('${text(r)}', 2)`,
    `insert or ignore into things (rowid, name, n) values (-${id}, '', 3)`,
  ]);
}

describe('the changes between two copies of a table', () => {
  it.each([512, 4096, 65536])('are those that the engine sees, with pages of %i bytes', async (size) => {
    const r = random(size, 'changes');
    for (let round = 0; round < 12; round++) {
      const [before, after] = [
        join(folder, `${size}-${round}.db`),
        join(folder, `${size}-${round}-after.db`),
      ];
      const rows = r.int(0, 800);
      const values = Array.from({ length: rows }, (_, i) => `(${i + 1}, '${text(r)}', ${i})`);
      execute(before, `pragma page_size = ${size}`, 'create table things (name text, n integer)');
      if (rows > 0) execute(before, `insert into things (rowid, name, n) values ${values.join(',')}`);
      copyFileSync(before, after);
      execute(after, ...Array.from({ length: r.int(0, 12) }, () => change(r, Math.max(1, rows))));
      if (round % 4 === 3) execute(after, `pragma page_size = ${size === 4096 ? 8192 : 4096}`, 'vacuum');
      const [was, is] = [rowsOf(before), rowsOf(after)];
      const found = (await changesOf(before, after))!;
      const differ = (of: typeof was, other: typeof was) =>
        [...of].filter(([rowid, values]) => other.get(rowid) !== values).map(([rowid]) => rowid);
      expect([...found.before].sort()).toEqual(differ(was, is).sort());
      expect([...found.after].sort()).toEqual(differ(is, was).sort());
    }
  });

  it('are not counted to their end where they are too many', async () => {
    const [before, after] = [join(folder, 'few.db'), join(folder, 'many.db')];
    execute(
      before,
      'create table things (name text, n integer)',
      `insert into things values ('a', 1), ('b', 2)`,
    );
    copyFileSync(before, after);
    execute(after, 'update things set n = n + 1');
    expect((await changesOf(before, after, 2))!.after.size).toBe(2);
    expect(await changesOf(before, after, 1)).toBeUndefined();
  });
});
