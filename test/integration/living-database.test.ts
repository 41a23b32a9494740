import { mkdtempSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { from as copyFrom } from 'pg-copy-streams';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { urlFor } from '../../jobs/database.ts';
import type { JsonLayout } from '../../jobs/engine/mapping.ts';
import { copiedRows } from '../../jobs/sources/copied-row.ts';
import { CopiedTable } from '../../jobs/sources/copied-table.ts';
import { JsonCollection } from '../../jobs/sources/json-collection.ts';
import { collectionFiles } from '../../jobs/sources/json-layout.ts';
import { takeSnapshot } from '../../jobs/sources/snapshot.ts';
import type { SourceRecord } from '../../jobs/sources/source.ts';
import { asAdmin } from './harness.ts';

const DATABASE = 'legacy_living';
const LAYOUT: JsonLayout = {
  kind: 'json',
  root: 'named',
  folder: '.',
  skip: [],
  collections: { notes: { files: ['things-db/notes.json', '**/notes.json'] } },
  database: { name: 'things-db', tables: { notes: ['id'], empty: ['id'], absent: ['id'] } },
};

describe('a living database', () => {
  const platform = inject('platform');
  const home = mkdtempSync(join(tmpdir(), 'cutover-living-'));
  const url = urlFor(platform.postgres, DATABASE);
  const take = (database = url, layout = LAYOUT) =>
    takeSnapshot(
      home,
      'things',
      layout,
      async () => ({ root: '', files: [], database }),
      async () => {},
    );
  const query = (sql: string, values?: unknown[]) =>
    asAdmin(platform, DATABASE, (client) => client.query(sql, values));

  beforeAll(async () => {
    await asAdmin(platform, 'postgres', async (client) => {
      await client.query(`drop database if exists ${DATABASE} with (force)`);
      await client.query(`create database ${DATABASE} template template0`);
    });
    await query(`
      create extension vector;
      create table notes (id int primary key, t text, at timestamptz, big bigint, d double precision, j jsonb, v vector);
      create table empty (id int primary key);
      insert into notes values
        (2, E'two\\n"quoted" \\\\ 日本', '2025-03-15 21:33:04.329001+09', 9007199254740993, 0.1, '{"a": 1.50}', '[0.1,-0,3e-38]'),
        (1, null, null, null, 'NaN', null, null);
      alter database ${DATABASE} set timezone = 'Asia/Tokyo'`);
  });
  afterAll(async () => {
    await asAdmin(platform, 'postgres', (client) => client.query(`drop database ${DATABASE} with (force)`));
    await rm(home, { recursive: true, force: true });
  });

  it('is copied table by table into files that are the same for the same rows', async () => {
    const { manifest, folder } = await take();
    expect([...manifest.files.paths()]).toEqual(['things-db/notes.json', 'things-db/empty.json']);
    const [one, two] = JSON.parse(await readFile(join(folder, 'things-db/notes.json'), 'utf8'));
    expect(one).toEqual({ id: 1, t: null, at: null, big: null, d: 'NaN', j: null, v: null });
    expect(two).toMatchObject({
      t: 'two\n"quoted" \\ 日本',
      at: '2025-03-15T12:33:04.329001+00:00',
      v: '[0.1,-0,3e-38]',
    });
    expect(await readFile(join(folder, 'things-db/notes.json'), 'utf8')).toContain('"big":9007199254740993');
    expect(await readFile(join(folder, 'things-db/empty.json'), 'utf8')).toBe('[]\n');
    // Rows lie otherwise on disk after an update; the copy is in order all the same.
    await query('update notes set t = t where id = 1');
    expect((await take()).manifest.digest).toBe(manifest.digest);
    await query(`update notes set t = 'changed' where id = 1`);
    expect((await take()).manifest.digest).not.toBe(manifest.digest);
  });

  describe('with vectors that are copied as they are sent', () => {
    const packed: JsonLayout = {
      ...LAYOUT,
      database: {
        name: 'things-db',
        tables: { notes: ['id'], things: ['id'], empty: ['id'] },
        vectors: { notes: ['v', 't'], things: ['v', 'w'] },
      },
    };
    const plain: JsonLayout = { ...packed, database: { ...packed.database!, vectors: {} } };

    /** Numbers of single precision: powers of two and their neighbours, and any others, by their bits. */
    const numbers = Array.from({ length: 60_000 }, (_, i) => {
      const bits = i < 900 ? ((i / 3) << 23) + (i % 3) - 1 : Math.imul(i, 0x9e3779b1);
      return Buffer.from(Int32Array.of(bits).buffer).readFloatLE(0);
    }).filter((each) => Number.isFinite(each));

    beforeAll(async () => {
      await query(`
        create type mood as enum ('sad', 'ok');
        create table things (id uuid primary key, gone int, "a ""b" text, v vector, n numeric, f real, d double precision,
          at timestamptz, naive timestamp, day date, j jsonb, raw json, flag bool, tags text[], bytes bytea, m mood,
          w vector, x vector, t text);
        alter table things drop column gone;
        insert into things values
          ('00000000-0000-4000-8000-000000000001', E'\\u0001 "quoted" \\\\ 日本 🚀 <&>', '[1,2]', 1.500, 0.1, 'NaN', now(),
           now(), '2025-03-15', '{"b": [1.50, null], "a": "x"}', E'{"v":0, "v" : [ "\\\\"v\\\\":0" ]}', true,
           '{a,"b c",null}', '\\x00ff', 'ok', '[3]', '[4]', 'v');
        insert into things (id) values ('00000000-0000-4000-8000-000000000002');
        insert into things (id, w) values ('00000000-0000-4000-8000-000000000003', '[0.5]')`);
      for (let at = 0; at < numbers.length; at += 10_000) {
        const some = numbers.slice(at, at + 10_000);
        await query('insert into things (id, v) values (gen_random_uuid(), $1)', [`[${some.join()}]`]);
      }
    });
    afterAll(() => query('drop table things; drop type mood'));

    it('has the same rows as in JSON, to the letter', async () => {
      const json = await take(url, plain);
      const copy = await take(url, packed);
      expect([...copy.files.paths()]).toEqual([
        'things-db/notes.copy',
        'things-db/things.copy',
        'things-db/empty.json',
      ]);
      expect((await take(url, packed)).manifest.digest).toBe(copy.manifest.digest);
      const nothing = { has: () => false };
      const said = (record: SourceRecord) => [record.locator, [...record.fields()], record.payload(nothing)];
      for (const [table, rows] of [
        ['notes', 2],
        ['things', 3 + Math.ceil(numbers.length / 10_000)],
      ] as const) {
        const name = `things-db/${table}.json`;
        const expected: unknown[] = [];
        const files = [{ path: join(json.folder, name), name, size: 0, sha256: '' }];
        for await (const block of new JsonCollection(table, files).blocks(0))
          expected.push(...block.map(said));
        const actual: unknown[] = [];
        const copied = new CopiedTable(join(copy.folder, `things-db/${table}.copy`));
        for await (const row of copiedRows(copied, name)) actual.push(said(row));
        copied.close();
        expect(actual).toHaveLength(rows);
        expect(actual).toEqual(expected);
      }
      const things = new CopiedTable(join(copy.folder, 'things-db/things.copy'));
      expect(things.packed).toEqual(['v', 'w']);
      things.close();
    });

    it('is a file that PostgreSQL reads', async () => {
      const { folder } = await take(url, packed);
      await query('create table back (row json, v vector)');
      const bytes = await readFile(join(folder, 'things-db/notes.copy'));
      await asAdmin(platform, DATABASE, (client) =>
        pipeline(Readable.from([bytes]), client.query(copyFrom('copy back from stdin (format binary)'))),
      );
      const { rows } = await query(
        `select row ->> 't' as t, row ->> 'v' as v, v::text as vector from back order by row ->> 'id'`,
      );
      expect(rows).toMatchObject([
        { v: null, vector: null },
        { t: 'two\n"quoted" \\ 日本', v: '0', vector: '[0.1,-0,3e-38]' },
      ]);
      await query('drop table back');
    });
  });

  it('has tables that nobody asked for, which are named', async () => {
    await query('create table more (id int)');
    expect((await take()).manifest.unread).toEqual(['more']);
    await query('drop table more');
    expect((await take()).manifest.unread).toBeUndefined();
  });

  it('whose row security hides rows is refused, as half of it would look whole', async () => {
    await query(`create role half login password 'half'; grant select on notes, empty to half;
      alter table notes enable row level security; create policy one_row on notes using (id = 1)`);
    try {
      await expect(take(urlFor(platform.postgres, DATABASE, 'half', 'half'))).rejects.toMatchObject({
        kind: 'source',
        message: expect.stringMatching(/row-level security/),
      });
    } finally {
      await query(
        'drop policy one_row on notes; alter table notes disable row level security; drop owned by half; drop role half',
      );
    }
  });

  it('is not filled up from the files beside it', () => {
    const files = ['things-db/empty.json', 'old/notes.json'];
    expect(collectionFiles(LAYOUT, LAYOUT.collections.notes!, files)).toEqual([]);
    expect(collectionFiles(LAYOUT, LAYOUT.collections.notes!, ['old/notes.json'])).toEqual([
      'old/notes.json',
    ]);
  });

  it('beside a folder of its name is refused', async () => {
    const store = { root: '/legacy', files: ['things-db/notes.json'], database: url };
    const taken = takeSnapshot(
      home,
      'things',
      LAYOUT,
      async () => store,
      async () => {},
    );
    await expect(taken).rejects.toMatchObject({ kind: 'source' });
  });

  it('that has none of the tables, or can not be reached, is a fault of the source, told without the password', async () => {
    await expect(take(urlFor(platform.postgres, 'postgres'))).rejects.toMatchObject({
      kind: 'source',
      message: expect.stringMatching(/things-db: .* has none of the tables notes, empty, absent/),
    });
    const wrong = new URL(url);
    wrong.password = 'hidden';
    const error = await take(wrong.href).catch((thrown) => thrown);
    expect(error).toMatchObject({
      kind: 'source',
      message: expect.stringMatching(/password authentication failed/),
    });
    expect(`${error.message} ${error.fix}`).not.toContain('hidden');
  });
});
