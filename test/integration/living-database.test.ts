import { mkdtempSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { urlFor } from '../../jobs/database.ts';
import type { JsonLayout } from '../../jobs/engine/mapping.ts';
import { collectionFiles } from '../../jobs/sources/json-layout.ts';
import { takeSnapshot } from '../../jobs/sources/snapshot.ts';
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
  const take = (database = url) =>
    takeSnapshot(
      home,
      'things',
      LAYOUT,
      async () => ({ root: '', files: [], database }),
      async () => {},
    );
  const query = (sql: string) => asAdmin(platform, DATABASE, (client) => client.query(sql));

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
    expect(manifest.files.map(({ path }) => path)).toEqual(['things-db/notes.json', 'things-db/empty.json']);
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
