import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SYSTEMS, storeOf } from '../../jobs/systems/index.ts';

const document = readFileSync(join(import.meta.dirname, '../../docs/sources.md'), 'utf8');
const sections = new Map(
  document
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf('\n')), section] as const),
);

describe.each(SYSTEMS.map((system) => [system.name, system] as const))(
  'docs/sources.md on %s',
  (_, system) => {
    const section = sections.get(storeOf(system)) ?? '';
    const { source } = system;
    const names =
      source.kind === 'sqlite'
        ? [source.file, ...Object.keys(source.notSource ?? {}), ...Object.keys(source.around ?? {})]
        : [
            ...Object.values(source.collections).flatMap((collection) =>
              // A table of the living database is named once, without its file in the snapshot.
              collection.files.filter((file) => !file.startsWith(`${source.database?.name}/`)),
            ),
            ...Object.keys(source.around ?? {}),
            ...Object.keys(source.refused ?? {}),
            ...(source.database ? [source.database.name, ...Object.keys(source.database.tables)] : []),
          ];

    it.each(names)('says what becomes of %s', (name) => {
      expect(section).toContain(name);
    });

    if (source.kind === 'sqlite') {
      it.each(system.tables.map(({ entity }) => entity))('says what becomes of table %s', (entity) => {
        expect(section).toContain(entity);
      });
    }
  },
);
