import { describe, expect, it } from 'vitest';
import { afterLoad, sqlFile, stagesOf } from '../../jobs/sql.ts';

describe('what runs after the load', () => {
  const ofEdition = async (edition: string) => {
    const statements = await afterLoad('trdinger', edition);
    return {
      files: [...new Set(statements.map(({ file }) => file))],
      text: statements.map(({ statement }) => statement),
    };
  };
  const TIMESCALE_ONLY = /compress|continuous|_policy/;

  it('on the Apache edition: indexes and materialized views, nothing that it answers with 0A000', async () => {
    const { files, text } = await ofEdition('apache');
    expect(files).toEqual(['1-indexes.sql', '3-aggregates.apache.sql']);
    expect(text.filter((statement) => TIMESCALE_ONLY.test(statement))).toEqual([]);
    expect(text.filter((statement) => /^\s*refresh materialized view/.test(statement))).toHaveLength(3);
  });

  it('on the Timescale edition: indexes, compression, continuous aggregates', async () => {
    const { files, text } = await ofEdition('timescale');
    expect(files).toEqual(['1-indexes.sql', '2-compress.timescale.sql', '3-aggregates.timescale.sql']);
    expect(text.filter((statement) => /^\s*refresh materialized view/.test(statement))).toEqual([]);
    expect(text.filter((statement) => /compress_chunk/.test(statement))).toHaveLength(3);
  });

  it('without TimescaleDB: what is for every server', async () => {
    expect((await ofEdition('none')).files).toEqual(['1-indexes.sql']);
  });

  it('comes one statement at a time, because a continuous aggregate can’t be refreshed within a transaction', async () => {
    for (const system of ['trdinger', 'lightning-talk']) {
      for (const edition of ['apache', 'timescale', 'none']) {
        for (const { statement } of await afterLoad(system, edition)) {
          expect(statement.trim()).not.toContain(';');
          expect(statement.trim()).toMatch(/^(create index if not exists|select|call|refresh) /);
        }
      }
    }
  });

  it('in the order of the files’ numbers, each statement once', async () => {
    const statements = await afterLoad('trdinger', 'timescale');
    const files = statements.map(({ file }) => file);
    expect(files).toEqual([...files].sort());
    expect(new Set(statements.map(({ statement }) => statement.trim())).size).toBe(statements.length);
  });
});

describe('stages of what runs after the load', () => {
  const stages = async (system: string, edition: string) =>
    stagesOf(await afterLoad(system, edition)).map((stage) => stage.map(({ statement }) => statement.trim()));

  it('are the indexes of a file side by side, and all else alone and in its place', async () => {
    const found = await stages('trdinger', 'timescale');
    expect(found.flat()).toEqual(
      (await afterLoad('trdinger', 'timescale')).map(({ statement }) => statement.trim()),
    );
    expect(found[0]!.length).toBeGreaterThan(20);
    for (const statement of found[0]!) expect(statement).toMatch(/^create index/);
    for (const stage of found.slice(1)) expect(stage).toHaveLength(1);
  });

  it('don’t reach over the end of a file', async () => {
    const found = await stages('instant-search', 'none');
    expect(found).toHaveLength(2);
    for (const statement of found[1]!) expect(statement).toContain('using gin');
  });

  it('have the longest build of the search first, so that none is left to run alone', async () => {
    const [, search] = await stages('instant-search', 'none');
    expect(search![0]).toContain('gin_trgm_ops');
  });

  it('take a statement between two builds for a border', () => {
    const of = (...statements: string[]) => statements.map((statement) => ({ file: '1.sql', statement }));
    const [a, b, analyze, c, d, e] = of(
      ...[
        'create index a on t (x)',
        '\ncreate unique index b on t (y)',
        'analyze t',
        'create index c on t (z)',
      ],
      ...['create index concurrently d on t (w)', 'create index e on t (v)'],
    );
    expect(stagesOf([a!, b!, analyze!, c!, d!, e!])).toEqual([[a, b], [analyze], [c], [d], [e]]);
    expect(stagesOf([a!, { ...b!, file: '2.sql' }])).toHaveLength(2);
    expect(stagesOf([])).toEqual([]);
  });
});

describe('names in a file', () => {
  it('take the place of their marks', async () => {
    const text = await sqlFile('roles/3-ledger.sql', { prefix: 'lt' });
    expect(text).toContain('to lt_verifier;');
    expect(text).not.toContain('{{');
  });

  it.each(['', 'a b', 'A', '1a', `x"; drop table y; --`, "x'", 'ü'])(
    'are identifiers that need no quotes: not %j',
    async (prefix) => {
      await expect(sqlFile('roles/3-ledger.sql', { prefix })).rejects.toThrow(
        'roles/3-ledger.sql: no identifier for {{prefix}}',
      );
    },
  );

  it('are not forgotten', async () => {
    await expect(sqlFile('roles/3-ledger.sql')).rejects.toThrow('no identifier for {{prefix}}');
  });
});
