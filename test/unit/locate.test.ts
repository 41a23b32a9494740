import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { JsonLayout } from '../../jobs/engine/mapping.ts';
import { CutoverError } from '../../jobs/errors.ts';
import { locateStore } from '../../jobs/sources/locate.ts';
import { lightningTalk } from '../../jobs/systems/lightning-talk/index.ts';
import { trdinger } from '../../jobs/systems/trdinger/index.ts';
import { voiceRoleplay } from '../../jobs/systems/voice-roleplay/index.ts';

const all = mkdtempSync(join(tmpdir(), 'cutover-locate-'));
afterAll(() => rmSync(all, { recursive: true, force: true }));
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(all, 'case-'));
});

/** Makes empty files. */
function touch(...paths: string[]): void {
  for (const path of paths) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), '');
  }
}

const find = (system: typeof trdinger, source: { folders?: string[]; store?: string }) =>
  locateStore(system.name, system.source, {
    folders: source.folders?.map((folder) => join(root, folder)) ?? [],
    stores: new Map(source.store === undefined ? [] : [[system.name, join(root, source.store)]]),
  });

async function failure(promise: Promise<unknown>): Promise<CutoverError> {
  const error = await promise.then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(CutoverError);
  return error;
}

describe('a SQLite store', () => {
  it.each(['trdinger.db', 'backend/trdinger.db', 'a/b/trdinger.db'])('%s', async (path) => {
    touch(`legacy/trdinger/${path}`, 'legacy/trdinger/other.db', 'legacy/lightning-talk/trdinger.db');
    expect(await find(trdinger, { folders: ['legacy'] })).toEqual({
      root: dirname(join(root, 'legacy/trdinger', path)),
      files: ['trdinger.db'],
      around: { root: join(root, 'legacy/trdinger'), files: ['other.db'] },
    });
  });

  it('has the log and the journal beside it as parts, the shared memory not', async () => {
    touch(...['', '-wal', '-journal', '-shm'].map((suffix) => `legacy/trdinger/trdinger.db${suffix}`));
    const { files } = await find(trdinger, { folders: ['legacy'] });
    expect(files).toEqual(['trdinger.db', 'trdinger.db-journal', 'trdinger.db-wal']);
  });

  it('that is named may have any name, and needs no folder of its system', async () => {
    touch('somewhere/old copy.sqlite', 'somewhere/old copy.sqlite-wal', 'legacy/trdinger/trdinger.db');
    expect(await find(trdinger, { folders: ['legacy'], store: 'somewhere/old copy.sqlite' })).toEqual({
      root: join(root, 'somewhere'),
      files: ['old copy.sqlite', 'old copy.sqlite-wal'],
    });
  });

  it('may be named by a folder', async () => {
    touch('app/backend/trdinger.db');
    expect((await find(trdinger, { store: 'app' })).root).toBe(join(root, 'app/backend'));
  });

  it('that is there twice is not chosen between (H15)', async () => {
    touch('legacy/trdinger/trdinger.db', 'legacy/trdinger/backend/trdinger.db');
    const error = await failure(find(trdinger, { folders: ['legacy'] }));
    expect(error.kind).toBe('usage');
    expect(error.message).toContain(join(root, 'legacy/trdinger/trdinger.db'));
    expect(error.message).toContain(join(root, 'legacy/trdinger/backend/trdinger.db'));
    expect(error.fix).toContain('--source trdinger=PATH');
  });

  it('that is there in two folders is not chosen between either', async () => {
    touch('one/trdinger/trdinger.db', 'two/trdinger/trdinger.db');
    expect((await failure(find(trdinger, { folders: ['one', 'two'] }))).kind).toBe('usage');
    expect((await find(trdinger, { folders: ['one', 'three'] })).root).toBe(join(root, 'one/trdinger'));
  });
});

describe('a store of JSON files', () => {
  const DATA = 'legacy/lightning-talk/server/data';

  it('is the folder of its landmark, with everything in it but copies', async () => {
    touch(
      `${DATA}/events.json`,
      `${DATA}/participants.json`,
      `${DATA}/notes/read me.txt`,
      `${DATA}/backups/backup-2025-07-01/events.json`,
      'legacy/lightning-talk/node_modules/x/events.json',
      'legacy/lightning-talk/package.json',
    );
    expect(await find(lightningTalk, { folders: ['legacy'] })).toEqual({
      root: join(root, DATA),
      files: ['events.json', 'notes/read me.txt', 'participants.json'],
      around: { root: join(root, 'legacy/lightning-talk'), files: ['package.json'] },
    });
  });

  it('that is there twice is not chosen between', async () => {
    touch(`${DATA}/events.json`, 'legacy/lightning-talk/old/events.json');
    expect((await failure(find(lightningTalk, { folders: ['legacy'] }))).kind).toBe('usage');
  });

  it('is not what lies in a folder whose name matches a pattern of copies', async () => {
    touch(
      'app/data/usage_limits.json',
      'app/data_backup_20250801/usage_limits.json',
      'app/config/email_config.json',
    );
    const found = await find(voiceRoleplay, { store: 'app' });
    expect(found.files).toEqual(['data/usage_limits.json']);
    expect([...found.refused!.keys()]).toEqual(['config/email_config.json']);
  });

  it('is no file', async () => {
    touch(`${DATA}/events.json`);
    const error = await failure(find(lightningTalk, { store: `${DATA}/events.json` }));
    expect([error.kind, error.message]).toEqual(['source', `${join(root, DATA)}/events.json is a file`]);
  });
});

