import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { matchesAny } from '../sources/file-pattern.ts';
import { collectionFiles } from '../sources/json-layout.ts';
import { JsonObject } from '../sources/json-value.ts';
import { fileText, JsonFileWriter } from '../sources/json-write.ts';
import { isCredentialName } from '../sources/left-out.ts';
import type { Snapshot } from '../sources/snapshot.ts';
import { type Refusal, SqliteWriter } from '../sources/sqlite-write.ts';
import { columnOf, type LegacyRecord } from './export.ts';
import { asJsonValue } from './legacy.ts';
import type { CollectionLayout, JsonLayout, SystemMapping, TableMapping } from './mapping.ts';
import { vector } from './pg-types.ts';

/** The legacy store in the making. The files get their names when they are complete. */
export interface LegacyFiles {
  /** Writes the records of one table, a block after the other. @returns what the legacy form has no place for */
  write(mapping: TableMapping, record: LegacyRecord): Promise<Refusal[]> | Refusal[];
  /** All records of all tables are written. */
  finish(): Promise<void>;
  /** Leaves nothing behind that is not complete. */
  abandon(): Promise<void>;
}

/** Where an export lays the folder that the legacy application has the store in. */
export function exportedFolder(folder: string, { name, source }: SystemMapping): string {
  return join(folder, name, source.kind === 'json' ? source.folder : '');
}

/** Where records lie that the proof compares and the export has no files for; gone when it has ended. */
export const proofFolder = (folder: string, { name }: SystemMapping): string =>
  join(folder, `.${name}.proof`);

/** Why the legacy form of a system can't be written; undefined when it can. */
export function noExport({ source, tables }: SystemMapping): string | undefined {
  if (source.kind === 'sqlite') return undefined;
  const reasons: string[] = [];
  if (tables.some(({ fields }) => fields.some(({ type }) => type === vector)))
    reasons.push('vectors are stored in single precision, so that theirs are not the numbers of the files');
  if (source.database) reasons.push('a part of the store is a database');
  const others = tables.filter((mapping) => {
    const collection = source.collections[mapping.entity]!;
    const { records = 'elements', each, partsOr, keyedBy } = collection;
    if (mapping.repeats !== undefined || records === 'file') return false;
    const parts = tables.filter(({ entity, repeats }) => entity === mapping.entity && !repeats);
    if (parts.length > 1 && (records !== 'members' || parts.some((part) => !columnOf(part, '$key'))))
      return true;
    if (records === 'members' && (columnOf(mapping, '$key') === undefined || partsOr !== undefined))
      return true;
    if (keyedBy !== undefined && columnOf(mapping, '$key') === undefined) return true;
    return each !== undefined || (columnOf(mapping, '$file') ?? homeOf(collection)) === undefined;
  });
  // What the reasons are not about is not worth a word beside them.
  if (reasons.length === 0 && others.length > 0) {
    const names = new Set(others.map(({ entity }) => entity));
    reasons.push(`the rows don't say which files these were in: ${[...names].join(', ')}`);
  }
  return reasons.length > 0 ? reasons.join(', and ') : undefined;
}

const draftOf = (file: string) => `${file}.part`;

