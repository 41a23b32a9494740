import { instantSearch } from '../../jobs/systems/instant-search/index.ts';
import type { MakeCase } from '../case.ts';
import { instantSearchQueries, type Someone } from '../queries/instant-search.ts';
import { loadedStores } from '../queries/loaded.ts';
import { caseOf, orClose, requireSameRows, type Stores } from '../queries/peers.ts';

/** instant-search's hot queries on both sides; the plans of the target are kept in `explain/instant-search`. */
export const make: MakeCase = async (bench) => {
  const rows = bench.rows ?? 200_000;
  const books = Math.ceil(rows / 50);
  const stores = await loadedStores(bench, instantSearch, {
    questions: rows,
    typing_logs: rows,
    learning_events: rows,
    study_books: books,
    users: Math.ceil(books / 5),
  });
  return orClose(stores, async () => {
    rebuildSearch(stores);
    const queries = instantSearchQueries(await someone(stores));
    // The search finds more than the legacy one did, as it should.
    await requireSameRows(queries.slice(1), stores);
    return caseOf(
      bench,
      'instant-search',
      `each hot query of instant-search over ${rows} questions, results and events`,
      queries,
      stores,
    );
  });
};

/** The deployed index fails on every read of a column, so nothing but a correct one can be compared. */
function rebuildSearch({ sqlite }: Stores): void {
  sqlite.exec(`create virtual table rebuilt_fts using fts5(question, answer);
    insert into rebuilt_fts (rowid, question, answer) select rowid, question, answer from questions`);
}

/** Of each kind the one with the most rows, or the first of them by id. */
export async function someone({ postgres }: Pick<Stores, 'postgres'>): Promise<Someone> {
  const { rows } = await postgres.query<Someone>(
    `with book as (select study_book_id as id from questions group by 1 order by count(*) desc, 1 limit 1),
       typist as (select user_id, question_id from typing_logs where question_id is not null
         group by 1, 2 order by count(*) desc, 1, 2 limit 1),
       visitor as (select user_id, action from learning_events group by 1, 2 order by count(*) desc, 1, 2 limit 1)
     select study_books.user_id as owner, book.id as book, typist.user_id as typist, question_id as question,
       visitor.user_id as visitor, visitor.action, (select email from users where id = study_books.user_id) as email
     from book join study_books on study_books.id = book.id, typist, visitor`,
  );
  return rows[0]!;
}
