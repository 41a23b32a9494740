import { pathToFileURL } from 'node:url';

/** A file as SQLite opens it for reading only; the driver's own option `readonly` is not heeded. */
export function readOnlyUri(file: string): string {
  return `${pathToFileURL(file).href}?mode=ro`;
}
