import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { urlFor, withConnection } from '../../jobs/database.ts';
import { PLAN } from '../../jobs/plan.ts';
import { runSteps } from '../../jobs/run.ts';
import { Secrets } from '../../jobs/secrets.ts';
import { instantSearch } from '../../jobs/systems/instant-search/index.ts';
import type { Bench, MakeCase, Peer } from '../case.ts';
import { stepDefaults } from '../step-defaults.ts';

const OWN = { ...instantSearch, database: 'bench_questions' };

/** The index step over questions as long as real ones: one connection after the other way. */
export const make: MakeCase = async (bench) => {
  const rows = bench.rows ?? 200_000;
  const home = join(bench.folder, 'index-questions');
  await steps(bench, home, ['provision', 'schema']);
  const url = urlFor(bench.platform.postgres, OWN.database);
  await withConnection(url, async (client) => {
    const { rows: found } = await client.query<{ n: number }>('select count(*)::int as n from questions');
    if (found[0]!.n === rows) return;
    bench.log(`making ${rows} questions`);
    await client.query('truncate users cascade');
    await client.query(QUESTIONS, [rows]);
  });
  const peer = (name: string, indexConnections?: number): Peer => ({
    name,
    prepare: () =>
      withConnection(url, async (client) => {
        for (const index of ['trigram', 'search_words', 'search_vector']) {
          await client.query(`drop index if exists idx_questions_${index}`);
        }
        await client.query('checkpoint');
      }),
    run: async () => {
      const begun = performance.now();
      await steps(bench, home, ['index'], indexConnections);
      return { seconds: (performance.now() - begun) / 1000 };
    },
  });
  const serial = peer('one at a time', 1);
  return {
    name: 'index-questions',
    what: 'the index step: two GIN indexes of words and one of trigrams',
    rows,
    against: serial.name,
    peers: [serial, peer('side by side')],
    close: async () => {},
  };
};

/** Words of 3 to 10 letters from a vocabulary of 20,000, the first of them by far the most frequent; 12 and 60 a question. */
const QUESTIONS = `
  with person as (insert into users (name, email) values ('a', 'a@example.com') returning id),
    book as (insert into study_books (user_id, title) select id, 'a' from person returning id)
  insert into questions (study_book_id, language, category, difficulty, question, answer)
  select book.id, 'SQL', 'General', 'easy', text.words[1], text.words[2]
  from book, generate_series(1, $1::int) as n, lateral (
    select array_agg(words order by part) as words from (
      select part, string_agg(translate(substr(md5(word::text), 1, 3 + word % 8), '0123456789', 'ghijklmnop'), ' ') as words
      from (select part, floor(20000 * power(random(), 3))::int as word, n as each_row_its_own
            from generate_series(1, 2) as part, generate_series(1, case part when 1 then 12 else 60 end)) as drawn
      group by part) as parts) as text`;

async function steps(
  bench: Bench,
  home: string,
  names: readonly string[],
  indexConnections?: number,
): Promise<void> {
  await mkdir(home, { recursive: true });
  const secrets = await Secrets.open(home);
  const report = await runSteps(
    [OWN],
    PLAN.filter(({ name }) => names.includes(name)),
    (system) => ({
      ...stepDefaults,
      system,
      platform: bench.platform,
      home,
      secrets,
      sources: { folders: [], stores: new Map() },
      indexConnections,
    }),
  );
  const { error } = report.systems[OWN.name]!;
  if (error) throw new Error(error.message);
}
