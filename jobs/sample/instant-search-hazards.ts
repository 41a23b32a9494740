import { deleting, type InstantSearchTable } from './instant-search-schema.ts';
import { DEMO_USER, GUEST_USER, pythonZulu } from './instant-search-values.ts';
import type { Mark } from './manifest.ts';
import { type Random, random } from './random.ts';
import type { SqliteSample, Value } from './sqlite-store.ts';

type Store = SqliteSample<InstantSearchTable>;

/** Planted rows are of the year after the ordinary ones. */
const BEGIN = Date.UTC(2026, 0, 5, 3);

const plain = (id: string) => id.replaceAll('-', '');

/** Adds the rows that show a hazard, and those that they need beside them. */
export function plantInstantSearchHazards(store: Store, seed: number): void {
  const planting = new Planting(store, random(seed, 'instant-search hazards'));
  planting.users();
  planting.books();
  planting.questions();
  planting.logs();
  planting.events();
  store.mark('file', 'app.db', [
    'I23',
    'kept',
    'the search index in the file has entries of deleted questions, and no question_id to read',
  ]);
}

/** One planted user, and of the book and the questions that the others refer to. */
class Planting {
  readonly #owner: string;
  readonly #capitals: string;
  readonly #book: string;
  readonly #question: string;
  /** Deleted again. */
  readonly #goneBook: string;
  readonly #goneQuestion: string;
  readonly #strayBook: string;
  readonly #strayQuestion: string;
  readonly #nobody: string;
  #minute = 0;

  constructor(
    private readonly store: Store,
    private readonly values: Random,
  ) {
    const next = () => values.uuid();
    this.#owner = next();
    this.#capitals = next();
    this.#book = next();
    this.#question = next();
    this.#goneBook = next();
    this.#goneQuestion = next();
    this.#strayBook = next();
    this.#strayQuestion = next();
    this.#nobody = next();
  }

  /** A time after all others. */
  #time(): string {
    return pythonZulu(BEGIN + ++this.#minute * 60_000 + 12, 345);
  }

