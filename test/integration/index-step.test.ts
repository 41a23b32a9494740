import { beforeAll, describe, expect, inject, it } from 'vitest';
import { asAdmin, dropSystems, run, scratch, until, whileHolding } from './harness.ts';

const NAME = 'instant-search';
const DATABASE = 'instant_search';
const RESULTS = ['idx_typing_logs_created_at', 'idx_typing_logs_question_id', 'idx_typing_logs_user_id'];
const SEARCH = ['idx_questions_search_vector', 'idx_questions_search_words', 'idx_questions_trigram'];

describe('the index step', () => {
  const platform = inject('platform');
  let home: string;
  const query = (sql: string) =>
    asAdmin(platform, DATABASE, async (client) => (await client.query(sql)).rows);
  const step = (indexConnections?: number, signal?: AbortSignal) =>
    run(platform, home, {
      system: NAME,
      steps: ['index'],
      ...(indexConnections && { indexConnections }),
      ...(signal && { signal }),
    });

  /** Which of these indexes there are. */
  const built = async (names: readonly string[]) =>
    (await query(`select relname from pg_class where relname = any ('{${names}}') order by 1`)).map(
      ({ relname }) => relname,
    );

  /** How many statements of the step wait for a lock. */
  const waiting = async (n: number) =>
    until(`${n} builds that wait`, async () => {
      const rows = await query(
        `select from pg_stat_activity where wait_event_type = 'Lock' and query ~ '^\\s*create index' and datname = '${DATABASE}'`,
      );
      return rows.length === n;
    });

  beforeAll(async () => {
    await dropSystems(platform);
    home = await scratch();
    expect(await run(platform, home, { system: NAME, budget: 100 })).toMatchObject({ ok: true });
  });

  it.each([1, 2, 3])('builds %i indexes of one table side by side', async (connections) => {
    await query(`drop index ${RESULTS}`);
    await whileHolding(platform, DATABASE, ['lock typing_logs in row exclusive mode'], async (release) => {
      const done = step(connections);
      await waiting(connections);
      // No more of them come.
      await new Promise((resolve) => setTimeout(resolve, 200));
      await waiting(connections);
      await release();
      expect(await done).toMatchObject({ ok: true });
    });
    expect(await built(RESULTS)).toEqual(RESULTS);
  });

  it('says which statement failed, ends what runs, and may be repeated', async () => {
    await query(`drop index ${SEARCH}`);
    await query('alter table questions rename search_words to moved');
    const report = await step(2);
    expect(report.error).toMatchObject({
      code: 'target',
      message: expect.stringMatching(
        /^sql\/instant-search\/after-load\/2-search\.sql: column "search_words" does not exist, in: create index/,
      ),
      fix: 'Correct the statement; it is safe to repeat the step.',
    });
    // It ran beside the one that failed; the next in turn was not begun.
    expect(await built(SEARCH)).toEqual(['idx_questions_trigram']);
    await query('alter table questions rename moved to search_words');
    expect(await step(2)).toMatchObject({ ok: true });
    expect(await built(SEARCH)).toEqual(SEARCH);
  });

  it('begins nothing more after an interruption, and may be repeated', async () => {
    await query(`drop index ${RESULTS}`);
    const controller = new AbortController();
    await whileHolding(platform, DATABASE, ['lock typing_logs in row exclusive mode'], async (release) => {
      const done = step(2, controller.signal);
      await waiting(2);
      controller.abort();
      await release();
      expect((await done).error).toMatchObject({ code: 'interrupted' });
    });
    // The first two of the file.
    expect(await built(RESULTS)).toEqual(['idx_typing_logs_question_id', 'idx_typing_logs_user_id']);
    expect(await step(2)).toMatchObject({ ok: true });
    expect(await built(RESULTS)).toEqual(RESULTS);
  });

  it('leaves the tables’ pages noted as visible to all, so that an index alone answers', async () => {
    await query('update questions set category = category');
    expect(await step()).toMatchObject({ ok: true });
    const [table] = await query(
      `select relallvisible = relpages and relpages > 0 as all from pg_class where oid = 'questions'::regclass`,
    );
    expect(table).toEqual({ all: true });
  });
});
