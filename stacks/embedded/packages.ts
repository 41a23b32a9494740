import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { which } from 'zx';
import { CutoverError } from '../../jobs/errors.ts';
import { type Binaries, postgresVersion } from './binaries.ts';
import { withLock } from './lock.ts';
import { run, withoutLogins } from './run.ts';
import { type AptSource, debianMirrors, parseDeb822, parseOneLine } from './sources.ts';

/** Debian 13: the one release that has PostgreSQL 17 with pgvector and TimescaleDB, whatever Debian we run on. */
const suite = 'trixie';

const wanted = [
  `postgresql-${postgresVersion}`,
  `postgresql-client-${postgresVersion}`,
  `postgresql-${postgresVersion}-pgvector`,
  `postgresql-${postgresVersion}-timescaledb`,
  'redis-server',
  'redis-tools',
  'patchelf',
  // The locale C.UTF-8, without which pg_trgm sees no Japanese.
  'libc-bin',
];

/** Dependencies that are libraries; LLVM is for a JIT that we leave off, the rest is for maintainer scripts. */
export const library = /^(lib(?!llvm|z3|perl|debconf|.*-perl$)|zlib1g$)/;

/** Raised whenever the way a tree is made changes, so that no older one is taken for a new one. */
const recipe = 1;

/** Where servers may come from: the fix for a machine that can have none of ours. */
export const choices =
  'Run on Debian 12 or newer with network access (on Ubuntu: with a mirror of Debian in the apt sources and ' +
  'debian-archive-keyring installed), or give servers of your own: --postgres URL --timescale URL --redis URL, ' +
  'or start some with: docker compose up (compose.yaml).';

