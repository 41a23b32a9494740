import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { plantInstantSearchHazards } from './instant-search-hazards.ts';
import { type InstantSearchTable, MIGRATION } from './instant-search-schema.ts';
import { ACTIONS, accuracy, BOOKS, PEOPLE, pythonZulu, QUESTIONS } from './instant-search-values.ts';
import type { SampleSystem } from './manifest.ts';
import { random } from './random.ts';
import { SqliteSample, type Value } from './sqlite-store.ts';

type Rows = Record<InstantSearchTable, number>;
type Store = SqliteSample<InstantSearchTable>;

/** Ordinary rows a table, when nothing else is asked for. */
export const INSTANT_SEARCH_ROWS: Rows = {
  users: 6,
  study_books: 15,
  questions: 60,
  typing_logs: 50,
  learning_events: 60,
};

const BEGIN = Date.UTC(2025, 9, 1, 8);
const MINUTE = 60_000;

/** Id of an ordinary row. */
const idOf = (seed: number, table: InstantSearchTable, at: number) => random(seed, `${table} id`, at).uuid();

/** Writes `<folder>/app.db`. */
export function writeInstantSearch(folder: string, seed: number, rows: Rows): SampleSystem {
  mkdirSync(folder, { recursive: true });
  const store: Store = new SqliteSample(join(folder, 'app.db'), 'instant-search');
  const made: Record<string, number> = {};
  try {
    for (const statement of MIGRATION) store.execute(statement);
    for (const fill of Object.values(ORDINARY)) {
      fill(store, seed, rows);
    }
    plantInstantSearchHazards(store, seed);
    for (const table of Object.keys(ORDINARY) as InstantSearchTable[]) made[table] = store.count(table);
    store.commit();
  } finally {
    store.close();
  }
  return { rows: made, hazards: store.hazards };
}

type Fill = (store: Store, seed: number, rows: Rows) => void;

/** The `at`-th row's time, microseconds included; every eighth has no fraction. */
function timeOf(seed: number, table: InstantSearchTable, at: number): string {
  const values = random(seed, `${table} time`, at);
  const ms = BEGIN + at * 7 * MINUTE;
  return at % 8 === 7 ? pythonZulu(ms) : pythonZulu(ms + values.int(0, 999), values.int(1, 999));
}

const ORDINARY: Record<InstantSearchTable, Fill> = {
  users(store, seed, rows) {
    addEach(store, 'users', rows, (at) => {
      const time = timeOf(seed, 'users', at);
      return {
        id: idOf(seed, 'users', at),
        name: PEOPLE[at % PEOPLE.length]!,
        email: `learner${at + 1}@example.com`,
        created_at: time,
        updated_at: time,
      };
    });
  },

  study_books(store, seed, rows) {
    if (rows.users === 0) return;
    addEach(store, 'study_books', rows, (at) => {
      const [title, description] = BOOKS[at % BOOKS.length]!;
      const time = timeOf(seed, 'study_books', at);
      return {
        id: idOf(seed, 'study_books', at),
        user_id: idOf(seed, 'users', at % rows.users),
        title,
        description,
        created_at: time,
        updated_at: time,
      };
    });
  },

  questions(store, seed, rows) {
    if (rows.users === 0 || rows.study_books === 0) return;
    addEach(store, 'questions', rows, (at) => {
      const round = Math.floor(at / QUESTIONS.length);
      const [language, category, difficulty, question, answer] = QUESTIONS[at % QUESTIONS.length]!;
      const time = timeOf(seed, 'questions', at);
      return {
        id: idOf(seed, 'questions', at),
        // Another shift each round, so that a book has more than one kind of question.
        study_book_id: idOf(seed, 'study_books', (at + round) % rows.study_books),
        language,
        category,
        difficulty,
        question: round === 0 ? question : `${question} (${round + 1})`,
        answer,
        created_at: time,
        updated_at: time,
      };
    });
  },

  typing_logs(store, seed, rows) {
    if (rows.users === 0) return;
    const questions = rows.study_books > 0 ? rows.questions : 0;
    addEach(store, 'typing_logs', rows, (at) => {
      const values = random(seed, 'typing_logs', at);
      return {
        id: idOf(seed, 'typing_logs', at),
        user_id: idOf(seed, 'users', at % rows.users),
        // The problems that come with the program are no rows.
        question_id: at % 9 === 8 || questions === 0 ? null : idOf(seed, 'questions', at % questions),
        wpm: values.int(15, 120),
        accuracy: accuracy(values),
        took_ms: values.int(4_000, 180_000),
        created_at: timeOf(seed, 'typing_logs', at),
      };
    });
  },

  learning_events(store, seed, rows) {
    if (rows.users === 0) return;
    addEach(store, 'learning_events', rows, (at) => {
      const values = random(seed, 'learning_events', at);
      const action = ACTIONS[at % ACTIONS.length]!;
      const done = action === 'typing_practice_completed';
      const object = action.startsWith('question') ? 'questions' : 'study_books';
      return {
        id: idOf(seed, 'learning_events', at),
        user_id: idOf(seed, 'users', at % rows.users),
        app_id: 'instant-search-backend',
        action,
        object_id: /log/.test(action) || rows[object] === 0 ? null : idOf(seed, object, at % rows[object]),
        score: done ? accuracy(values) : null,
        duration_ms: done ? values.int(2_000, 90_000) : null,
        occurred_at: timeOf(seed, 'learning_events', at),
      };
    });
  },
};

function addEach(
  store: Store,
  table: InstantSearchTable,
  rows: Rows,
  record: (at: number) => Record<string, Value>,
): void {
  if (rows[table] === 0) return;
  const values = function* () {
    for (let at = 0; at < rows[table]; at++) yield Object.values(record(at));
  };
  store.addMany(table, {}, Object.keys(record(0)), values());
}
