import { describe, expect, it } from 'vitest';
import { afterLoad, sqlFile } from '../../jobs/sql.ts';

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
