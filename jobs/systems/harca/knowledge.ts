import { bool, derived, integer, json, stringOf, text } from '../../engine/contracts.ts';
import type { RowScope, TableMapping } from '../../engine/mapping.ts';
import * as pg from '../../engine/pg-types.ts';
import { Reject } from '../../engine/reject.ts';
import { keyOf } from '../../engine/uuid.ts';
import { uuid } from '../../engine/uuid-contracts.ts';
import { ANYWHERE, instant, nameOf } from './fields.ts';

const optional = (column: string, from = column) => text(column, { from, nullable: true });
const document = (column: string) => json(column, { nullable: true, nonFinite: ANYWHERE });
const count = (column: string, from = column) => integer(column, { from, nullable: true });
const created = instant('created_at', { nullable: true });
const updated = instant('updated_at', { nullable: true });
const path = text('legacy_path', { from: '$file' });

const POSTGRES = /^postgres-/;
const familyOf = (scope: RowScope) =>
  POSTGRES.test(nameOf(scope.raw('$file'))) ? 'postgres' : 'troubleshooting';

/** The file is named by the section's id. */
function sectionId(scope: RowScope): string {
  const id = stringOf(scope.raw('id'), 'id');
  const named = nameOf(scope.raw('$file')).replace(POSTGRES, '');
  if (id !== named) throw new Reject('KEY_MISMATCH', 'id', `${id.slice(0, 60)} in the file of ${named}`);
  return id;
}

export const knowledgeTables: readonly TableMapping[] = [
  {
    table: 'knowledge_sections',
    entity: 'sections',
    key: ['family', 'legacy_id'],
    extra: 'extra',
    fields: [
      derived('legacy_id', pg.text, sectionId),
      { ...text('family', { from: '$file' }), convert: (_raw, scope) => familyOf(scope) },
      {
        ...text('id'),
        column: 'id',
        type: pg.uuid,
        convert: (_raw, scope) =>
          keyOf('harca', 'knowledge_sections', JSON.stringify([familyOf(scope), sectionId(scope)])),
      },
      text('title'),
      text('content'),
      optional('source'),
      optional('category'),
      document('technology'),
      instant('date', { nullable: true }),
      count('section_index', 'sectionIndex'),
      count('word_count', 'wordCount'),
      count('char_count', 'charCount'),
      path,
    ],
  },
  {
    table: 'knowledge_indexes',
    entity: 'indexes',
    key: ['name'],
    extra: 'extra',
    fields: [
      derived('name', pg.text, (scope) => nameOf(scope.raw('$file'))),
      optional('title'),
      optional('description'),
      instant('created_at', { from: 'created', nullable: true }),
      instant('updated_at', { from: 'updated', nullable: true }),
      document('sections'),
      document('entries'),
      path,
    ],
  },
];

/** The other tables of the early PostgreSQL database, as they are. */
export const databaseTables: readonly TableMapping[] = [
  {
    table: 'cache_metadata',
    entity: 'cache_metadata',
    key: ['key'],
    extra: 'extra',
    fields: [text('key'), document('value'), created, updated, instant('expires_at', { nullable: true })],
  },
  {
    table: 'usage_stats',
    entity: 'usage_stats',
    key: ['id'],
    extra: 'extra',
    fields: [
      uuid('id', { rule: ANYWHERE }),
      text('operation'),
      count('duration'),
      bool('success', { nullable: true }),
      optional('error_message'),
      document('metadata'),
      created,
    ],
  },
  {
    table: 'model_configs',
    entity: 'model_configs',
    key: ['id'],
    extra: 'extra',
    fields: [
      uuid('id', { rule: ANYWHERE }),
      text('model_name'),
      document('config'),
      bool('enabled', { nullable: true }),
      created,
      updated,
    ],
  },
];
