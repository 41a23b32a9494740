import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { administered } from '../../jobs/database.ts';
import { readPlatformFolder } from '../../jobs/platform-folder.ts';
import { Secrets } from '../../jobs/secrets.ts';
import { SYSTEMS } from '../../jobs/systems/index.ts';

const base = mkdtempSync(join(tmpdir(), 'cutover-platform-'));
const folder = join(base, 'platform');
afterAll(() => rmSync(base, { recursive: true, force: true }));

function write(files: Record<string, string>): void {
  for (const [name, content] of Object.entries(files)) {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
}

beforeEach(() => {
  rmSync(folder, { recursive: true, force: true });
  write({
    'postgres/host': 'pg.example.com\n',
    'postgres/port': '5432\r\n',
    'postgres/ca.crt': 'PEM',
    'postgres/username': 'admin',
    'postgres/password': "p'a:ss@wo/rd%\n",
    'timescale/host': '10.0.0.7',
    'timescale/port': '5433',
    'timescale/sslmode': 'disable',
  });
});

const usage = (message: RegExp) =>
  expect.objectContaining({
    kind: 'usage',
    message: expect.stringMatching(message),
    fix: expect.any(String),
  });

const thrown = (act: () => unknown): unknown => {
  try {
    act();
  } catch (error) {
    return error;
  }
  return expect.fail('nothing was thrown');
};

describe('a folder of servers', () => {
  it('makes URLs whose password and certificate the client reads as they are in the files', () => {
    const { postgres, timescale, replica, redis } = readPlatformFolder(folder);
    const url = new URL(postgres);
    expect([url.host, url.searchParams.get('sslmode'), url.searchParams.get('sslrootcert')]).toEqual([
      'pg.example.com:5432',
      'verify-full',
      join(folder, 'postgres/ca.crt'),
    ]);
    const client = new pg.Client({ connectionString: postgres.replace(/\?.*/, '') });
    expect([client.user, client.password, client.database]).toEqual(['admin', "p'a:ss@wo/rd%", 'postgres']);
    expect(timescale).toBe('postgresql://10.0.0.7:5433/postgres?sslmode=disable');
    expect([replica, redis]).toEqual([undefined, []]);
  });

  it('is read anew at each access', () => {
    const platform = readPlatformFolder(folder);
    expect(new URL(platform.postgres).password).not.toBe('rotated');
    write({ 'postgres/password': 'rotated', 'replica/host': 'r', 'replica/port': '1', 'replica/ca.crt': '' });
    expect(new URL(platform.postgres).password).toBe('rotated');
    expect(new URL(platform.replica!).host).toBe('r:1');
  });

  it('may name a bundle of the image, and an address of IPv6', () => {
    const bundle = join(base, 'bundle.pem');
    writeFileSync(bundle, 'PEM');
    write({ 'postgres/ca-path': `${bundle}\n`, 'postgres/host': 'fd00::7' });
    const url = new URL(readPlatformFolder(folder).postgres);
    expect([url.host, url.searchParams.get('sslrootcert')]).toEqual(['[fd00::7]:5432', bundle]);
  });

  it('may have Redis, with TLS or without', () => {
    write({ 'redis/host': 'r', 'redis/port': '6379', 'redis/tls': 'true', 'redis/password': 'a/b' });
    const platform = readPlatformFolder(folder);
    expect(platform.redis).toEqual(['rediss://default:a%2Fb@r:6379']);
    expect(platform.redisCa).toBeUndefined();
    write({ 'redis/tls': 'false', 'redis/ca.crt': 'PEM' });
    expect(platform.redis).toEqual(['redis://default:a%2Fb@r:6379']);
    expect(platform.redisCa).toBe(join(folder, 'redis/ca.crt'));
  });

  it.each([
    [{ 'postgres/host': '' }, /postgres\/host is missing or empty/],
    [{ 'postgres/host': 'a/b@c' }, /postgres\/host is a\/b@c/],
    [{ 'postgres/host': 'db:5432' }, /postgres\/host is db:5432/],
    [{ 'postgres/port': '0x50' }, /postgres\/port is 0x50/],
    [{ 'postgres/port': '65536' }, /postgres\/port is 65536/],
    [{ 'postgres/sslmode': 'prefer' }, /postgres\/sslmode is prefer/],
    [{ 'postgres/sslmode': 'no-verify' }, /postgres\/sslmode is no-verify/],
    [{ 'postgres/password': '\n' }, /postgres\/password is missing or empty/],
    [{ 'postgres/ca-path': '/nonexistent/bundle' }, /postgres\/ca-path names \/nonexistent\/bundle/],
    [{ 'postgres/ca-path': 'bundle.pem' }, /postgres\/ca-path names bundle\.pem/],
  ])('that is wrong names the file: %o', (files, message) => {
    write(files);
    expect(thrown(() => readPlatformFolder(folder).postgres)).toEqual(usage(message));
  });

  it('without a certificate proves nothing, so it is refused', () => {
    rmSync(join(folder, 'postgres/ca.crt'));
    expect(thrown(() => readPlatformFolder(folder).postgres)).toEqual(usage(/postgres\/ca\.crt is missing/));
    expect(thrown(() => readPlatformFolder(join(base, 'nowhere')))).toEqual(usage(/nowhere does not exist/));
  });

  it('without the login of an administrator has none for what needs it', () => {
    const platform = readPlatformFolder(folder);
    const on = (server: string) => SYSTEMS.find((system) => system.server === server)!;
    expect(administered(platform, on('postgres'))).toBe(platform.postgres);
    expect(thrown(() => administered(platform, on('timescale')))).toEqual(
      usage(/timescale has no login of an administrator/),
    );
  });
});

describe('a login in Secrets Manager', () => {
  const arn = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!db-1';
  let secret = '';
  const seen: unknown[] = [];
  const server = createServer(async (request, response) => {
    const body: Buffer[] = [];
    for await (const chunk of request) body.push(chunk as Buffer);
    seen.push([request.headers['x-amz-target'], JSON.parse(Buffer.concat(body).toString())]);
    response.setHeader('content-type', 'application/x-amz-json-1.1');
    response.statusCode = secret ? 200 : 400;
    response.end(
      JSON.stringify(
        secret
          ? { ARN: arn, SecretString: secret }
          : { __type: 'ResourceNotFoundException', message: 'none' },
      ),
    );
  });

  beforeEach(async () => {
    if (!server.listening) await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    vi.stubEnv(
      'AWS_ENDPOINT_URL_SECRETS_MANAGER',
      `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    );
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDEXAMPLE');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'not-in-messages');
    rmSync(join(folder, 'postgres/username'));
    write({ 'postgres/secret-arn': `${arn}\n` });
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    server.close();
  });

  it('is fetched whenever a step begins', async () => {
    const platform = readPlatformFolder(folder);
    for (const password of ['first', 'rotat/ed']) {
      secret = JSON.stringify({ username: 'master', password, engine: 'postgres' });
      await platform.refresh!();
      const { username, password: found } = new URL(platform.postgres);
      expect([username, decodeURIComponent(found)]).toEqual(['master', password]);
    }
    expect(seen).toEqual(Array(2).fill(['secretsmanager.GetSecretValue', { SecretId: arn }]));
  });

  it('that can not be had says which secret, and nothing of its value', async () => {
    secret = '';
    const refresh = () => readPlatformFolder(folder).refresh!();
    await expect(refresh()).rejects.toMatchObject({
      kind: 'target',
      message: expect.stringContaining(`secret ${arn}: ResourceNotFoundException`),
    });
    secret = '{"username": "master", "passwort": "hidden"}';
    await expect(refresh()).rejects.toMatchObject({
      kind: 'target',
      message: `secret ${arn} is no JSON with username and password`,
    });
  });
});

describe('passwords of roles', () => {
  it('are files, read whenever they are asked for; a missing one is an error, not a new password', async () => {
    write({ 'roles/a_owner': 'one\n' });
    const secrets = await Secrets.open(join(base, 'home'), folder);
    expect(secrets.password('a_owner')).toBe('one');
    write({ 'roles/a_owner': 'two' });
    expect(secrets.password('a_owner')).toBe('two');
    expect(thrown(() => secrets.password('a_admin'))).toEqual(usage(/roles\/a_admin is missing or empty/));
  });

  it('are those of the home folder where none are mounted', async () => {
    const secrets = await Secrets.open(join(base, 'home'), folder);
    expect(secrets.password('a_owner')).toBe((await Secrets.open(join(base, 'home'))).password('a_owner'));
  });
});
