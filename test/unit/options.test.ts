import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { afterAll, describe, expect, it } from 'vitest';
import {
  budgetsOf,
  type CommonOptions,
  lastStart,
  namedPlatform,
  paceOptionsOf,
  platformOf,
  processesOf,
  rememberStart,
  sourcesOf,
  withCommonOptions,
  withProcesses,
} from '../../jobs/options.ts';

// The options' defaults, not those of whoever runs the tests.
for (const name of Object.keys(process.env)) if (name.startsWith('CUTOVER_')) delete process.env[name];

const home = mkdtempSync(join(tmpdir(), 'cutover-options-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** Options as the command line gives them. */
function parse(...args: string[]): CommonOptions {
  const command = withCommonOptions(new Command())
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  command.parse(args, { from: 'user' });
  return command.opts();
}

const usage = (message: string | RegExp) =>
  expect.objectContaining({
    kind: 'usage',
    message: message instanceof RegExp ? expect.stringMatching(message) : message,
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

describe('--processes and --process', () => {
  const of = (args: string, index?: string) => {
    const command = withProcesses(withCommonOptions(new Command()))
      .exitOverride()
      .configureOutput({ writeErr: () => {} });
    command.parse(args === '' ? [] : args.split(' '), { from: 'user' });
    return processesOf(command.opts(), index === undefined ? {} : { JOB_COMPLETION_INDEX: index });
  };

  it('say which of several this is; without them it is alone, also in numbered pods of somebody else', () => {
    expect(of('')).toBeUndefined();
    expect(of('', '3')).toBeUndefined();
    expect(of('--process 0')).toBeUndefined();
    expect(of('--processes 3 --process 2')).toEqual({ own: 2, all: 3 });
    expect(of('--processes 3', '0')).toEqual({ own: 0, all: 3 });
    expect(of('--processes 3', '2')).toEqual({ own: 2, all: 3 });
    expect(of('--processes 3 --process 1', '2')).toEqual({ own: 1, all: 3 });
  });

  it.each([
    ['--processes 3', undefined, '--process is missing: which of the --processes this is'],
    ['--processes 3', '', '--process is missing: which of the --processes this is'],
    ['--processes 3', '3', 'JOB_COMPLETION_INDEX=3 is none of 3 processes'],
    ['--processes 3', 'x1', 'JOB_COMPLETION_INDEX=x1 is none of 3 processes'],
    ['--processes 3 --process 3', undefined, '--process 3 is none of 3 processes'],
    ['--process 1', undefined, '--process 1 is none of 1 processes'],
    ['--processes 2 --process 0 --dry-run', undefined, '--dry-run is for one process'],
  ])('%s with index %s is refused', (args, index, message) => {
    expect(thrown(() => of(args, index))).toEqual(usage(message));
  });

  it('share the rate', () => {
    const options = parse('--max-rows-per-second', '900', '--window', '01:00-05:00');
    const window = { from: 60, to: 300 };
    expect(paceOptionsOf(options, { own: 1, all: 3 })).toEqual({ maxRowsPerSecond: 300, window });
    expect(paceOptionsOf(options, undefined)).toEqual({ maxRowsPerSecond: 900, window });
    expect(paceOptionsOf(parse(), { own: 1, all: 3 })).toEqual({});
  });

  it.each(['--processes 0', '--processes x', '--process -1', '--process 1.5', '--process x'])(
    '%s is refused by the command line',
    (args) => {
      expect(() => of(args)).toThrow(/whole number/);
    },
  );
});

describe('--source in an object store', () => {
  const sources = (...values: string[]) =>
    sourcesOf(parse('--home', home, ...values.flatMap((value) => ['--source', value])));

  it('is one store, or a prefix with a prefix for each; they come into the home folder', () => {
    const one = sources('trdinger=s3://bucket/db/', '/local');
    expect(one.folders).toEqual(['/local']);
    expect(one.stores).toEqual(new Map([['trdinger', join(home, 's3', 'trdinger')]]));
    expect(one.objects).toEqual(new Map([['trdinger', { bucket: 'bucket', prefix: 'db/' }]]));
    const all = sources('s3://bucket', 'harca=/own');
    expect(all.stores.get('harca')).toBe('/own');
    expect(all.objects!.has('harca')).toBe(false);
    expect(all.objects!.get('instant-search')).toEqual({ bucket: 'bucket', prefix: 'instant-search/' });
    expect(all.stores.get('instant-search')).toBe(join(home, 's3', 'instant-search'));
  });

  it.each([
    [['s3://bucket', '/local'], /s3:\/\/bucket is one of several folders/],
    [['s3://bucket', 's3://other'], /s3:\/\/bucket is one of several folders/],
    [['trdinger=s3://b'], /s3:\/\/b is not s3:\/\/BUCKET\/PREFIX/],
    [['nope=s3://bucket'], /unknown system nope/],
    [['harca-db=s3://bucket'], /harca-db=… is not a URL of a PostgreSQL database/],
  ])('%s is refused', (values, message) => {
    expect(thrown(() => sources(...values))).toEqual(usage(message));
  });
});

describe('--source', () => {
  const sources = (...values: string[]) =>
    sourcesOf(parse(...values.flatMap((value) => ['--source', value])));

  it('is a folder, or one store by the name of its system; either may be repeated', () => {
    expect(sources('legacy', 'trdinger=a/trdinger.db', '/more', 'lightning-talk=b')).toEqual({
      folders: [resolve('legacy'), '/more'],
      stores: new Map([
        ['trdinger', resolve('a/trdinger.db')],
        ['lightning-talk', resolve('b')],
      ]),
      databases: new Map(),
    });
  });

  it('the path of a store may have an equals sign, and so may that of a folder', () => {
    expect(sources('trdinger=a=b.db').stores).toEqual(new Map([['trdinger', resolve('a=b.db')]]));
    expect(sources('./day=1', '/x/day=2').folders).toEqual([resolve('day=1'), '/x/day=2']);
  });

  it('may be the living database of a store', () => {
    const url = 'postgresql://reader:pw@h/d?sslmode=verify-full';
    expect(sources(`harca-db=${url}`)).toMatchObject({
      folders: [],
      databases: new Map([['harca-db', url]]),
    });
  });

  it.each([
    ['postgresql://app:hidden@h/d', /names no living database/],
    ['harca=postgresql://app:hidden@h/d', /names no living database/],
    ['harca-db=hidden', /harca-db=… is not a URL/],
    ['harca-db=postgresql://app:hidden@h/d?sslmode=no-verify', /switches the verification/],
  ])('%s is a mistake, told without the password', (value, says) => {
    const error = thrown(() => sources(value)) as Error & { fix: string };
    expect(error.message).toMatch(says);
    expect(`${error.message} ${error.fix}`).not.toContain('hidden');
  });

  it('of an unknown system is a mistake', () => {
    expect(thrown(() => sources('tradinger=a.db'))).toEqual(
      usage('--source tradinger=…: unknown system tradinger'),
    );
  });
});

describe('--quarantine-budget', () => {
  const budgets = (...values: string[]) =>
    budgetsOf(parse(...values.flatMap((value) => ['--quarantine-budget', value])));

  it('is nothing unless it is given, for each system or for one', () => {
    const systems = ['trdinger', 'lightning-talk'];
    expect(systems.map(budgets())).toEqual([0, 0]);
    expect(systems.map(budgets('3'))).toEqual([3, 3]);
    expect(systems.map(budgets('trdinger=8'))).toEqual([8, 0]);
    expect(systems.map(budgets('trdinger=8', '2'))).toEqual([8, 2]);
  });

  it.each(['-1', '1.5', 'many', '', 'trdinger=', 'tradinger=3', 'trdinger=-1', '1e3', ' 3'])(
    'is not %j',
    (value) => {
      expect(thrown(() => budgets(value))).toEqual(usage(`--quarantine-budget ${value} is not [SYSTEM=]N`));
    },
  );
});

describe('--batch-rows', () => {
  it('is a whole number above 0', () => {
    expect(parse().batchRows).toBe(10_000);
    expect(parse('--batch-rows', '7').batchRows).toBe(7);
    for (const value of ['0', '-1', '1.5', 'x', ''])
      expect(() => parse('--batch-rows', value)).toThrow(/whole number/);
  });
});

it('--system takes several names', () => {
  expect(parse('--system', 'a,b', '--system', 'c').system).toEqual(['a', 'b', 'c']);
});

describe('the servers', () => {
  const POSTGRES = 'postgresql://u:p@db.example.com/postgres';
  const TIMESCALE = 'postgresql://u:p@ts.example.com/postgres';

  it('one may stand for both kinds', () => {
    expect(namedPlatform(parse('--postgres', POSTGRES), false)).toMatchObject({
      postgres: POSTGRES,
      timescale: POSTGRES,
      redis: [],
    });
    expect(namedPlatform(parse('--timescale', TIMESCALE), false)).toMatchObject({
      postgres: TIMESCALE,
      timescale: TIMESCALE,
    });
    expect(namedPlatform(parse('--postgres', POSTGRES, '--timescale', TIMESCALE), false)).toMatchObject({
      postgres: POSTGRES,
      timescale: TIMESCALE,
    });
  });

  it('are none of those of the environment when none is named', () => {
    expect(namedPlatform(parse(), false)).toBeUndefined();
  });

  it('an empty one, as a variable can be, is none', () => {
    const empty = ['--replica', '', '--redis', '', '--redis-ca', ''];
    expect(namedPlatform(parse('--postgres', POSTGRES, '--timescale', '', ...empty), false)).toEqual({
      postgres: POSTGRES,
      timescale: POSTGRES,
      replica: undefined,
      redis: [],
      redisCa: undefined,
    });
    expect(namedPlatform(parse('--postgres', '', '--timescale', '', ...empty), true)).toBeUndefined();
  });

  it('with Redis nodes as a list', () => {
    const options = parse(
      '--postgres',
      POSTGRES,
      '--redis',
      'rediss://a:1,rediss://b:2',
      '--redis-ca',
      '/ca.pem',
    );
    expect(namedPlatform(options, true)).toMatchObject({
      redis: ['rediss://a:1', 'rediss://b:2'],
      redisCa: '/ca.pem',
    });
  });

  it('are all of them or none', () => {
    expect(thrown(() => namedPlatform(parse('--postgres', POSTGRES), true))).toEqual(
      usage('--redis is missing'),
    );
    expect(thrown(() => namedPlatform(parse('--redis', 'rediss://a:1'), true))).toEqual(
      usage('--postgres is missing'),
    );
  });

  it.each(['--postgres', '--timescale', '--replica'])(
    '%s must be a URL, and a mistake does not show its password',
    (option) => {
      const other = option === '--postgres' ? [] : ['--postgres', POSTGRES];
      for (const value of ['db.example.com:hunter2', 'mysql://u:hunter2@db', 'host=db password=hunter2']) {
        const error = thrown(() => namedPlatform(parse(...other, option, value), false));
        expect(error).toEqual(usage(`${option} is not a URL of a PostgreSQL server`));
        expect(JSON.stringify(error)).not.toContain('hunter2');
      }
    },
  );

  it('that run in the home folder are used when none is named', async () => {
    await expect(platformOf(parse('--home', home))).rejects.toMatchObject({ kind: 'prerequisite' });
    const platform = { postgres: POSTGRES, timescale: TIMESCALE, redis: [] };
    writeFileSync(join(home, 'state.json'), JSON.stringify({ platform, somethingElse: 1 }));
    expect(await platformOf(parse('--home', home))).toEqual(platform);
    expect((await platformOf(parse('--home', home, '--postgres', TIMESCALE))).postgres).toBe(TIMESCALE);
  });
});

describe('the last start', () => {
  it('of a new home is none', async () => {
    expect(await lastStart(join(home, 'new'))).toBeUndefined();
  });

  it('is remembered so that the same options mean the same from any folder', async () => {
    const folder = join(home, 'remembered');
    const options = parse(
      ...['legacy', 'trdinger=a/trdinger.db', '/data/day=1/legacy', './day=2'].flatMap((value) => [
        '--source',
        value,
      ]),
      '--quarantine-budget',
      'trdinger=8',
    );
    await rememberStart(folder, options);
    const found = (await lastStart(folder))!;
    expect(found.quarantineBudget).toEqual(['trdinger=8']);
    expect(found.source).toEqual([
      resolve('legacy'),
      `trdinger=${resolve('a/trdinger.db')}`,
      '/data/day=1/legacy',
      resolve('day=2'),
    ]);
    expect(sourcesOf({ ...options, source: found.source })).toEqual(sourcesOf(options));
  });
});

describe('--platform', () => {
  it('is a folder, and no other servers beside it', () => {
    expect(namedPlatform(parse('--platform', home), true)).toMatchObject({ folder: home });
    const both = parse('--platform', home, '--timescale', 'postgresql://u:p@h/postgres');
    expect(thrown(() => namedPlatform(both, false))).toEqual(
      usage('servers are named by --platform and by URLs'),
    );
  });
});
