import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import {
  appendFile,
  chmod,
  cp,
  mkdir,
  mkdtemp,
  rename,
  rm,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import Database from 'libsql';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SourceLayout } from '../../jobs/engine/mapping.ts';
import { isSealed, seal } from '../../jobs/sources/seal.ts';
import { currentSnapshot, makeCurrent, takeSnapshot } from '../../jobs/sources/snapshot.ts';

const JSON_STORE: SourceLayout = {
  kind: 'json',
  landmark: 'a.json',
  root: 'landmark',
  folder: '.',
  skip: [],
  collections: {},
};
const SQLITE: SourceLayout = { kind: 'sqlite', file: 'store.db' };

let all: string;
beforeAll(async () => {
  all = await mkdtemp(join(tmpdir(), 'cutover-snapshot-'));
});
afterAll(() => rm(all, { recursive: true, force: true }));

let root: string;
let home: string;
beforeEach(async () => {
  root = await mkdtemp(join(all, 'store-'));
  home = await mkdtemp(join(all, 'home-'));
});

const sha256 = (content: string | Buffer) => createHash('sha256').update(content).digest('hex');
const accept = async () => {};
/** Takes a snapshot of these files and makes it current. */
const take = async (layout: SourceLayout, files: string[], check: typeof accept) => {
  const snapshot = await takeSnapshot(home, 'things', layout, async () => ({ root, files }), check);
  await makeCurrent(home, snapshot.manifest);
  return snapshot;
};
const takeJson = (files: string[], check: typeof accept = accept) => take(JSON_STORE, files, check);
const takeSqlite = (files: string[]) => take(SQLITE, files, accept);

describe('a snapshot', () => {
  beforeEach(async () => {
    await mkdir(join(root, 'sub'));
    await writeFile(join(root, 'a.json'), '[1]');
    await writeFile(join(root, 'sub/b.json'), '[]');
  });

  it('is a copy with a manifest of its bytes', async () => {
    const { manifest, folder } = await takeJson(['a.json', 'sub/b.json']);
    expect([...manifest.files]).toEqual([
      { path: 'a.json', size: 3, sha256: sha256('[1]') },
      { path: 'sub/b.json', size: 2, sha256: sha256('[]') },
    ]);
    expect(manifest.digest).toBe(sha256(`${sha256('[1]')}  a.json\n${sha256('[]')}  sub/b.json\n`));
    expect(readFileSync(join(folder, 'a.json'), 'utf8')).toBe('[1]');
    expect(readFileSync(join(folder, 'sub/b.json'), 'utf8')).toBe('[]');
    expect(await currentSnapshot(home, 'things', JSON_STORE)).toEqual({
      manifest,
      files: manifest.files,
      folder,
    });
  });

  it('whose manifest is damaged says so, and what to do', async () => {
    const { folder } = await takeJson(['a.json', 'sub/b.json']);
    const file = join(folder, '../manifest.json');
    const text = readFileSync(file, 'utf8');
    const damaged = (to: string) => writeFile(file, to);
    const files = text.slice(text.indexOf('['), text.lastIndexOf(']') + 1);
    for (const other of [
      '',
      '{}',
      text.slice(0, -3),
      text.slice(0, text.indexOf('"size"')),
      text.replace('"size": 3', '"size": "3"'),
      text.replace('"path"', '"name"'),
      text.replace(files, '7'),
      text.replace(files, `${files}]`),
      text.replace('"digest"', '"other"'),
    ]) {
      expect(other).not.toBe(text);
      await damaged(other);
      await expect(currentSnapshot(home, 'things', JSON_STORE)).rejects.toMatchObject({
        kind: 'source',
        message: `${file} is damaged`,
        fix: expect.stringContaining(dirname(file)),
      });
    }
    await damaged(text);
    expect((await currentSnapshot(home, 'things', JSON_STORE)).files.length).toBe(2);
  });

  it('of the same content has the same digest, whenever and wherever it was taken', async () => {
    const first = await takeJson(['a.json', 'sub/b.json']);
    const elsewhere = await mkdtemp(join(all, 'elsewhere-'));
    await cp(root, elsewhere, { recursive: true });
    await utimes(join(elsewhere, 'a.json'), 1, 1);
    const store = { root: elsewhere, files: ['a.json', 'sub/b.json'] };
    const second = await takeSnapshot(
      await mkdtemp(join(all, 'home-')),
      'things',
      JSON_STORE,
      async () => store,
      accept,
    );
    expect(second.manifest).toEqual(first.manifest);
  });

  it('of other content, or of the same under another name, has another digest', async () => {
    const digests = [(await takeJson(['a.json', 'sub/b.json'])).manifest.digest];
    digests.push((await takeJson(['a.json'])).manifest.digest);
    await rename(join(root, 'sub/b.json'), join(root, 'sub/c.json'));
    digests.push((await takeJson(['a.json', 'sub/c.json'])).manifest.digest);
    await writeFile(join(root, 'a.json'), '[2]');
    digests.push((await takeJson(['a.json', 'sub/c.json'])).manifest.digest);
    expect(new Set(digests).size).toBe(4);
    // The last one is the current one; the others are kept.
    expect((await currentSnapshot(home, 'things', JSON_STORE)).manifest.digest).toBe(digests[3]);
    expect(readdirSync(join(home, 'snapshots/things')).sort()).toEqual(['current', ...digests].sort());
  });

  it('that is taken again takes no more space', async () => {
    await takeJson(['a.json', 'sub/b.json']);
    await takeJson(['a.json', 'sub/b.json']);
    expect(readdirSync(join(home, 'snapshots/things'))).toHaveLength(2);
  });

  it('leaves the source as it was', async () => {
    const before = statSync(join(root, 'a.json'), { bigint: true });
    await takeJson(['a.json', 'sub/b.json']);
    const after = statSync(join(root, 'a.json'), { bigint: true });
    expect([after.mtimeNs, after.size, after.mode, after.ino]).toEqual([
      before.mtimeNs,
      before.size,
      before.mode,
      before.ino,
    ]);
    expect(readdirSync(root).sort()).toEqual(['a.json', 'sub']);
  });

  it('that its check refuses is none, and the one before stays current', async () => {
    const good = await takeJson(['a.json', 'sub/b.json']);
    await writeFile(join(root, 'a.json'), '[1');
    const refuse = async () => {
      throw new Error('cut');
    };
    await expect(takeJson(['a.json', 'sub/b.json'], refuse)).rejects.toThrow('cut');
    expect((await currentSnapshot(home, 'things', JSON_STORE)).manifest).toEqual(good.manifest);
    expect(readdirSync(join(home, 'snapshots/things'))).toHaveLength(2);
  });

  it('that was never taken is asked for', async () => {
    await expect(currentSnapshot(home, 'things', JSON_STORE)).rejects.toMatchObject({
      kind: 'source',
      fix: 'Run: cutover backup --system things',
    });
  });
});