describe('what is not there', () => {
  it('no folder of the system', async () => {
    const error = await failure(find(trdinger, { folders: ['one', 'two'] }));
    expect(error.kind).toBe('source');
    expect(error.message).toBe(
      `trdinger: ${join(root, 'one/trdinger')} and ${join(root, 'two/trdinger')} do not exist`,
    );
  });

  it('a named store', async () => {
    const error = await failure(find(trdinger, { store: 'gone.db' }));
    expect([error.kind, error.message]).toEqual([
      'source',
      `trdinger: ${join(root, 'gone.db')} does not exist`,
    ]);
  });

  it('a folder without the store', async () => {
    touch('legacy/trdinger/trdinger.sqlite', 'legacy/lightning-talk/talks.json');
    for (const system of [trdinger, lightningTalk]) {
      const error = await failure(find(system, { folders: ['legacy'] }));
      expect(error.kind).toBe('source');
      expect(error.message).toMatch(/: no (file trdinger\.db|folder with events\.json) in /);
    }
  });
});

describe('a store all over a folder', () => {
  const layout: JsonLayout = {
    kind: 'json',
    root: 'named',
    folder: '.',
    skip: ['old'],
    refused: { '**/*secret*': 'it holds passwords' },
    around: { '**/*.wav': 'a recording' },
    collections: { notes: { files: ['**/notes/*.json'] } },
    database: { name: 'things-db', tables: { notes: ['id'] } },
  };
  const locate = (of: JsonLayout, databases?: [string, string][]) =>
    locateStore('things', of, {
      folders: [join(root, 'legacy')],
      stores: new Map(),
      databases: new Map(databases),
    });

  it('is that folder, without what must not be opened and what is known to be no source', async () => {
    const files = [
      'a/notes/1.json',
      'notes/2.json',
      'odd.txt',
      'a/x.wav',
      'a/my secret.json',
      'old/notes/3.json',
    ];
    touch(...files.map((file) => `legacy/things/${file}`));
    expect(await locate(layout)).toEqual({
      root: join(root, 'legacy/things'),
      files: ['a/notes/1.json', 'notes/2.json', 'odd.txt'],
      around: { root: join(root, 'legacy/things'), files: ['a/x.wav'] },
      refused: new Map([['a/my secret.json', 'it holds passwords']]),
    });
  });

  it.each([
    '.env',
    'config/prod.env',
    'Credentials/key.json',
    'x/client_secret.json',
    'tls/server.KEY',
    '.ssh/id_rsa',
  ])('has no %s, which is not even opened', async (name) => {
    touch('legacy/things/notes/1.json', `legacy/things/${name}`);
    expect(await locate({ ...layout, refused: {} })).toEqual({
      root: join(root, 'legacy/things'),
      files: ['notes/1.json'],
      refused: new Map([[name, 'credentials by its name']]),
    });
    touch('legacy/trdinger/trdinger.db', `legacy/trdinger/${name}`);
    expect(await find(trdinger, { folders: ['legacy'] })).toEqual({
      root: join(root, 'legacy/trdinger'),
      files: ['trdinger.db'],
      refused: new Map([[name, 'credentials by its name']]),
    });
  });

  it('with a symbolic link, which could lead to a part of it, is refused', async () => {
    touch('legacy/things/notes/1.json');
    symlinkSync(tmpdir(), join(root, 'legacy/things/more'));
    expect(await failure(locate(layout))).toMatchObject({
      kind: 'source',
      message: `${join(root, 'legacy/things/more')} is a symbolic link, which is not followed`,
    });
  });

  it('with a file whose name is not UTF-8 says so', async () => {
    touch('legacy/things/notes/1.json');
    const name = Buffer.concat([Buffer.from(join(root, 'legacy/things/')), Buffer.from([0x83, 0x81])]);
    writeFileSync(name, '');
    expect((await failure(locate(layout))).message).toMatch(/name is not UTF-8/);
  });

  it('with none of its files is none', async () => {
    touch('legacy/things/odd.txt');
    expect(await failure(locate(layout))).toMatchObject({
      kind: 'source',
      message: expect.stringMatching(/notes/),
    });
  });

  it('has its landmark once', async () => {
    touch('legacy/things/a/notes.json', 'legacy/things/b/notes.json');
    const error = await failure(locate({ ...layout, landmark: 'notes.json' }));
    expect(error.kind).toBe('usage');
    expect(error.message).toContain(join(root, 'legacy/things/a/notes.json'));
    expect(error.message).toContain(join(root, 'legacy/things/b/notes.json'));
  });

  it('may be a living database alone, or both', async () => {
    const url = 'postgresql://u@h/d';
    expect(await locate(layout, [['things-db', url]])).toEqual({ root: '', files: [], database: url });
    touch('legacy/things/notes/1.json');
    expect(await locate(layout, [['things-db', url]])).toMatchObject({
      files: ['notes/1.json'],
      database: url,
    });
  });
});
