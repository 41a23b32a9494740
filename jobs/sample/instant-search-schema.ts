import { createIndexes, createTable, type LegacyTable } from './sqlalchemy.ts';

const TIMES = ['created_at VARCHAR NOT NULL', 'updated_at VARCHAR NOT NULL'];

/** The tables of `app.db` (Alembic revision 001, November 2025), in the order in which it makes them. */
export const INSTANT_SEARCH_TABLES = [
  {
    name: 'users',
    columns: ['id VARCHAR NOT NULL', 'name VARCHAR(100) NOT NULL', 'email VARCHAR(255) NOT NULL', ...TIMES],
    constraints: [],
    indexes: [['ix_users_email', 'email', 'unique']],
  },
  {
    name: 'study_books',
    columns: [
      'id VARCHAR NOT NULL',
      'user_id VARCHAR NOT NULL',
      'title VARCHAR(200) NOT NULL',
      'description TEXT',
      ...TIMES,
    ],
    constraints: ['FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE'],
    indexes: [['idx_study_books_user_id', 'user_id']],
  },
  {
    name: 'questions',
    columns: [
      'id VARCHAR NOT NULL',
      'study_book_id VARCHAR NOT NULL',
      'language VARCHAR(50) NOT NULL',
      'category VARCHAR(100) NOT NULL',
      'difficulty VARCHAR(20) NOT NULL',
      'question TEXT NOT NULL',
      'answer TEXT NOT NULL',
      ...TIMES,
    ],
    constraints: ['FOREIGN KEY(study_book_id) REFERENCES study_books (id) ON DELETE CASCADE'],
    indexes: [['idx_questions_study_book_id', 'study_book_id']],
  },
  {
    name: 'typing_logs',
    columns: [
      'id VARCHAR NOT NULL',
      'user_id VARCHAR NOT NULL',
      'question_id VARCHAR',
      'wpm INTEGER NOT NULL',
      'accuracy FLOAT NOT NULL',
      'took_ms INTEGER NOT NULL',
      'created_at VARCHAR NOT NULL',
    ],
    constraints: [
      'FOREIGN KEY(question_id) REFERENCES questions (id) ON DELETE SET NULL',
      'FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE',
    ],
    indexes: [
      ['idx_typing_logs_user_id', 'user_id'],
      ['idx_typing_logs_question_id', 'question_id'],
    ],
  },
  {
    name: 'learning_events',
    columns: [
      'id VARCHAR NOT NULL',
      'user_id VARCHAR NOT NULL',
      'app_id VARCHAR(100) NOT NULL',
      'action VARCHAR(100) NOT NULL',
      'object_id VARCHAR(100)',
      'score FLOAT',
      'duration_ms INTEGER',
      'occurred_at VARCHAR NOT NULL',
    ],
    constraints: [],
    indexes: [['idx_learning_events_user_occurred', 'user_id, occurred_at']],
  },
] as const satisfies readonly LegacyTable[];

export type InstantSearchTable = (typeof INSTANT_SEARCH_TABLES)[number]['name'];

const VERSION = `CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)`;

/** Index over an external content table that has no `question_id`: whoever reads that column gets an error. */
const SEARCH = `CREATE VIRTUAL TABLE questions_fts USING fts5(
            question_id UNINDEXED,
            question,
            answer,
            content='questions',
            content_rowid='rowid'
        )`;

const ON_INSERT = `CREATE TRIGGER questions_fts_insert AFTER INSERT ON questions BEGIN
            INSERT INTO questions_fts(question_id, question, answer) 
            VALUES (new.id, new.question, new.answer);
        END`;

const ON_UPDATE = `CREATE TRIGGER questions_fts_update AFTER UPDATE ON questions BEGIN
            UPDATE questions_fts SET question = new.question, answer = new.answer 
            WHERE question_id = new.id;
        END`;

const ON_DELETE = `CREATE TRIGGER questions_fts_delete AFTER DELETE ON questions BEGIN
            DELETE FROM questions_fts WHERE question_id = old.id;
        END`;

/** All statements of the legacy migration. */
export const MIGRATION: readonly string[] = [
  VERSION,
  "INSERT INTO alembic_version VALUES ('001')",
  ...INSTANT_SEARCH_TABLES.flatMap((table) => [createTable(table), ...createIndexes(table)]),
  SEARCH,
  ON_INSERT,
  ON_UPDATE,
  ON_DELETE,
];

/** How the application deletes: with the trigger in place it couldn't. What it deletes stays in the search index. */
export const deleting = (statement: string): readonly string[] => [
  'DROP TRIGGER questions_fts_delete',
  statement,
  ON_DELETE,
];