describe('a source that changes while it is copied', () => {
  it('without end is given up, with the name of the file', async () => {
    // Large, so that it takes longer to read than to write to.
    await writeFile(join(root, 'a.json'), Buffer.alloc(16 << 20, 0x20));
    const writer = setInterval(() => void appendFile(join(root, 'a.json'), ' '), 1);
    try {
      await expect(takeJson(['a.json'])).rejects.toMatchObject({
        kind: 'source',
        message: `${join(root, 'a.json')} changed while it was read, 5 times in a row`,
      });
    } finally {
      clearInterval(writer);
    }
    expect(readdirSync(join(home, 'snapshots/things'))).toEqual([]);
  });

  it('once is copied again', async () => {
    // Large for the same reason.
    await writeFile(join(root, 'a.json'), Buffer.alloc(64 << 20, 0x20));
    const base = join(home, 'snapshots/things');
    const writer = setInterval(() => {
      const draft = existsSync(base) && readdirSync(base).find((name) => name.startsWith('draft'));
      if (!draft || !existsSync(join(base, draft, 'files/a.json'))) return;
      clearInterval(writer);
      void appendFile(join(root, 'a.json'), '[]');
    }, 1);
    const { manifest, folder } = await takeJson(['a.json']);
    clearInterval(writer);
    expect(manifest.files.at(0).size).toBe((64 << 20) + 2);
    expect(manifest.files.at(0).sha256).toBe(sha256(readFileSync(join(root, 'a.json'))));
    expect(sha256(readFileSync(join(folder, 'a.json')))).toBe(manifest.files.at(0).sha256);
  });

  it('or gets another file beside it is copied again, with both', async () => {
    await writeFile(join(root, 'a.json'), '[]');
    await writeFile(join(root, 'b.json'), '[]');
    let asked = 0;
    const locate = async () => ({ root, files: asked++ === 0 ? ['a.json'] : ['a.json', 'b.json'] });
    const { manifest } = await takeSnapshot(home, 'things', JSON_STORE, locate, accept);
    expect([...manifest.files.paths()]).toEqual(['a.json', 'b.json']);
  });

  it('or that goes away is an error that names it', async () => {
    await expect(takeJson(['a.json'])).rejects.toMatchObject({
      kind: 'source',
      message: expect.stringContaining(join(root, 'a.json')),
    });
  });
});