/** @param folder where the export goes: `<folder>/<system>/…` as the legacy application has it */
export async function createLegacyFiles(
  folder: string,
  system: SystemMapping,
  snapshot: Snapshot,
): Promise<LegacyFiles> {
  if (system.source.kind === 'json') return new JsonFiles(folder, system, snapshot);
  const file = join(exportedFolder(folder, system), system.source.file);
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

/** Writes the records of JSON collections, each into the file that it names or that the application has it in. */
class JsonFiles implements LegacyFiles {
  readonly #layout: JsonLayout;
  readonly #root: string;
  readonly #proof: string;
  /** Every file that has a draft. */
  readonly #drafts = new Set<string>();
  /** The file that records of a collection go into now; the records of one file come together. */
  readonly #open = new Map<string, { readonly file: string; readonly writer: JsonFileWriter }>();
  /** Documents whose members are the records, by collection and file. */
  readonly #documents = new Map<string, { entity: string; file: string; document: JsonObject }>();

  constructor(
    folder: string,
    private readonly system: SystemMapping,
    private readonly snapshot: Snapshot,
  ) {
    if (system.source.kind !== 'json') throw new Error(`${system.name} has no collections`);
    this.#layout = system.source;
    this.#root = exportedFolder(folder, system);
    this.#proof = proofFolder(folder, system);
  }

  async write(mapping: TableMapping, record: LegacyRecord): Promise<Refusal[]> {
    const { entity } = mapping;
    const collection = this.#layout.collections[entity]!;
    const members = Array.from(record.fields, ([key, value]) => [key, asJsonValue(value) ?? null] as const);
    const document = new JsonObject(members);
    if (!isWritten(mapping, collection) || record.without?.length) {
      const place = Array.from(record.place, ([key, value]) => [key, asJsonValue(value) ?? null] as const);
      const without = [...(record.without ?? [])];
      const entry = new JsonObject([
        ['place', new JsonObject(place)],
        ['record', document],
        ['without', without],
      ]);
      await (await this.#writer(join(this.#proof, `${entity}.json`), 'array', entity)).add(entry);
      return [];
    }
    const name = fileOf(collection, record);
    if (typeof name !== 'string') return [name];
    const file = join(this.#root, name);
    const refused = await this.#add(mapping, collection, file, document, record);
    // JSON has no such numbers; where its writer has tokens for them, the store has null and a note.
    const numbers = [...record.fields].flatMap(([field, value]) =>
      typeof value === 'number' && !Number.isFinite(value) ? [{ field, value: String(value) }] : [],
    );
    return [...refused, ...numbers];
  }

  async #add(
    mapping: TableMapping,
    collection: CollectionLayout,
    file: string,
    document: JsonObject,
    record: LegacyRecord,
  ): Promise<Refusal[]> {
    const { entity } = mapping;
    const { records = 'elements', partsOr, keyedBy } = collection;
    if (partsOr !== undefined) {
      const key = String(document.get('key'));
      const value = document.get('value') ?? null;
      // Its value was never stored.
      if (value === null && isCredentialName(key)) return [];
      const id = `${entity} ${file}`;
      const parts = this.#documents.get(id) ?? { entity, file, document: new JsonObject() };
      this.#documents.set(id, parts);
      parts.document.add(key, value);
      return [];
    }
    const key = record.place.get('$key');
    if (records === 'elements' || records === 'any')
      await (await this.#writer(file, 'array', entity)).add(document);
    else if (records === 'members' || (keyedBy !== undefined && typeof key === 'string')) {
      const open = this.#open.get(`${entity} `);
      if (open?.file !== file && this.#drafts.has(file)) return [twoForms(file)];
      await (await this.#writer(file, 'object', entity)).add(document, String(key));
    } else {
      if (this.#drafts.has(file)) return [twoForms(file)];
      await this.#draft(file);
      await writeFile(draftOf(file), fileText(document, this.#layout.writtenBy), {
        flag: 'wx',
        mode: 0o600,
      });
    }
    return [];
  }

  async #writer(file: string, shape: 'array' | 'object', entity: string): Promise<JsonFileWriter> {
    const place = `${entity} ${dirname(file) === this.#proof ? 'proof' : ''}`;
    const open = this.#open.get(place);
    if (open?.file === file) return open.writer;
    await open?.writer.close();
    if (this.#drafts.has(file)) throw new Error(`${file}: its records don't stand together`);
    await this.#draft(file);
    const writer = await JsonFileWriter.create(draftOf(file), shape, this.#layout.writtenBy);
    this.#open.set(place, { file, writer });
    return writer;
  }

  async #draft(file: string): Promise<void> {
    await mkdir(dirname(file), { recursive: true });
    await rm(draftOf(file), { force: true });
    this.#drafts.add(file);
  }

  async finish(): Promise<void> {
    for (const { entity, file, document } of this.#documents.values()) {
      if (this.#layout.collections[entity]!.records === 'document') {
        await this.#draft(file);
        await writeFile(draftOf(file), fileText(document, this.#layout.writtenBy), {
          flag: 'wx',
          mode: 0o600,
        });
      } else await (await this.#writer(file, 'array', entity)).add(document);
    }
    await this.#writeEmpty();
    for (const { writer } of this.#open.values()) await writer.close();
    for (const file of this.#drafts) await rename(draftOf(file), file);
  }

  /** Files without a record are there, too, unless the store need not have them, and had not. */
  async #writeEmpty(): Promise<void> {
    const stored = [...this.snapshot.files.paths()];
    for (const mapping of this.system.tables) {
      const collection = this.#layout.collections[mapping.entity]!;
      const { records = 'elements', required } = collection;
      if (!isWritten(mapping, collection) || records === 'document') continue;
      const had = collectionFiles(this.#layout, collection, stored);
      const home = homeOf(collection);
      const wanted = columnOf(mapping, '$file') ? had : had.length > 0 || required ? [home] : [];
      for (const name of wanted) {
        const file = join(this.#root, name ?? '');
        if (name === undefined || this.#drafts.has(file)) continue;
        await this.#writer(file, records === 'members' ? 'object' : 'array', mapping.entity);
      }
    }
  }

  async abandon(): Promise<void> {
    for (const { writer } of this.#open.values()) await writer.abandon().catch(() => {});
    for (const file of this.#drafts) await rm(draftOf(file), { force: true });
    await rm(this.#proof, { recursive: true, force: true });
  }
}

const twoForms = (file: string): Refusal => ({ value: `${basename(file)} has another record already` });

/** The records of other tables go to the proof alone: their content is in a file already, or was never stored. */
export const isWritten = ({ repeats }: TableMapping, { records }: CollectionLayout): boolean =>
  repeats === undefined && records !== 'file';

/** Where the application has the records of a collection that don't name their file. */
export function homeOf({ home, files }: CollectionLayout): string | undefined {
  return home ?? (files.length === 1 && !/[*{[]/.test(files[0]!) ? files[0] : undefined);
}

/** The file of a record, which must be one that a load would find again. */
function fileOf(collection: CollectionLayout, { place, fields }: LegacyRecord): string | Refusal {
  const named = place.get('$file');
  const key = String(fields.get(collection.keyedBy ?? '') ?? '');
  const name = named ?? homeOf(collection)?.replace('*', encodeURIComponent(key));
  const steps = typeof name === 'string' ? name.split('/') : [];
  const isPlain = steps.every((step) => step !== '' && step !== '.' && step !== '..' && !/[\\\0]/.test(step));
  if (typeof name === 'string' && isPlain && matchesAny(collection.files, name)) return name;
  return { field: '$file', value: typeof name === 'string' ? name : 'no file' };
}
