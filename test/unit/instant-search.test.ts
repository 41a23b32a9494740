import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import Database from 'libsql';
import { afterAll, describe, expect, it } from 'vitest';
import { batches } from '../../jobs/engine/batches.ts';
import { zuluTime } from '../../jobs/engine/contracts.ts';
import type { Field, LegacyRow, Note, TableMapping } from '../../jobs/engine/mapping.ts';
import { Parents } from '../../jobs/engine/parents.ts';
import { parseUuid, uuidText } from '../../jobs/engine/uuid.ts';
import { uuid, uuidReference } from '../../jobs/engine/uuid-contracts.ts';
import { locateStore } from '../../jobs/sources/locate.ts';
import { takeSnapshot } from '../../jobs/sources/snapshot.ts';
import { SqliteStore } from '../../jobs/sources/sqlite.ts';
import { instantSearch } from '../../jobs/systems/instant-search/index.ts';
import { outcome, readerOf, record, scopeOf } from '../records.ts';

const ID = '0f8fad5b-d9cb-469f-a165-70867728950e';
const PLAIN = ID.replaceAll('-', '');
const BYTES = Buffer.from(PLAIN, 'hex');

const text = (value: string) => Buffer.from(value);

/** A stored row with these columns as PostgreSQL writes them. */
function stored(
  columns: Readonly<Record<string, string | null>>,
  notes: readonly Note[] = [],
  rows: Readonly<Record<string, string>> = {},
): LegacyRow {
  return {
    text: (column) => columns[column] ?? null,
    notes,
    nameOf: () => undefined,
    keyOf: (_parents, name) => rows[name],
  };
}

describe('a UUID', () => {
  it.each([
    ID,
    ID.toUpperCase(),
    PLAIN,
    PLAIN.toUpperCase(),
    `${ID.slice(0, 20)}${ID.slice(20).toUpperCase()}`,
  ])('%s is one', (spelling) => {
    expect(parseUuid(spelling)).toEqual(BYTES);
    expect(uuidText(spelling)).toBe(ID);
    expect(uuidText(BYTES)).toBe(ID);
  });

  it.each([
    '',
    'guest-42',
    `{${ID}}`,
    `urn:uuid:${ID}`,
    ID.slice(1),
    `${ID}0`,
    `${PLAIN.slice(0, 8)}-${PLAIN.slice(8)}`,
    ` ${ID}`,
    PLAIN.replace('f', 'g'),
  ])('%j is none', (spelling) => expect(parseUuid(spelling)).toBeUndefined());

  const field = uuid('id', { rule: 'I16' });
  const back = (field: Field, row: LegacyRow) => field.legacy!(row);

  it('is noted in another spelling, which an export gives back', () => {
    const scope = scopeOf();
    expect(outcome(field, text(ID), scope)).toEqual(BYTES);
    expect(scope.notes).toEqual([]);
    expect(outcome(field, text(PLAIN), scope)).toEqual(BYTES);
    expect(scope.notes).toEqual([{ rule: 'I16', path: 'id', was: PLAIN }]);
    expect(back(field, stored({ id: ID }, scope.notes))).toBe(PLAIN);
    expect(back(field, stored({ id: ID }))).toBe(ID);
    // Another one since.
    const other = ID.replace('0f', '1f');
    expect(back(field, stored({ id: other }, scope.notes))).toBe(other);
  });

  it('is never made up', () => {
    expect(outcome(field, text('guest-42'))).toBe('BAD_UUID');
    expect(outcome(field, null)).toBe('NULL_VALUE');
    expect(outcome(field, text(`${ID}\0`))).toBe('NUL_CHARACTER');
  });
});

describe('a reference', () => {
  const parents = { [`users ${ID}`]: BYTES };
  const strict = uuidReference('user_id', {
    rule: 'I16',
    parents: 'users',
    orphan: { reject: 'ORPHAN_USER' },
  });
  const loose = uuidReference('user_id', {
    rule: 'I16',
    parents: 'users',
    nullable: true,
    orphan: { note: 'I6' },
  });

  it('finds its row in any spelling', () => {
    for (const spelling of [ID, ID.toUpperCase(), PLAIN]) {
      const scope = scopeOf({}, parents);
      expect(outcome(strict, text(spelling), scope)).toEqual(BYTES);
      expect(scope.notes).toEqual(spelling === ID ? [] : [{ rule: 'I16', path: 'user_id', was: spelling }]);
      expect(strict.legacy!(stored({ user_id: ID }, scope.notes))).toBe(spelling);
    }
  });

  it('to nothing is refused, or null with a note, as the mapping says', () => {
    expect(outcome(strict, text(ID), scopeOf())).toBe('ORPHAN_USER');
    expect(outcome(strict, text('somebody'), scopeOf())).toBe('BAD_UUID');
    const scope = scopeOf();
    expect(outcome(loose, text(ID.toUpperCase()), scope)).toBeNull();
    expect(scope.notes).toEqual([{ rule: 'I6', path: 'user_id', was: ID.toUpperCase() }]);
    expect(outcome(loose, null, scopeOf())).toBeNull();
    expect(outcome(loose, text('somebody'), scopeOf())).toBe('BAD_UUID');
  });

  it('goes back to what it was, unless somebody took it away', () => {
    const notes = [{ rule: 'I6', path: 'user_id', was: ID.toUpperCase() }];
    expect(loose.legacy!(stored({ user_id: null }, notes))).toBe(ID.toUpperCase());
    expect(loose.legacy!(stored({ user_id: null }, notes, { [ID]: ID }))).toBeUndefined();
    expect(loose.legacy!(stored({ user_id: null }))).toBeUndefined();
    expect(strict.legacy!(stored({ user_id: null }))).toBeUndefined();
  });
});