  #times(): Record<string, Value> {
    const time = this.#time();
    return { created_at: time, updated_at: time };
  }

  users(): void {
    const add = (id: string, name: string, email: string, changes: Record<string, Value>, ...marks: Mark[]) =>
      this.store.add('users', { id, name, email, ...this.#times(), ...changes }, ...marks);
    const next = () => this.values.uuid();
    add(this.#owner, 'Planted Owner', 'owner@example.com', {});
    add(DEMO_USER, 'Demo User', 'demo@example.com', {}, [
      'I24',
      'kept',
      'the demo user, whose id is in the browser client',
    ]);
    add(GUEST_USER, 'Guest', 'guest@example.com', {}, [
      'I24',
      'kept',
      'the guest, whose id is in the browser client',
    ]);
    const implicit = next();
    add(implicit, `User ${implicit}`, `user-${implicit}@example.com`, {}, [
      'I24',
      'kept',
      'made by a request that named an unknown id',
    ]);
    add(next(), '長い名前'.repeat(40).slice(0, 150), 'long.name@example.com', {}, [
      'I2',
      'kept',
      'name of 150 characters in VARCHAR(100)',
    ]);
    add(next(), 'Case One', 'hanako.aoba@example.com', {}, ['I15', 'kept', 'address in small letters']);
    add(next(), 'Case Two', 'Hanako.Aoba@example.com', {}, ['I15', 'kept', 'the same address with capitals']);
    add(next(), 'Form C', 'ren\u00e9@example.com', {}, ['I15', 'kept', 'address with a composed letter']);
    add(next(), 'Form D', 'rene\u0301@example.com', {}, ['I15', 'kept', 'the same address, decomposed']);
    add(this.#capitals.toUpperCase(), 'CAPITALS', 'capitals@example.com', {}, [
      'I16',
      'noted',
      'id in capitals',
    ]);
    add(plain(next()), 'nodashes', 'nodashes@example.com', {}, ['I16', 'noted', 'id without dashes']);
    const twice = next();
    add(twice, 'Twice', 'twice@example.com', {});
    add(twice.toUpperCase(), 'Twice', 'twice.again@example.com', {}, [
      'I17',
      'DUPLICATE_ID',
      'an id in two spellings, with different addresses',
    ]);
    add('guest-42', 'No Uuid', 'guest-42@example.com', {}, ['I18', 'BAD_UUID', 'id that is no UUID']);
    add(next(), 'Offset', 'offset@example.com', { updated_at: '2026-01-05T04:00:00.123456+00:00Z' }, [
      'I21',
      'BAD_TIMESTAMP',
      'Z appended to a time with an offset',
    ]);
  }

  books(): void {
    const add = (changes: Record<string, Value>, ...marks: Mark[]) =>
      this.store.add(
        'study_books',
        {
          id: this.values.uuid(),
          user_id: this.#owner,
          title: 'Planted book',
          description: null,
          ...this.#times(),
          ...changes,
        },
        ...marks,
      );
    add({ id: this.#book });
    add({ title: '長い題名'.repeat(100) }, ['I2', 'kept', 'title of 400 characters in VARCHAR(200)']);
    add({ title: '同じ題名の本' }, ['I14', 'kept', 'one of two books of one title']);
    add({ title: '同じ題名の本' }, ['I14', 'kept', 'the other book of that title']);
    add({ id: this.#strayBook, user_id: this.#nobody }, [
      'I4',
      'ORPHAN_USER',
      'book of a user that is not there',
    ]);
    add({ user_id: plain(this.#capitals) }, [
      'I16',
      'noted',
      'user_id without dashes, of the user in capitals',
    ]);
    const twice = { ...this.#times(), title: '二度書かれた本' };
    const id = this.values.uuid();
    add({ ...twice, id: id.toUpperCase() }, [
      'I17',
      'merged',
      'an equal book under another spelling of its id',
    ]);
    add({ ...twice, id });
    add({ id: this.#goneBook, title: '消される本' });
  }

  questions(): void {
    const add = (changes: Record<string, Value>, ...marks: Mark[]) =>
      this.store.add(
        'questions',
        {
          id: this.values.uuid(),
          study_book_id: this.#book,
          language: 'Python',
          category: 'planted',
          difficulty: 'easy',
          question: 'Planted question',
          answer: 'planted answer',
          ...this.#times(),
          ...changes,
        },
        ...marks,
      );
    add({ id: this.#question });
    add({ id: this.#goneQuestion, question: 'A deleted question about haskell' });
    add({ study_book_id: this.#goneBook, question: '本が消された問題' }, [
      'I5',
      'ORPHAN_BOOK',
      'question of a book that was deleted',
    ]);
    add({ id: this.#strayQuestion, study_book_id: this.#strayBook, question: '持ち主のない本の問題' }, [
      'I5',
      'ORPHAN_BOOK',
      'question of a book that is an orphan itself',
    ]);
    add({ answer: ' ' }, ['I10', 'kept', 'answer of one blank']);
    add({ answer: '' }, ['I10', 'kept', 'empty answer']);
    add(
      {
        question: 'Explain this code:',
        answer: 'def f(path):\n\tif path == "C:\\\\temp\\\\%s":\n\t\treturn \'it\'\'s\', `x`, "q"\r\n',
      },
      ['I11', 'kept', 'lines, quotes, backslashes'],
    );
    add({ question: "100%_sure? it's 50_50'; DROP TABLE questions; --", answer: '%_%' }, [
      'I11',
      'kept',
      "% and _ and ' in a text",
    ]);
    add(
      {
        question: `${'長い問題文です。'.repeat(249)}終わりの文字列`.slice(0, 2000),
        answer: 'x'.repeat(2000),
      },
      ['I11', 'kept', 'texts of 2,000 characters'],
    );
    add({ question: '🎉 絵文字と 𠮷 を表示する 👩‍💻', answer: 'print("🎉")' }, [
      'I11',
      'kept',
      'emoji, non-BMP ideograph',
    ]);
    add({ question: 'ＰＹＴＨＯＮ　３ のﾊﾞｰｼﾞｮﾝは？', answer: '３．１２' }, [
      'I11',
      'kept',
      'full-width and half-width letters',
    ]);
    add({ question: 'Un café, s’il vous plaît: <b>naïve</b> & "résumé"', answer: 'e\u0301 == é' }, [
      'I11',
      'kept',
      'accents in both forms, HTML',
    ]);
    for (const language of ['Python', 'Python3', 'python3']) {
      add({ language, category: 'user-created', difficulty: 'medium' }, [
        'I13',
        'kept',
        `language ${language}`,
      ]);
    }
    add({ created_at: '2026-01-06T00:00:05Z' }, [
      'I20',
      'kept',
      'time without a fraction, sorts after the next as text',
    ]);
    add({ created_at: '2026-01-06T00:00:05.500000Z' }, ['I20', 'kept', 'time half a second later']);
    add({ answer: Buffer.from('before\0after') }, ['I25', 'NUL_CHARACTER', 'U+0000 in an answer']);
    add({ answer: Buffer.from([0xe6, 0x97, 0xa5, 0xe6, 0x9c]) }, [
      'I26',
      'INVALID_UTF8',
      'answer ends within a character',
    ]);
    for (const [table, id] of [
      ['questions', this.#goneQuestion],
      ['study_books', this.#goneBook],
    ]) {
      for (const statement of deleting(`DELETE FROM ${table} WHERE id = '${id}'`))
        this.store.execute(statement);
    }
  }

  logs(): void {
    const add = (changes: Record<string, Value>, ...marks: Mark[]) =>
      this.store.add(
        'typing_logs',
        {
          id: this.values.uuid(),
          user_id: this.#owner,
          question_id: this.#question,
          wpm: 60,
          accuracy: 0.95,
          took_ms: 20_000,
          created_at: this.#time(),
          ...changes,
        },
        ...marks,
      );
    add({ took_ms: 3_000_000_000 }, ['I1', 'kept', 'took_ms beyond 32 bits']);
    add({ question_id: this.#goneQuestion }, ['I6', 'noted', 'log of a question that was deleted']);
    add({ question_id: this.#strayQuestion }, ['I6', 'noted', 'log of a question that is in quarantine']);
    add({ user_id: this.#nobody }, ['I7', 'ORPHAN_USER', 'log of a user that is not there']);
    add({ accuracy: 0.30000000000000004 }, ['I9', 'kept', 'accuracy 0.30000000000000004']);
    add({ accuracy: 0.9333333333333333 }, ['I9', 'kept', 'accuracy 0.9333333333333333']);
    add({ wpm: 0, accuracy: 0, took_ms: 0 }, ['I12', 'kept', 'zeros']);
    add({ wpm: 1000, accuracy: 1 }, ['I12', 'kept', 'the highest values']);
    add({ question_id: this.#question.toUpperCase() }, ['I16', 'noted', 'question_id in capitals']);
    const id = this.values.uuid();
    const created_at = this.#time();
    add({ id, created_at });
    add({ id: plain(id), created_at }, ['I17', 'merged', 'an equal log under another spelling of its id']);
    add({ question_id: 'question-7' }, ['I18', 'BAD_UUID', 'question_id that is no UUID']);
    add({ wpm: 'fast' }, ['I19', 'WRONG_STORAGE_CLASS', 'text in an INTEGER column']);
    add({ created_at: '2026-01-07T00:00:00.5Z' }, ['I22', 'noted', 'fraction of one digit']);
    add({ created_at: '2026-01-07T00:00:00.000000Z' }, ['I22', 'noted', 'fraction of six zeros']);
  }

  events(): void {
    const add = (changes: Record<string, Value>, ...marks: Mark[]) =>
      this.store.add(
        'learning_events',
        {
          id: this.values.uuid(),
          user_id: this.#owner,
          app_id: 'instant-search-backend',
          action: 'question_viewed',
          object_id: this.#question,
          score: null,
          duration_ms: null,
          occurred_at: this.#time(),
          ...changes,
        },
        ...marks,
      );
    add({ duration_ms: 9_999_999_999 }, ['I1', 'kept', 'duration_ms beyond 32 bits']);
    add({ app_id: 'app-'.repeat(75) }, ['I2', 'kept', 'app_id of 300 characters in VARCHAR(100)']);
    add({ object_id: 'non-uuid-object' }, ['I3', 'kept', 'object_id that is no UUID']);
    add({ user_id: this.#nobody }, ['I8', 'kept', 'event of a user that is not there']);
    add({ user_id: this.#capitals.toUpperCase() }, [
      'I8',
      'kept',
      'user_id in capitals, which is a text here',
    ]);
    add({ score: 0.9333333333333333 }, ['I9', 'kept', 'score 0.9333333333333333']);
    add({ occurred_at: '2026-01-08T00:00:59.999700Z' }, [
      'I20',
      'kept',
      'time at the very end of a second, which SQLite rounds up',
    ]);
  }
}
