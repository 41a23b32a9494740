import { ofAll, type Query, same } from './query.ts';

/** Whom and what the queries ask for, as the target has them; in the sample both stores spell them alike. */
export interface Someone {
  /** A user with books, and one of them with questions. */
  readonly owner: string;
  readonly book: string;
  /** A user with results, and a question that they answered. */
  readonly typist: string;
  readonly question: string;
  /** A user with events. */
  readonly visitor: string;
  /** What that user did most. */
  readonly action: string;
  readonly email: string;
}

const TABLES = ['users', 'study_books', 'questions', 'typing_logs', 'learning_events'];
const WORDS = ['Python', 'の', 'リスト'];

const newest = (table: string, where: string, limit: number, time = 'created_at') =>
  `select * from ${table} where ${where} order by ${time} desc limit ${limit}`;

/** What instant-search asks all the time. Its own search never worked: here it has an index that was rebuilt correctly. */
export const instantSearchQueries = (of: Someone): readonly Query[] => [
  {
    name: 'search',
    sqlite: [
      `select q.id, snippet(rebuilt_fts, 0, '<mark>', '</mark>', '...', 32), bm25(rebuilt_fts) as rank
       from rebuilt_fts join questions as q on q.rowid = rebuilt_fts.rowid
         join study_books as b on b.id = q.study_book_id
       where rebuilt_fts match '${WORDS.map((word) => `"${word}"`).join(' OR ')}' and b.user_id = '${of.owner}'
       order by rank limit 50`,
    ],
    postgres: [`select * from search_questions('${WORDS.join(' ')}', '${of.owner}')`],
  },
  same('books of a user', newest('study_books', `user_id = '${of.owner}'`, 50)),
  same('number of books', `select count(*) from study_books where user_id = '${of.owner}'`),
  same(
    'questions of a book',
    `select * from questions where study_book_id = '${of.book}' order by created_at`,
  ),
  same(
    'a random question of a book',
    `select * from questions where study_book_id = '${of.book}' order by random() limit 1`,
  ),
  same('newest results', newest('typing_logs', `user_id = '${of.typist}'`, 100)),
  same(
    'results of a question',
    newest('typing_logs', `user_id = '${of.typist}' and question_id = '${of.question}'`, 50),
  ),
  same(
    'figures of the newest results',
    `select avg(wpm), max(wpm), avg(accuracy) from (${newest('typing_logs', `user_id = '${of.typist}'`, 100)}) as newest`,
  ),
  same('number of results', `select count(*) from typing_logs where user_id = '${of.typist}'`),
  same('newest events', newest('learning_events', `user_id = '${of.visitor}'`, 1000, 'occurred_at')),
  same(
    'newest events of an action',
    newest('learning_events', `user_id = '${of.visitor}' and action = '${of.action}'`, 100, 'occurred_at'),
  ),
  {
    name: 'user of an address',
    sqlite: [`select * from users where email = lower('${of.email}')`],
    postgres: [`select * from users where lower(email) = lower('${of.email}')`],
  },
  ofAll(
    same(
      'numbers of a dashboard',
      `select ${TABLES.map((table) => `(select count(*) from ${table})`).join(', ')}`,
    ),
  ),
];