describe('a snapshot that somebody changed', () => {
  let folder: string;
  beforeEach(async () => {
    await writeFile(join(root, 'a.json'), '[1, 2, 3]');
    ({ folder } = await takeJson(['a.json']));
    await chmod(join(folder, 'a.json'), 0o600);
  });
  const current = () => currentSnapshot(home, 'things', JSON_STORE);

  it.each([
    ['cut', () => truncate(join(folder, 'a.json'), 5)],
    ['replaced by another of the same size', () => writeFile(join(folder, 'a.json'), '[1, 2, 4]')],
    ['deleted', () => rm(join(folder, 'a.json'))],
  ])('a file that was %s is refused', async (_how, change) => {
    await change();
    await expect(current()).rejects.toMatchObject({
      kind: 'source',
      message: `${join(folder, 'a.json')} is not as its manifest says`,
    });
  });

  it('a manifest that was changed along with the file is refused: its digest is the snapshot’s name', async () => {
    await writeFile(join(folder, 'a.json'), '[1, 2, 4]');
    const file = join(folder, '../manifest.json');
    const changed = readFileSync(file, 'utf8').replace(sha256('[1, 2, 3]'), sha256('[1, 2, 4]'));
    await chmod(file, 0o600);
    await writeFile(file, changed);
    await expect(current()).rejects.toMatchObject({ kind: 'source' });
  });

  it('and one that was removed is asked for', async () => {
    await rm(join(folder, '..'), { recursive: true });
    await expect(current()).rejects.toMatchObject({
      kind: 'source',
      message: expect.stringContaining('is gone'),
    });
  });
});

describe('a snapshot that is trusted by its seal', () => {
  let folder: string;
  let file: string;
  beforeEach(async () => {
    await writeFile(join(root, 'a.json'), '[1, 2, 3]');
    ({ folder } = await takeJson(['a.json']));
    file = join(folder, 'a.json');
    await chmod(file, 0o600);
  });
  afterEach(() => vi.restoreAllMocks());
  const current = (trust: 'seal' | 'nothing') => currentSnapshot(home, 'things', JSON_STORE, trust);
  const later = () => vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 60_000);

  it('is not hashed again, except for a proof', async () => {
    later();
    await current('seal');
    await writeFile(file, '[1, 2, 4]');
    // As if nothing could be seen of the change.
    await seal(dirname(folder), ['files/a.json']);
    await expect(current('seal')).resolves.toMatchObject({ folder });
    await expect(current('nothing')).rejects.toMatchObject({ kind: 'source' });
  });

  it('a file that was written with its times put back is refused', async () => {
    later();
    await current('seal');
    const { atime, mtime } = statSync(file);
    await writeFile(file, '[1, 2, 4]');
    await utimes(file, atime, mtime);
    await expect(current('seal')).rejects.toMatchObject({ kind: 'source' });
  });

  it('one that has only just been written is not sealed, and hashed each time', async () => {
    await current('seal');
    expect(existsSync(join(folder, '../seal'))).toBe(false);
  });

  it('one file of several that was written to, or is gone, breaks it', async () => {
    later();
    const files = ['a.json', 'b.json'];
    await writeFile(join(root, 'b.json'), '[]');
    await seal(root, files);
    expect(await isSealed(root, files)).toBe(true);
    expect(await isSealed(root, ['a.json'])).toBe(false);
    await writeFile(join(root, 'b.json'), '[]');
    expect(await isSealed(root, files)).toBe(false);
    await seal(root, files);
    await rm(join(root, 'b.json'));
    expect(await isSealed(root, files)).toBe(false);
    expect(await isSealed(root, ['a.json/b.json'])).toBe(false);
  });

  it('one that is made too early takes the place of none', async () => {
    await seal(root, ['a.json']);
    expect(await isSealed(root, ['a.json'])).toBe(false);
    later();
    await seal(root, ['a.json']);
    expect(await isSealed(root, ['a.json'])).toBe(true);
    vi.restoreAllMocks();
    await writeFile(join(root, 'a.json'), '[1]');
    await seal(root, ['a.json']);
    expect(existsSync(join(root, 'seal'))).toBe(false);
  });

  it.each(['', 'nonsense', 'null', '{"files/a.json":1}'])(
    'a seal that is %j counts for nothing',
    async (text) => {
      await writeFile(join(folder, '../seal'), text);
      await writeFile(file, '[1, 2, 4]');
      await expect(current('seal')).rejects.toMatchObject({ kind: 'source' });
    },
  );
});

