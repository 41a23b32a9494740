import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { makeProgram } from '../../jobs/command-line.ts';
import { withDownloads } from '../../jobs/downloads.ts';
import { hasObject, s3Client, s3Place } from '../../jobs/s3.ts';
import { FileList } from '../../jobs/sources/file-list.ts';
import { locateStore } from '../../jobs/sources/locate.ts';
import { downloadObjects } from '../../jobs/sources/s3.ts';
import type { Snapshot } from '../../jobs/sources/snapshot.ts';
import { archiveSnapshot } from '../../jobs/steps/archive.ts';
import { trdinger } from '../../jobs/systems/trdinger/index.ts';

const base = mkdtempSync(join(tmpdir(), 'cutover-s3-'));

/** A store of one bucket that speaks what is needed of S3, a page of two keys at a time. */
const objects = new Map<string, Buffer>();
const log: string[] = [];
/** What happens before an answer, such as a change of the objects. */
let before: (what: string) => void = () => {};
const etagOf = (body: Buffer) => `"${createHash('md5').update(body).digest('hex')}"`;

function refuse(response: ServerResponse, status: number, code: string): void {
  response.statusCode = status;
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code} was said</Message></Error>`);
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url!, 'http://s3');
  const [, bucket, ...parts] = decodeURIComponent(url.pathname).split('/');
  const key = parts.join('/');
  const what = `${request.method} ${key || 'list'}`;
  log.push(what);
  before(what);
  const body: Buffer[] = [];
  for await (const chunk of request) body.push(chunk as Buffer);
  if (!request.headers.authorization?.includes('Credential=AKIDEXAMPLE/'))
    return refuse(response, 403, 'AccessDenied');
  if (bucket !== 'legacy') return refuse(response, 404, 'NoSuchBucket');
  if (url.searchParams.get('list-type') === '2') {
    const prefix = url.searchParams.get('prefix') ?? '';
    const from = Number(url.searchParams.get('continuation-token') ?? 0);
    const keys = [...objects.keys()].filter((name) => name.startsWith(prefix)).sort();
    const contents = keys.slice(from, from + 2).map((name) => {
      const content = objects.get(name)!;
      return `<Contents><Key>${name}</Key><ETag>${etagOf(content)}</ETag><Size>${content.length}</Size></Contents>`;
    });
    const next = from + 2 < keys.length ? `<NextContinuationToken>${from + 2}</NextContinuationToken>` : '';
    response.end(`<ListBucketResult>${contents.join('')}${next}</ListBucketResult>`);
  } else if (request.method === 'PUT') {
    const content = Buffer.concat(body);
    const sha256 = createHash('sha256').update(content).digest('base64');
    const claimed = request.headers['x-amz-checksum-sha256'];
    if (claimed !== undefined && claimed !== sha256) return refuse(response, 400, 'BadDigest');
    if (claimed === undefined && !key.endsWith('manifest.json')) return refuse(response, 400, 'NoChecksum');
    objects.set(key, content);
    response.end();
  } else {
    const content = objects.get(key);
    // As S3 does where the right to list is bound to prefixes.
    if (!content && request.method === 'HEAD') return refuse(response, 403, 'AccessDenied');
    if (!content) return refuse(response, 404, 'NoSuchKey');
    const match = request.headers['if-match'];
    if (match !== undefined && match !== etagOf(content)) return refuse(response, 412, 'PreconditionFailed');
    response.setHeader('content-length', content.length);
    response.end(request.method === 'HEAD' ? undefined : content);
  }
}

const server = createServer((request, response) => {
  answer(request, response).catch(() => request.destroy());
});

beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  vi.stubEnv('AWS_ENDPOINT_URL_S3', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDEXAMPLE');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'not-in-messages');
  vi.stubEnv('AWS_MAX_ATTEMPTS', '1');
});
afterAll(() => {
  vi.unstubAllEnvs();
  server.close();
  rmSync(base, { recursive: true, force: true });
});
beforeEach(() => {
  objects.clear();
  log.length = 0;
  before = () => {};
});

function put(files: Record<string, string>): void {
  for (const [key, content] of Object.entries(files)) objects.set(key, Buffer.from(content));
}

/** Contents by name of all files below a folder. */
function filesIn(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const paths = entries.map((entry) => join(entry.parentPath, entry.name)).sort();
  return Object.fromEntries(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path, 'utf8')]));
}

let folders = 0;
const newFolder = () => join(base, String(++folders), 'store');
const download = async (url: string, folder = newFolder(), mayOpen = (_: string) => true) => {
  await downloadObjects(s3Place(url), folder, mayOpen);
  return folder;
};

describe('a URL of an object store', () => {
  it.each([
    ['s3://legacy', { bucket: 'legacy', prefix: '' }],
    ['s3://legacy/', { bucket: 'legacy', prefix: '' }],
    ['s3://legacy/a/b', { bucket: 'legacy', prefix: 'a/b/' }],
    ['s3://legacy/a/b//', { bucket: 'legacy', prefix: 'a/b/' }],
  ])('%s', (url, place) => {
    expect(s3Place(url)).toEqual(place);
  });

  it.each(['s3://', 's3:///a', 's3://A/b', 's3://x', 's3://legacy/a?versionId=1', 'https://legacy/a'])(
    'is not %s',
    (url) => {
      expect(() => s3Place(url)).toThrow(`${url} is not s3://BUCKET/PREFIX`);
    },
  );
});

