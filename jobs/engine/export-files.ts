import { chmod, mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { JsonObject } from '../sources/json-value.ts';
import { JsonArrayWriter } from '../sources/json-write.ts';
import type { Snapshot } from '../sources/snapshot.ts';
import { type Refusal, SqliteWriter } from '../sources/sqlite-write.ts';
import type { LegacyRecord } from './export.ts';
import { asJsonValue } from './legacy.ts';
import type { SystemMapping, TableMapping } from './mapping.ts';

/** The legacy store in the making. The files get their names when they are complete. */
export interface LegacyFiles {
  /** Writes the records of one table, a block after the other. @returns what the legacy form has no place for */
  write(mapping: TableMapping, record: LegacyRecord): Promise<Refusal[]> | Refusal[];
  /** All records of all tables are written. */
  finish(): Promise<void>;
  /** Leaves nothing behind that is not complete. */
  abandon(): Promise<void>;
}

/** Where the file of a store or of a collection lies in an export. */
export function exportedFile(folder: string, system: SystemMapping, entity: string): string {
  const layout = system.source;
  if (layout.kind === 'sqlite') return join(folder, system.name, layout.file);
  return join(folder, system.name, layout.folder, layout.collections[entity]!.files[0]!);
}

/** Why the legacy form of a system can't be written; undefined when it can. */
export function noExport({ source, tables }: SystemMapping): string | undefined {
  if (source.kind === 'sqlite') return undefined;
  const others = tables.filter(({ entity }) => {
    const { files, records = 'elements', each } = source.collections[entity]!;
    return records !== 'elements' || each !== undefined || /[*{[]/.test(files.join(''));
  });
  if (others.length === 0) return undefined;
  return `only arrays in files of fixed names can be written: not ${others.map(({ entity }) => entity).join(', ')}`;
}

const draftOf = (file: string) => `${file}.part`;

/** @param folder where the export goes: `<folder>/<system>/…` as the legacy application has it */
export async function createLegacyFiles(
  folder: string,
  system: SystemMapping,
  snapshot: Snapshot,
): Promise<LegacyFiles> {
  if (system.source.kind === 'json') return createCollections(folder, system, snapshot);
  const file = exportedFile(folder, system, '');
  await mkdir(dirname(file), { recursive: true });
  await rm(draftOf(file), { force: true });
  const entities = system.tables.map((mapping) => mapping.entity);
  const notSource = Object.keys(system.source.notSource ?? {});
  const writer = new SqliteWriter(draftOf(file), snapshot.database!, entities, notSource);
  const documents = new Map(
    system.tables.map(({ entity, fields }) => [
      entity,
      new Set(fields.flatMap((field) => (field.stored === 'json' && field.from ? [field.from] : []))),
    ]),
  );
  return {
    write: ({ entity }, record) => writer.add(entity, record.fields, documents.get(entity)!),
    async finish() {
      writer.finish();
      await chmod(draftOf(file), 0o600);
      await rename(draftOf(file), file);
    },
    async abandon() {
      writer.close();
      await rm(draftOf(file), { force: true });
    },
  };
}

async function createCollections(
  folder: string,
  system: SystemMapping,
  snapshot: Snapshot,
): Promise<LegacyFiles> {
  if (system.source.kind !== 'json') throw new Error(`${system.name} has no collections`);
  const { collections } = system.source;
  const writers = new Map<string, JsonArrayWriter>();
  /** The one document of a collection whose entities are its members. */
  const documents = new Map<string, JsonObject>();
  const writerOf = async (entity: string) => {
    const known = writers.get(entity);
    if (known) return known;
    const file = draftOf(exportedFile(folder, system, entity));
    await mkdir(dirname(file), { recursive: true });
    await rm(file, { force: true });
    const writer = await JsonArrayWriter.create(file);
    writers.set(entity, writer);
    return writer;
  };
  return {
    async write({ entity }, { fields }) {
      const members = Array.from(fields, ([key, value]) => [key, asJsonValue(value) ?? null] as const);
      if (collections[entity]!.partsOr === undefined) {
        await (await writerOf(entity)).add(new JsonObject(members));
      } else {
        const document = documents.get(entity) ?? new JsonObject();
        documents.set(entity, document);
        const part = new JsonObject(members);
        document.add(String(part.get('key')), part.get('value') ?? null);
      }
      // JSON has no such numbers.
      return [...fields].flatMap(([field, value]) =>
        typeof value === 'number' && !Number.isFinite(value) ? [{ field, value: String(value) }] : [],
      );
    },
    async finish() {
      for (const [entity, document] of documents) await (await writerOf(entity)).add(document);
      for (const [entity, { files, required }] of Object.entries(collections)) {
        // A file that the store need not have, and had not.
        if (required || snapshot.manifest.files.some((each) => each.path === files[0]))
          await writerOf(entity);
      }
      for (const [entity, writer] of writers) {
        await writer.close();
        const file = exportedFile(folder, system, entity);
        await rename(draftOf(file), file);
      }
    },
    async abandon() {
      for (const [entity, writer] of writers) {
        await writer.abandon();
        await rm(draftOf(exportedFile(folder, system, entity)), { force: true });
      }
    },
  };
}
