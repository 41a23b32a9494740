import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { closure, library, networkSettings, parseDepends, unpacked } from '../../stacks/embedded/packages.ts';

let cache: string;

beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'cutover-packages-'));
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(cache, { recursive: true, force: true });
});

const depends = `postgresql-17
 |Depends: locales
  Depends: locales-all
  Depends: tzdata
  Depends: libpq5
  Depends: libllvm19
  Depends: <debconf-2.0>
    cdebconf
    debconf
redis-server
  PreDepends: init-system-helpers
  Depends: redis-tools
redis-tools
  Depends: libssl3t64
libpq5
  Depends: libc6
  Depends: zlib1g
libssl3t64
  Depends: libc6
  Depends: openssl-provider-legacy
<debconf-2.0>
tzdata
  Depends: debconf
locales
  Depends: libc-l10n
`;

test('dependencies are read with their alternatives, virtual packages and their providers left out', () => {
  const graph = parseDepends(depends);
  expect(graph.get('postgresql-17')).toEqual(['locales', 'locales-all', 'tzdata', 'libpq5', 'libllvm19']);
  expect(graph.get('redis-server')).toEqual(['init-system-helpers', 'redis-tools']);
  expect([...graph.keys()]).not.toContain('<debconf-2.0>');
});

test('what is fetched: the wanted packages and the libraries they reach, without LLVM, perl and the base system', () => {
  const found = closure(parseDepends(depends), ['postgresql-17', 'redis-server', 'redis-tools'], library);
  expect(found.toSorted()).toEqual(
    ['libc6', 'libpq5', 'libssl3t64', 'postgresql-17', 'redis-server', 'redis-tools', 'zlib1g'].toSorted(),
  );
  for (const name of ['libperl5.40', 'libjson-perl', 'libz3-4', 'libdebconfclient0'])
    expect(name).not.toMatch(library);
});

test('of the settings of apt only those of the network are taken over', () => {
  const dump = [
    'APT::Update::Post-Invoke:: "rm -f /var/cache/apt/archives/*.deb";',
    'DPkg::Post-Invoke:: "true";',
    'Dir::State "var/lib/apt";',
    'Acquire::http::Proxy "http://proxy.example:3128";',
    'Acquire::https::CAInfo "/etc/ssl/corporate.pem";',
    'Acquire::Check-Valid-Until "false";',
    'Acquire::Languages:: "de";',
    'Acquire::IndexTargets::deb::DEP-11 "";',
  ].join('\n');
  expect(networkSettings(dump)).toEqual([
    'Acquire::http::Proxy "http://proxy.example:3128";',
    'Acquire::https::CAInfo "/etc/ssl/corporate.pem";',
    'Acquire::Check-Valid-Until "false";',
  ]);
});

test('a machine without apt is told its choices', async () => {
  vi.stubEnv('PATH', cache);
  await expect(unpacked(cache, {})).rejects.toMatchObject({
    kind: 'prerequisite',
    message: expect.stringContaining('apt-get'),
    fix: expect.stringMatching(/Debian.*--postgres URL --timescale URL --redis URL.*docker compose up/),
  });
});

async function tree(name: string, manifest: object): Promise<string> {
  const root = join(cache, name);
  await mkdir(join(root, 'usr/lib/x86_64-linux-gnu'), { recursive: true });
  await writeFile(
    join(root, 'manifest.json'),
    JSON.stringify({ recipe: 1, root, packages: [], ...manifest }),
  );
  return root;
}

test('a finished tree is used as it is, with no program of the machine', async () => {
  const root = await tree(`trixie-${process.arch}-0123456789ab`, {});
  vi.stubEnv('PATH', cache);
  const { postgres, env } = await unpacked(cache, {});
  expect(postgres).toBe(join(root, 'usr/lib/postgresql/17/bin'));
  expect(env.LOCPATH).toBe(join(root, 'usr/lib/locale'));
});

test.each([
  ['half-made', 'making-abcdef', {}],
  ['moved', `trixie-${process.arch}-0123456789ab`, { root: '/elsewhere' }],
  ['made in an older way', `trixie-${process.arch}-0123456789ab`, { recipe: 0 }],
  ['for another processor', 'trixie-pdp11-0123456789ab', {}],
])('a tree that is %s is not used', async (_, name, manifest) => {
  await tree(name, manifest);
  vi.stubEnv('PATH', cache);
  await expect(unpacked(cache, {})).rejects.toMatchObject({ kind: 'prerequisite' });
  expect(await readdir(cache)).not.toContain('lock');
});