describe('objects', () => {
  it('come into a folder by their names below the prefix, page by page, and replace what was there', async () => {
    put({
      'a/one.json': '1',
      'a/b/two.json': '2',
      'a/b/': '',
      'a/日本 語.json': '3',
      'other/x': 'x',
      ab: 'x',
    });
    const folder = newFolder();
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'of-yesterday'), '');
    await download('s3://legacy/a', folder);
    expect(filesIn(folder)).toEqual({ 'b/two.json': '2', 'one.json': '1', '日本 語.json': '3' });
    expect(statSync(join(folder, 'one.json')).mode & 0o077).toBe(0);
    expect(readdirSync(dirname(folder))).toEqual(['store']);
    expect(log.filter((what) => what === 'GET list')).toHaveLength(4);
  });

  it('that change while they are read are read again, until they are of one moment', async () => {
    put({ 'a/one': '1', 'a/two': 'old' });
    let changes = 0;
    before = (what) => {
      // Behind the first list: one that was to be read, then one more, then none.
      if (!what.startsWith('GET a/')) return;
      if (changes === 0) put({ 'a/two': 'new' });
      if (changes === 2) put({ 'a/three': '3' });
      changes++;
    };
    expect(filesIn(await download('s3://legacy/a'))).toEqual({ one: '1', three: '3', two: 'new' });
  });

  it('that change and change back are not taken for what was listed', async () => {
    put({ 'a/one': 'old' });
    let reads = 0;
    before = (what) => {
      if (what === 'GET a/one') put({ 'a/one': reads++ === 0 ? 'new' : 'old' });
      else put({ 'a/one': 'old' });
    };
    expect(filesIn(await download('s3://legacy/a'))).toEqual({ one: 'old' });
    expect(reads).toBe(2);
  });

  it('that change all the time are given up', async () => {
    let n = 0;
    before = () => put({ 'a/one': String(n++) });
    const folder = newFolder();
    await expect(download('s3://legacy/a', folder)).rejects.toMatchObject({
      kind: 'source',
      message: 's3://legacy/a/ changed while it was read, 5 times in a row',
    });
    expect(existsSync(folder)).toBe(false);
    expect(readdirSync(dirname(folder), { recursive: true })).toEqual([]);
  });

  it.each(['a/../../x', 'a/./x', 'a//x', 'a/b\\..\\x', 'a/../store'])(
    'are refused by the name %s',
    async (key) => {
      put({ 'a/fine': '1', [key]: 'x' });
      await expect(download('s3://legacy/a')).rejects.toMatchObject({
        kind: 'source',
        message: `${JSON.stringify(`s3://legacy/${key}`)} is no name of a file`,
      });
      expect(log.some((what) => what.startsWith('GET a'))).toBe(false);
    },
  );

  it('that must not be opened are not fetched; an empty file says that they are there', async () => {
    put({ 'a/.env': 'PASSWORD=hidden', 'a/one': '1' });
    const folder = await download('s3://legacy/a', newFolder(), (name) => name !== '.env');
    expect(filesIn(folder)).toEqual({ '.env': '', one: '1' });
    expect(log).not.toContain('GET a/.env');
  });

  it.each([
    ['s3://legacy/none', /s3:\/\/legacy\/none\/ has no objects/, {}],
    ['s3://nowhere/a', /s3:\/\/nowhere\/a\/: NoSuchBucket: NoSuchBucket was said/, {}],
    ['s3://legacy/a', /s3:\/\/legacy\/a\/: AccessDenied: /, { AWS_ACCESS_KEY_ID: 'OTHER' }],
  ])('of %s that can not be had: %s', async (url, message, variables) => {
    for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
    const error = await download(url).catch((thrown) => thrown);
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDEXAMPLE');
    expect(error).toMatchObject({ kind: 'source', message: expect.stringMatching(message) });
    expect(error.fix).toEqual(expect.any(String));
    expect(error.message + error.fix).not.toMatch(/not-in-messages|AKID|OTHER/);
  });
});