interface Options {
  readonly log?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Debian's servers, unpacked in `cache` and tied to their own libraries. Needs no root and leaves the machine's apt and
 * dpkg as they are. A finished tree is used as it is, without the network; delete it to get newer packages.
 * @throws CutoverError prerequisite when the machine cannot get them
 */
export async function unpacked(cache: string, { log, signal }: Options): Promise<Binaries> {
  await mkdir(cache, { recursive: true });
  const root =
    (await finishedTree(cache)) ??
    (await withLock(
      join(cache, 'lock'),
      { log, signal },
      async () => (await finishedTree(cache)) ?? (await makeTree(cache, { log, signal })),
    ));
  const libraries = await libraryFolder(root);
  return {
    origin: root,
    postgres: join(root, 'usr/lib/postgresql', String(postgresVersion), 'bin'),
    redisServer: join(root, 'usr/bin/redis-server'),
    redisCli: join(root, 'usr/bin/redis-cli'),
    // The machine's own locales and OpenSSL settings were made for other versions of the libraries.
    env: {
      LOCPATH: join(root, 'usr/lib/locale'),
      OPENSSL_CONF: '/dev/null',
      GCONV_PATH: join(libraries, 'gconv'),
    },
  };
}

/** A tree carries the absolute path it was made for: interpreter and rpath name it, so a moved one does not run. */
interface Manifest {
  readonly recipe: number;
  readonly root: string;
  readonly packages: readonly string[];
}

async function finishedTree(cache: string): Promise<string | undefined> {
  for (const name of (await readdir(cache)).filter((entry) => entry.startsWith(`${suite}-`))) {
    const root = join(cache, name);
    const text = await readFile(join(root, 'manifest.json'), 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    const manifest: Manifest = JSON.parse(text);
    if (manifest.recipe === recipe && manifest.root === root && name.includes(`-${process.arch}-`))
      return root;
  }
  return undefined;
}

async function makeTree(cache: string, { log, signal }: Options): Promise<string> {
  await requireApt();
  // What a killed process left.
  for (const name of await readdir(cache)) {
    if (name.startsWith('making-')) await rm(join(cache, name), { recursive: true, force: true });
  }
  const work = await mkdtemp(join(cache, 'making-'));
  try {
    await chmod(work, 0o755);
    const debs = await download(work, { log, signal });
    const packages = debs.map((file) => file.replace(/\.deb$/, '')).sort();
    const digest = createHash('sha256')
      .update(JSON.stringify([recipe, packages]))
      .digest('hex')
      .slice(0, 12);
    const root = join(cache, `${suite}-${process.arch}-${digest}`);
    log?.(`unpacking ${debs.length} packages`);
    const tree = join(work, 'tree');
    await mkdir(tree);
    await chmod(tree, 0o755);
    await inParallel(debs, availableParallelism(), (deb) =>
      run(['dpkg-deb', '-x', join(work, 'debs', deb), tree], { cwd: work, signal }),
    );
    await tie(tree, root, signal);
    const manifest: Manifest = { recipe, root, packages };
    await writeFile(join(tree, 'manifest.json'), JSON.stringify(manifest, null, 2));
    await rm(root, { recursive: true, force: true });
    await rename(tree, root);
    return root;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Downloads into `work/debs`; answers the file names. apt checks every file against Debian's signature. */
async function download(work: string, { log, signal }: Options): Promise<string[]> {
  const mirrors = debianMirrors(await machineSources());
  if (mirrors.length === 0) throw unavailable('this machine has no mirror of Debian in its apt sources');
  const keyring = await debianKeyring();
  const failures: string[] = [];
  for (const mirror of mirrors) {
    try {
      log?.(`reading the package index of Debian ${suite} from ${withoutLogins(mirror)}`);
      const apt = await privateApt(work, mirror, keyring, signal);
      await apt(['apt-get', 'update', '--error-on=any', '-q']);
      const depends = await apt([
        'apt-cache',
        'depends',
        '--recurse',
        ...['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map(
          (kind) => `--no-${kind}`,
        ),
        ...wanted,
      ]);
      const packages = closure(parseDepends(depends), wanted, library);
      log?.(`downloading ${packages.length} packages`);
      await apt(['apt-get', 'download', '-q', ...packages]);
      return await readdir(join(work, 'debs'));
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof CutoverError)) throw error;
      failures.push(`${withoutLogins(mirror)}: ${error.message}`);
    }
  }
  throw unavailable(`no mirror of Debian gives ${suite}:\n${failures.join('\n')}`);
}

/** apt with state, cache, sources and dpkg status of its own; only network settings and logins are the machine's. */
async function privateApt(work: string, mirror: string, keyring: string, signal: AbortSignal | undefined) {
  const folder = join(work, 'apt');
  await rm(folder, { recursive: true, force: true });
  for (const name of ['state/lists/partial', 'cache/archives/partial', 'none']) {
    await mkdir(join(folder, name), { recursive: true });
  }
  await mkdir(join(work, 'debs'), { recursive: true });
  await writeFile(join(folder, 'status'), '');
  await writeFile(
    join(folder, 'debian.sources'),
    [
      'Types: deb',
      `URIs: ${mirror}`,
      `Suites: ${suite}`,
      'Components: main',
      `Signed-By: ${keyring}`,
      '',
    ].join('\n'),
    { mode: 0o600 },
  );
  const machine = await run(['apt-config', 'dump'], { cwd: '/', signal });
  const architecture = await run(['dpkg', '--print-architecture'], { cwd: '/', signal });
  const settings: Record<string, string> = {
    'Dir::State': join(folder, 'state'),
    'Dir::State::status': join(folder, 'status'),
    'Dir::Cache': join(folder, 'cache'),
    'Dir::Etc::sourcelist': join(folder, 'debian.sources'),
    'Dir::Etc::sourceparts': join(folder, 'none'),
    // The machine's settings may hold hooks, which would run for our update too.
    'Dir::Etc::main': '/dev/null',
    'Dir::Etc::parts': join(folder, 'none'),
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::preferencesparts': join(folder, 'none'),
    'APT::Architecture': architecture.stdout.trim(),
    'APT::Architectures': architecture.stdout.trim(),
    'Acquire::Languages': 'none',
    'Acquire::Retries': '3',
  };
  const conf = join(folder, 'apt.conf');
  await writeFile(
    conf,
    [
      ...networkSettings(machine.stdout),
      ...Object.entries(settings).map(([key, value]) => `${key} "${value}";`),
    ]
      .map((line) => `${line}\n`)
      .join(''),
    { mode: 0o600 },
  );
  return async (command: string[]): Promise<string> =>
    (await run(command, { cwd: join(work, 'debs'), env: { APT_CONFIG: conf }, signal })).stdout;
}

/** Proxies, certificates, time-outs and the like out of `apt-config dump`; not its index targets or languages. */
export function networkSettings(dump: string): string[] {
  return dump
    .split('\n')
    .filter(
      (line) =>
        /^Acquire::/.test(line) && !/^Acquire::(IndexTargets|Changelogs|Languages|cdrom)\b/.test(line),
    );
}

/** `apt-cache depends`: a name at the margin, then its (Pre-)Depends; virtual packages (`<name>`) are left out. */
export function parseDepends(text: string): Map<string, string[]> {
  const graph = new Map<string, string[]>();
  let depends: string[] = [];
  for (const line of text.split('\n')) {
    if (/^\S/.test(line) && !line.startsWith('<')) {
      depends = [];
      graph.set(line.trim(), depends);
    }
    const name = /^ [ |](?:Pre)?Depends: ([^<\s]+)$/.exec(line)?.[1];
    if (name) depends.push(name);
  }
  return graph;
}

/** The roots and whatever of `follow` can be reached from them through packages of `follow`. */
export function closure(
  graph: ReadonlyMap<string, readonly string[]>,
  roots: readonly string[],
  follow: RegExp,
): string[] {
  const found = new Set(roots);
  // A Set also visits what is added during the visit.
  for (const name of found) {
    for (const next of graph.get(name) ?? []) if (follow.test(next)) found.add(next);
  }
  return [...found];
}

/** Makes the programs load the tree's libraries, its libc too, from where the tree will stand. */
async function tie(tree: string, root: string, signal: AbortSignal | undefined): Promise<void> {
  const here = await libraryFolder(tree);
  const there = here.replace(tree, root);
  const loader = (await readdir(here)).find((name) => /^ld-linux.*\.so\.\d+$/.test(name));
  const folders = [join(tree, 'usr/lib/postgresql', String(postgresVersion), 'bin'), join(tree, 'usr/bin')];
  const programs: string[] = [];
  for (const folder of folders) {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const ours = folder !== folders[1] || entry.name.startsWith('redis-');
      if (ours && entry.isFile() && (await isElf(join(folder, entry.name))))
        programs.push(join(folder, entry.name));
    }
  }
  if (!loader) throw unavailable(`Debian's libc6 has no program loader in ${here}`);
  // DT_RPATH, which `--force-rpath` asks for, is searched for what libraries and plug-ins load as well, RUNPATH is not.
  await run(
    [
      ...[join(here, loader), '--library-path', here, join(tree, 'usr/bin/patchelf')],
      ...['--set-interpreter', join(there, loader), '--force-rpath', '--set-rpath', there],
      ...programs,
    ],
    { cwd: tree, signal },
  );
}

/** `usr/lib/x86_64-linux-gnu` and the like. */
async function libraryFolder(tree: string): Promise<string> {
  const folder = (await readdir(join(tree, 'usr/lib'))).find((name) => name.includes('-linux-gnu'));
  if (!folder) throw unavailable(`the packages in ${tree} hold no libraries`);
  return join(tree, 'usr/lib', folder);
}

async function isElf(file: string): Promise<boolean> {
  const head = (await readFile(file)).subarray(0, 4);
  return head.equals(Buffer.from('\x7fELF', 'latin1'));
}

async function machineSources(): Promise<AptSource[]> {
  const sources: AptSource[] = [];
  const parts = await readdir('/etc/apt/sources.list.d').catch(() => []);
  for (const file of [
    '/etc/apt/sources.list',
    ...parts.map((name) => resolve('/etc/apt/sources.list.d', name)),
  ]) {
    const parse = file.endsWith('.list') ? parseOneLine : file.endsWith('.sources') ? parseDeb822 : undefined;
    if (parse) sources.push(...parse(await readFile(file, 'utf8').catch(() => '')));
  }
  return sources;
}

async function debianKeyring(): Promise<string> {
  for (const name of ['debian-archive-keyring.gpg', 'debian-archive-keyring.pgp']) {
    const file = `/usr/share/keyrings/${name}`;
    if (await stat(file).catch(() => undefined)) return file;
  }
  throw unavailable('this machine has no keyring of Debian (package debian-archive-keyring)');
}

async function requireApt(): Promise<void> {
  for (const program of ['apt-get', 'apt-config', 'apt-cache', 'dpkg', 'dpkg-deb']) {
    if (!(await which(program, { nothrow: true }))) throw unavailable(`this machine has no ${program}`);
  }
}

function unavailable(reason: string): CutoverError {
  return new CutoverError(
    'prerequisite',
    `no PostgreSQL ${postgresVersion} with TimescaleDB and pgvector and no Redis 7 on PATH, and they cannot be fetched: ${reason}`,
    choices,
  );
}

async function inParallel<T>(
  items: readonly T[],
  workers: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const rest = [...items];
  const worker = async () => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: workers }, worker));
}