describe('a time with a Z', () => {
  const field = zuluTime('created_at', { rule: 'I22' });
  const zero = Date.UTC(2000, 0, 1);
  const micros = (iso: string, extra = 0) => (Date.parse(iso) - zero) * 1000 + extra;

  it.each([
    ['2026-11-20T22:57:34.974171Z', micros('2026-11-20T22:57:34.974Z', 171)],
    ['2026-11-20T22:57:34Z', micros('2026-11-20T22:57:34Z')],
    ['1999-12-31T23:59:59.999999Z', -1],
    ['2024-02-29T00:00:00.000001Z', micros('2024-02-29T00:00:00Z', 1)],
  ])('%s is what Python writes, and is written so again', (iso, value) => {
    const scope = scopeOf();
    expect(Number(outcome(field, text(iso), scope))).toBe(value);
    expect(scope.notes).toEqual([]);
    const shown = iso.replace('T', ' ').replace('Z', '+00');
    expect(field.legacy!(stored({ created_at: shown }))).toBe(iso);
  });

  it.each(['2026-01-07T00:00:00.5Z', '2026-01-07T00:00:00.000000Z', '2026-01-07T00:00:00.500Z'])(
    '%s is noted, and given back as long as it is the same instant',
    (iso) => {
      const scope = scopeOf();
      const value = Number(outcome(field, text(iso), scope));
      expect(value).toBe(micros(iso));
      expect(scope.notes).toEqual([{ rule: 'I22', path: 'created_at', was: iso }]);
      const shown = value % 1_000_000 === 0 ? '2026-01-07 00:00:00+00' : '2026-01-07 00:00:00.5+00';
      expect(field.legacy!(stored({ created_at: shown }, scope.notes))).toBe(iso);
      expect(field.legacy!(stored({ created_at: '2026-01-08 00:00:00+00' }, scope.notes))).toBe(
        '2026-01-08T00:00:00Z',
      );
    },
  );

  it.each([
    '2026-01-05T04:00:00.123456+00:00Z',
    '2026-01-05T04:00:00.123456+00:00',
    '2026-01-05T04:00:00',
    '2026-01-05 04:00:00Z',
    '2026-01-05T04:00:00z',
    '2026-01-05T04:00:00.Z',
    '2026-01-05T04:00:00.1234567Z',
    '2026-02-29T00:00:00Z',
    '2026-01-05T24:00:00Z',
    '2026-01-05T23:59:60Z',
    'Z',
    '',
  ])('%j is none', (value) => expect(outcome(field, text(value))).toBe('BAD_TIMESTAMP'));
});

describe('I17: two spellings of one id', () => {
  const users = instantSearch.tables.find(({ table }) => table === 'users')!;
  const user = (id: string, email: string, at: number) =>
    record(
      Object.fromEntries(
        Object.entries({
          id,
          name: 'Somebody',
          email,
          created_at: '2026-01-05T04:00:00Z',
          updated_at: '2026-01-05T04:00:00Z',
        }).map(([name, value]) => [name, text(value)]),
      ),
      `users rowid ${at}`,
    );

  async function outcomes(...rows: readonly (readonly [id: string, email: string])[]) {
    const records = rows.map(([id, email], i) => user(id, email, i + 1));
    const kept: string[] = [];
    const away: string[] = [];
    for await (const batch of batches(users as TableMapping, readerOf(records, false), new Parents(), {
      rows: 10,
    })) {
      kept.push(...batch.starts.map((_, i) => batch.locator(i)));
      for (const { locator, code } of batch.rejected) away.push(`${locator} ${code}`);
      for (const { locator, winner, rule } of batch.merged)
        away.push(`${locator} gave way to ${winner} by ${rule}`);
    }
    return [kept, away];
  }

  it('the application’s own wins, wherever it stands', async () => {
    const own = [ID, 'a@example.com'] as const;
    const other = [PLAIN.toUpperCase(), 'a@example.com'] as const;
    expect(await outcomes(own, other)).toEqual([
      ['users rowid 1'],
      ['users rowid 2 gave way to users rowid 1 by I17'],
    ]);
    expect(await outcomes(other, own)).toEqual([
      ['users rowid 2'],
      ['users rowid 1 gave way to users rowid 2 by I17'],
    ]);
  });

  it('without it the first wins; rows that differ are not merged', async () => {
    expect(await outcomes([ID.toUpperCase(), 'a@example.com'], [PLAIN, 'a@example.com'])).toEqual([
      ['users rowid 1'],
      ['users rowid 2 gave way to users rowid 1 by I17'],
    ]);
    expect(await outcomes([ID.toUpperCase(), 'a@example.com'], [ID, 'b@example.com'])).toEqual([
      ['users rowid 2'],
      ['users rowid 1 DUPLICATE_ID'],
    ]);
  });
});

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));
async function scratch(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'instant-search-'));
  folders.push(folder);
  return folder;
}

