import { bigint, double, integer, text, zuluTime } from '../../engine/contracts.ts';
import type { SystemMapping, TableMapping } from '../../engine/mapping.ts';
import { uuidText } from '../../engine/uuid.ts';
import { uuid, uuidOrder, uuidReference } from '../../engine/uuid-contracts.ts';
import { oneSpelling } from './rules.ts';

/** I20, I21, I22: UTC with a literal `Z`, whose fraction Python leaves out where it is zero. */
const time = (column: string) => zuluTime(column, { rule: 'I22', hazards: ['I20', 'I21'] });

/** Foreign keys were never enforced, so a parent may be gone (I4, I5, I7). */
const child = (column: string, parents: string, code: string, hazard: string) =>
  uuidReference(column, { rule: 'I16', parents, orphan: { reject: code }, hazards: [hazard] });

/** Every table's key is the UUID that the application made, in one spelling (I16), whatever the file's is (I17, I18). */
const byUuid = (mapping: Omit<TableMapping, 'key' | 'extra' | 'order' | 'duplicates'>): TableMapping => ({
  ...mapping,
  key: ['id'],
  extra: 'extra',
  order: uuidOrder('id'),
  duplicates: oneSpelling(mapping.fields.map((field) => field.column)),
  parents: mapping.parents,
  fields: [uuid('id', { rule: 'I16', hazards: ['I17', 'I18'] }), ...mapping.fields],
});

const namedById = (as: string): NonNullable<TableMapping['parents']> => [
  { as, by: (row) => uuidText(row('id') as string | Uint8Array), key: 'id' },
];

const tables: readonly TableMapping[] = [
  byUuid({
    table: 'users',
    entity: 'users',
    legacyOrder: ['created_at', 'id'],
    parents: namedById('users'),
    fields: [
      text('name', { hazards: ['I2', 'I24'] }),
      // I15: unique by its bytes, as in the file.
      text('email', { hazards: ['I15', 'I24'] }),
      time('created_at'),
      time('updated_at'),
    ],
  }),
  byUuid({
    table: 'study_books',
    entity: 'study_books',
    legacyOrder: ['created_at', 'id'],
    parents: namedById('study_books'),
    fields: [
      child('user_id', 'users', 'ORPHAN_USER', 'I4'),
      text('title', { hazards: ['I2', 'I14'] }),
      text('description', { nullable: true }),
      time('created_at'),
      time('updated_at'),
    ],
  }),
  byUuid({
    table: 'questions',
    entity: 'questions',
    legacyOrder: ['created_at', 'id'],
    parents: namedById('questions'),
    fields: [
      child('study_book_id', 'study_books', 'ORPHAN_BOOK', 'I5'),
      text('language', { hazards: ['I13'] }),
      text('category', { hazards: ['I13'] }),
      text('difficulty', { hazards: ['I13'] }),
      text('question', { hazards: ['I11'] }),
      text('answer', { hazards: ['I10', 'I11'] }),
      time('created_at'),
      time('updated_at'),
    ],
  }),
  byUuid({
    table: 'typing_logs',
    entity: 'typing_logs',
    legacyOrder: ['created_at', 'id'],
    fields: [
      child('user_id', 'users', 'ORPHAN_USER', 'I7'),
      // I6: the legacy schema's own ON DELETE SET NULL, which nobody had switched on.
      uuidReference('question_id', {
        rule: 'I16',
        parents: 'questions',
        nullable: true,
        orphan: { note: 'I6' },
        hazards: ['I6'],
      }),
      integer('wpm', { hazards: ['I12', 'I19'] }),
      double('accuracy', { hazards: ['I9', 'I12'] }),
      bigint('took_ms', { hazards: ['I1', 'I12'] }),
      time('created_at'),
    ],
  }),
  byUuid({
    table: 'learning_events',
    entity: 'learning_events',
    legacyOrder: ['occurred_at', 'id'],
    fields: [
      // I3, I8: neither has a foreign key, and neither is always a UUID.
      text('user_id', { hazards: ['I8'] }),
      text('app_id', { hazards: ['I2'] }),
      text('action'),
      text('object_id', { nullable: true, hazards: ['I3'] }),
      double('score', { nullable: true, hazards: ['I9'] }),
      bigint('duration_ms', { nullable: true, hazards: ['I1'] }),
      time('occurred_at'),
    ],
  }),
];

export const instantSearch: SystemMapping = {
  name: 'instant-search',
  database: 'instant_search',
  rolePrefix: 'is',
  server: 'postgres',
  extensions: ['pg_trgm', 'unaccent'],
  databaseSettings: { default_text_search_config: 'pg_catalog.english', track_io_timing: 'on' },
  source: {
    kind: 'sqlite',
    file: 'app.db',
    around: {
      '**/system_problems.csv': "constants of the application's code",
      '**/sample-production-data.sql': 'test data of an older generation, whose tables are gone',
    },
    notSource: {
      alembic_version: 'the version of the legacy schema',
      // I23: what it holds is in questions, its dead entries apart; most reads of it fail.
      'questions_fts{,_data,_idx,_content,_docsize,_config}':
        'a search index over questions, defective in every deployed file',
    },
  },
  tables,
  hotQueries: [
    {
      name: 'search',
      sql: `select * from search_questions('Python の リスト', (select user_id from study_books order by id limit 1))`,
    },
    {
      name: 'books of a user',
      sql: `select * from study_books where user_id = (select user_id from study_books order by id limit 1)
      order by created_at desc limit 50`,
    },
    {
      name: 'newest results of a user',
      sql: `select * from typing_logs where user_id = (select user_id from typing_logs order by id limit 1)
      order by created_at desc limit 100`,
    },
  ],
};
