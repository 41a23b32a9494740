import type { Random } from './random.ts';

/** The users that the browser client names by their ids. */
export const DEMO_USER = '176c6aeb-297e-4033-8c96-abc8cd7c474a';
export const GUEST_USER = 'e5de0d5a-e347-487f-9276-165f4641ace9';

/** The application's time text: six digits of a fraction, which is left out where it is zero. */
export function pythonZulu(ms: number, micros = 0): string {
  const fraction = String((ms % 1000) * 1000 + micros).padStart(6, '0');
  return `${new Date(ms).toISOString().slice(0, 19)}${fraction === '000000' ? '' : `.${fraction}`}Z`;
}

export const PEOPLE = ['青葉 花子', 'Ren Kazama', '小川 みどり', 'Maya Fields', '西村 蓮', 'Noah Brooks'];

export const BOOKS: readonly (readonly [title: string, description: string | null])[] = [
  ['Python 入門', '基本の文法をタイピングで覚える'],
  ['JavaScript essentials', 'Functions, promises, modules'],
  ['SQL の練習', null],
  ['Shell one-liners', 'Commands worth knowing by heart'],
  ['毎日の 学習 ノート', ''],
];

type Question = readonly [
  language: string,
  category: string,
  difficulty: string,
  question: string,
  answer: string,
];

/** Made up; words of both languages, some of them standing alone as SQLite's tokenizer needs it. */
export const QUESTIONS: readonly Question[] = [
  ['Python', 'General', 'easy', 'Which keyword begins a function in Python?', 'def name(arguments):'],
  [
    'Python',
    'General',
    'medium',
    'How is a list made from a loop in one line?',
    '[n * n for n in range(10)]',
  ],
  [
    'python3',
    'testing',
    'medium',
    'Write a test that expects an error',
    'with pytest.raises(ValueError):\n    parse("x")',
  ],
  ['Python', '基礎', 'easy', 'リスト内包表記とは？', '[式 for 変数 in 繰り返し]'],
  [
    'JavaScript',
    'async',
    'hard',
    'Wait for several promises at once',
    'await Promise.all([first(), second()])',
  ],
  ['JavaScript', '基礎', 'easy', '配列の末尾に要素を足すには', 'items.push(value);'],
  [
    'SQL',
    'queries',
    'medium',
    'Count the rows of each group',
    'SELECT kind, count(*) FROM items GROUP BY kind;',
  ],
  ['SQL', '検索', 'hard', '前方一致の検索を書く', "SELECT * FROM books WHERE title LIKE 'a%';"],
  ['shell', 'files', 'easy', 'Show hidden files, newest first', 'ls -lat ~/.config'],
  [
    'shell',
    'network',
    'medium',
    'Fetch a page and follow redirects',
    'curl -L https://example.com/docs/index.html',
  ],
  ['git', '日々の作業', 'easy', '直前のコミットを直す', 'git commit --amend --no-edit'],
  ['general', '学習', 'easy', '毎日の 学習 を続けるこつは？', '小さく始めて、毎日少しずつ。'],
  [
    'general',
    'words',
    'medium',
    'What does functional programming avoid?',
    'Shared mutable state and side effects',
  ],
  [
    'general',
    'programming',
    'easy',
    'Programming is also reading: why?',
    'Code is read far more often than written.',
  ],
  [
    'Java',
    'オブジェクト',
    'medium',
    'インターフェースと抽象クラスの違い',
    'interface は実装の約束、abstract class は共通の土台',
  ],
];

export const ACTIONS = [
  'login',
  'study_book_opened',
  'question_viewed',
  'typing_practice_started',
  'typing_practice_completed',
  'question_answered_correct',
  'search_performed',
  'logout',
];

/** A fraction as a division of two counts leaves it. */
export const accuracy = (values: Random): number => values.int(12, 30) / 30;