describe('a SQLite store', () => {
  const make = (mode: 'delete' | 'wal', close = true) => {
    const db = new Database(join(root, 'store.db'));
    db.pragma(`journal_mode = ${mode}`);
    db.exec('create table t (a text)');
    db.exec(`insert into t values ('kept')`);
    if (close) db.close();
    return db;
  };
  const rowsIn = (file: string) => {
    const db = new Database(file);
    const rows = db.prepare('select a from t').all();
    db.close();
    return rows;
  };

  it('is read from its copy', async () => {
    make('delete');
    const { folder, database } = await takeSqlite(['store.db']);
    expect(database).toBe(join(folder, 'store.db'));
    expect(statSync(database!).mode & 0o777).toBe(0o400);
  });

  it('has what its write-ahead log holds, which stays as it was', async () => {
    const writer = make('wal', false);
    try {
      const before = ['store.db', 'store.db-wal'].map((name) => sha256(readFileSync(join(root, name))));
      expect(statSync(join(root, 'store.db-wal')).size).toBeGreaterThan(0);
      const { folder, database, manifest } = await takeSqlite(['store.db', 'store.db-wal']);
      expect(Array.from(manifest.files, ({ sha256 }) => sha256)).toEqual(before);
      expect(database).toBe(join(folder, '../folded.db'));
      expect(rowsIn(database!)).toEqual([{ a: 'kept' }]);
      expect(['store.db', 'store.db-wal'].map((name) => sha256(readFileSync(join(root, name))))).toEqual(
        before,
      );
      expect((await currentSnapshot(home, 'things', SQLITE)).database).toBe(database);
    } finally {
      writer.close();
    }
  });

  it('whose folded copy somebody changed is refused', async () => {
    const writer = make('wal', false);
    writer.pragma('wal_checkpoint(TRUNCATE)');
    writer.close();
    const { database } = await takeSqlite(['store.db']);
    await chmod(database!, 0o600);
    const db = new Database(database!);
    db.exec(`update t set a = 'fake'`);
    db.close();
    await expect(currentSnapshot(home, 'things', SQLITE)).rejects.toMatchObject({ kind: 'source' });
  });

  it.each([
    ['is empty', () => writeFile(join(root, 'store.db'), '')],
    [
      'is not a SQLite database',
      () => writeFile(join(root, 'store.db'), 'PK\u0003\u0004, not a database'.repeat(100)),
    ],
    [
      'is damaged',
      async () => {
        const db = make('delete', false);
        db.exec(`insert into t select hex(randomblob(2000)) from t, (values (1), (2), (3), (4), (5))`);
        db.close();
        await truncate(join(root, 'store.db'), 8192);
      },
    ],
  ])('that %s is refused before anything is written', async (message, spoil) => {
    await spoil();
    await expect(takeSqlite(['store.db'])).rejects.toMatchObject({
      kind: 'source',
      message: expect.stringContaining(`${join(root, 'store.db')} ${message}`),
    });
    expect(readdirSync(join(home, 'snapshots/things'))).toEqual([]);
  });
});

describe('what lies around a store', () => {
  it('is hashed and not copied, and does not make another snapshot of it', async () => {
    await writeFile(join(root, 'a.json'), '[]');
    await writeFile(join(root, 'b.txt'), 'b');
    const around = { root, files: ['b.txt'] };
    const locate = async () => ({ root, files: ['a.json'], around });
    const first = await takeSnapshot(home, 'things', JSON_STORE, locate, accept);
    expect(first.manifest.around).toEqual([{ path: 'b.txt', size: 1, sha256: sha256(Buffer.from('b')) }]);
    expect(existsSync(join(first.folder, 'b.txt'))).toBe(false);
    await writeFile(join(root, 'b.txt'), 'bb');
    const second = await takeSnapshot(home, 'things', JSON_STORE, locate, accept);
    expect(second.folder).toBe(first.folder);
    expect(second.manifest.digest).toBe(first.manifest.digest);
    await makeCurrent(home, second.manifest);
    expect((await currentSnapshot(home, 'things', JSON_STORE)).manifest.around![0]!.size).toBe(2);
  });
});