describe('a store among the sources', () => {
  it('is brought once, and then located as any other', async () => {
    put({ 'data/trdinger/backend/trdinger.db': 'SQLite', 'data/trdinger/api_credentials.json': 'hidden' });
    const stores = new Map([['trdinger', newFolder()]]);
    const places = new Map([['trdinger', s3Place('s3://legacy/data/trdinger')]]);
    const sources = withDownloads({ folders: [], stores, objects: places });
    const [first] = await Promise.all([1, 2].map(() => locateStore('trdinger', trdinger.source, sources)));
    expect(first).toMatchObject({
      root: join(stores.get('trdinger')!, 'backend'),
      files: ['trdinger.db'],
      refused: new Map([['api_credentials.json', 'credentials by its name']]),
    });
    expect(log.filter((what) => !what.includes('list'))).toEqual(['GET data/trdinger/backend/trdinger.db']);
  });
});

describe('the command line', () => {
  it.each(['trdinger=s3://legacy/data/trdinger', 's3://legacy/data'])('takes --source %s', async (source) => {
    objects.set('data/trdinger/trdinger.db', readFileSync('test/legacy/trdinger/trdinger.db'));
    const home = newFolder();
    const told = vi.spyOn(console, 'log').mockImplementation(() => {});
    const args = ['inspect', '--system', 'trdinger', '--source', source, '--home', home];
    await makeProgram(new AbortController().signal).parseAsync(args, { from: 'user' });
    const text = told.mock.calls.join('\n');
    told.mockRestore();
    expect(text).toMatch(/trdinger: ok[\s\S]*snapshot [0-9a-f]{64}, 1 files/);
    expect(readdirSync(join(home, 's3'))).toEqual(['trdinger']);
  });
});

describe('an object', () => {
  const has = async (name: string, url = 's3://legacy/a') => {
    const client = await s3Client();
    try {
      return await hasObject(client, s3Place(url), name);
    } finally {
      client.destroy();
    }
  };

  it('is there by its whole key, not by the beginning of one', async () => {
    put({ 'a/one.json': '1', 'a/two.json.old': '2' });
    expect(await has('one.json')).toBe(true);
    expect(await has('two.json')).toBe(false);
    expect(await has('three.json')).toBe(false);
  });

  it('is not said to be missing where the store does not say so', async () => {
    await expect(has('one.json', 's3://another/a')).rejects.toThrow('NoSuchBucket was said');
  });
});

describe('the archive', () => {
  const contents = { 'trdinger.db': 'rows', 'more/日本.json': '[]' };
  function snapshot(): Snapshot {
    const folder = newFolder();
    const stored = Object.entries(contents).map(([path, content]) => {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), content);
      const sha256 = createHash('sha256').update(content).digest('hex');
      return { path, size: Buffer.byteLength(content), sha256 };
    });
    const files = FileList.of(stored);
    return { folder, files, manifest: { system: 'trdinger', digest: 'd1g3st', files } };
  }
  const at = 'old/trdinger/d1g3st';

  it('holds the files, and last of all the manifest; what is there is not sent again', async () => {
    const made = snapshot();
    const said = await archiveSnapshot(s3Place('s3://legacy/old'), made);
    expect(said).toBe(`snapshot archived: s3://legacy/${at}/`);
    expect(log).toEqual([
      'GET list',
      `PUT ${at}/files/trdinger.db`,
      `PUT ${at}/files/more/日本.json`,
      `PUT ${at}/manifest.json`,
    ]);
    expect(objects.get(`${at}/files/more/日本.json`)!.toString()).toBe('[]');
    expect(JSON.parse(objects.get(`${at}/manifest.json`)!.toString())).toEqual({
      ...made.manifest,
      files: [...made.files],
    });
    log.length = 0;
    expect(await archiveSnapshot(s3Place('s3://legacy/old'), made)).toMatch(/already/);
    expect(log).toEqual(['GET list']);
  });

  it('that broke off has no manifest, and is made again', async () => {
    const made = snapshot();
    before = (what) => {
      if (what.endsWith('日本.json')) throw new Error('the store went away');
    };
    await expect(archiveSnapshot(s3Place('s3://legacy/old'), made)).rejects.toMatchObject({
      kind: 'target',
      message: expect.stringContaining(`s3://legacy/${at}/files/more/日本.json: `),
    });
    expect([...objects.keys()]).toEqual([`${at}/files/trdinger.db`]);
    before = () => {};
    await archiveSnapshot(s3Place('s3://legacy/old'), made);
    expect(objects.has(`${at}/manifest.json`)).toBe(true);
  });

  it('takes no file that is not as the manifest says', async () => {
    const made = snapshot();
    writeFileSync(join(made.folder, 'trdinger.db'), 'rowz');
    await expect(archiveSnapshot(s3Place('s3://legacy/old'), made)).rejects.toMatchObject({
      kind: 'target',
      message: expect.stringContaining('BadDigest'),
    });
    expect([...objects.keys()]).toEqual([]);
  });
});
