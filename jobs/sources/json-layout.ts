import type { CollectionLayout, JsonLayout, SourceLayout } from '../engine/mapping.ts';
import type { FileList } from './file-list.ts';
import { matchesAny, matchesPattern } from './file-pattern.ts';

/** How the records of one file are found. */
export type FileShape = Pick<CollectionLayout, 'records' | 'keyedBy' | 'each' | 'partsOr'>;

/** Whether a file is taken as a whole: one that is damaged is a record in quarantine, and no reason to refuse the store. */
export const isReadWhole = (records: CollectionLayout['records']): boolean =>
  records === 'document' || records === 'any' || records === 'file';

/**
 * The files of a collection among those of a store, in order of their names: those of the first pattern that has any. Where
 * the living database was copied, what it could have is not taken from elsewhere.
 */
export function collectionFiles(
  layout: JsonLayout,
  collection: CollectionLayout,
  files: readonly string[],
): string[] {
  const path = (place: number) => files[place]!;
  return collectionPlaces(layout, collection, { length: files.length, path }).map(path);
}

/** The same of files whose names are made when they are asked for: their places. */
export function collectionPlaces(
  layout: JsonLayout,
  collection: CollectionLayout,
  files: Pick<FileList, 'length' | 'path'>,
): number[] {
  const places = function* (is: (name: string) => boolean) {
    for (let place = 0; place < files.length; place++) if (is(files.path(place))) yield place;
  };
  const living = layout.database && `${layout.database.name}/`;
  const ofLiving = collection.files.filter((pattern) => living !== undefined && pattern.startsWith(living));
  const isCopied = ofLiving.length > 0 && !places((name) => name.startsWith(living!)).next().done;
  for (const pattern of isCopied ? ofLiving : collection.files) {
    const found = [...places((name) => matchesPattern(pattern, name))];
    if (found.length > 0) return inOrder(found, (place) => files.path(place));
  }
  return [];
}

/** Places in order of what they are sorted by; as they mostly are, the names are not kept unless it must be. */
export function inOrder(places: number[], nameOf: (place: number) => string): number[] {
  let last = '';
  const isInOrder = places.every((place) => {
    const before = last;
    last = nameOf(place);
    return before <= last;
  });
  if (isInOrder) return places;
  const named = places.map((place) => ({ place, name: nameOf(place) }));
  named.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return named.map(({ place }) => place);
}

/** What a table of a living database was written as is one array, whatever the collection's other files are. */
export function shapeOf(layout: JsonLayout, collection: CollectionLayout, file: string): FileShape {
  return layout.database && file.startsWith(`${layout.database.name}/`) ? {} : collection;
}

/** Why a file is known to be no source; undefined for one that nothing is known of. */
export function reasonOf(layout: SourceLayout, file: string): string | undefined {
  return reasonIn(layout.around, file);
}

/** Files of a store that no collection reads, each with the reason; undefined for one that nothing is known of. */
export function unreadFiles(layout: JsonLayout, files: readonly string[]): Map<string, string | undefined> {
  const collections = Object.values(layout.collections);
  const read = new Set(collections.flatMap((each) => collectionFiles(layout, each, files)));
  const superseded = (file: string) => collections.some((each) => matchesAny(each.files, file));
  return new Map(
    files
      .filter((file) => !read.has(file))
      .map((file) => [file, superseded(file) ? 'another file is the source in its place' : undefined]),
  );
}

/** Files that hold credentials by their names, in whatever store; in small letters. */
const CREDENTIAL_FILES = [
  '**/.env*',
  '**/*.env',
  '**/*{credential,secret}*',
  '**/*{credential,secret}*/**/*',
  '**/*.{pem,key,p12,pfx}',
  '**/id_{rsa,ed25519,ecdsa}*',
];

/** Why a file must not even be opened; undefined for one that may. */
export function refusal(layout: SourceLayout, file: string): string | undefined {
  const own = layout.kind === 'json' ? reasonIn(layout.refused, file) : undefined;
  if (own !== undefined) return own;
  return matchesAny(CREDENTIAL_FILES, file.toLowerCase()) ? 'credentials by its name' : undefined;
}

/** The reason that goes with the first pattern which matches. */
const reasonIn = (reasons: Readonly<Record<string, string>> = {}, file: string): string | undefined =>
  Object.entries(reasons).find(([pattern]) => matchesPattern(pattern, file))?.[1];