const SAMPLE = resolve('test/legacy/instant-search/app.db');

describe('the store', () => {
  /** A copy of the sample, changed by `damage`, and what becomes of its snapshot. */
  async function snapshotOf(damage: (db: Database.Database) => void) {
    const folder = await scratch();
    await cp(SAMPLE, join(folder, 'app.db'));
    const db = new Database(join(folder, 'app.db'));
    damage(db);
    db.close();
    return snapshotAt(folder);
  }
  const snapshotAt = async (folder: string) => {
    const sources = { folders: [], stores: new Map([['instant-search', folder]]) };
    const locate = () => locateStore('instant-search', instantSearch.source, sources);
    return takeSnapshot(await scratch(), 'instant-search', instantSearch.source, locate, async () => {});
  };

  it('with a search index of dead entries, or one that cannot even be opened, is whole', async () => {
    await expect(snapshotOf(() => {})).resolves.toBeDefined();
    const zeroed = 'update questions_fts_data set block = zeroblob(20) where id > 10';
    await expect(snapshotOf((db) => db.exec(zeroed))).resolves.toBeDefined();
    const { database } = await snapshotOf((db) => db.exec('delete from questions_fts_data where id = 10'));
    const store = new SqliteStore(database!);
    try {
      expect(() => store.query('select * from questions_fts')).toThrow(/vtable constructor failed/);
      expect(store.tables().get('users')).toEqual(['id', 'name', 'email', 'created_at', 'updated_at']);
      expect(store.tables().get('questions_fts')).toEqual([]);
      for (const mapping of instantSearch.tables) expect(store.reader(mapping).count).toBeGreaterThan(0);
    } finally {
      store.close();
    }
  });

  it('with a damaged table is not, be the search index well or not', async () => {
    const folder = await scratch();
    mkdirSync(folder, { recursive: true });
    for (const broken of [false, true]) {
      await cp(SAMPLE, join(folder, 'app.db'));
      const db = new Database(join(folder, 'app.db'));
      if (broken) db.exec('delete from questions_fts_data where id = 10');
      const [[root, size]] = [
        db
          .prepare(
            `select rootpage, (select page_size from pragma_page_size) from sqlite_master where name = 'typing_logs'`,
          )
          .raw(true)
          .get() as unknown as [number, number],
      ];
      db.close();
      const bytes = readFileSync(join(folder, 'app.db'));
      bytes.fill(0x55, (root - 1) * size, (root - 1) * size + 200);
      writeFileSync(join(folder, 'app.db'), bytes);
      await expect(snapshotAt(folder)).rejects.toThrow(/app\.db is damaged/);
    }
  });

  it('yields ids in the order of the UUIDs, whatever their spelling', async () => {
    const store = new SqliteStore(SAMPLE);
    try {
      const ids: string[] = [];
      const reader = store.reader(instantSearch.tables[0]!);
      for await (const block of reader.blocks(0)) for (const each of block) ids.push(String(each.get('id')));
      const uuids = ids.filter((id) => parseUuid(id)).map((id) => uuidText(id));
      expect(uuids).toEqual([...uuids].sort());
      expect(ids.some((id) => id !== id.toLowerCase())).toBe(true);
      const rest: string[] = [];
      for await (const block of reader.blocks(7)) for (const each of block) rest.push(String(each.get('id')));
      expect(rest).toEqual(ids.slice(7));
    } finally {
      store.close();
    }
  });
});

describe('the mapping', () => {
  it('names rules that docs/hazards.md has, and all of them that a field can answer', () => {
    const documented = new Set(
      [...readFileSync(resolve('docs/hazards.md'), 'utf8').matchAll(/^\| (I\d+) \|/gm)].map(([, id]) => id),
    );
    const named = new Set(
      instantSearch.tables.flatMap(({ fields }) => fields.flatMap(({ hazards }) => hazards ?? [])),
    );
    // I23 is of the file, I25 and I26 of every text.
    expect([...documented].filter((id) => !named.has(id!)).sort()).toEqual(['I23', 'I25', 'I26']);
    expect([...named].filter((id) => !documented.has(id))).toEqual([]);
  });
});
