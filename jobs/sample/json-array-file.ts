import { closeSync, openSync, writeSync } from 'node:fs';
import type { Mark } from './manifest.ts';

/** A document; the order of its keys is the order in the file. */
export type Document = { [key: string]: unknown };

/** A document with what it shows. `edit` changes its text, for what `JSON.stringify` cannot write. */
export interface Planted {
  document: Document;
  marks: readonly Mark[];
  edit?: (text: string) => string;
}

const FLUSH_AT = 1 << 20;

/** Writes a collection as the legacy server does: `JSON.stringify(array, null, 2)`, a document at a time. */
export class JsonArrayFile {
  count = 0;
  readonly #file: number;
  #waiting = '';

  constructor(path: string) {
    this.#file = openSync(path, 'w');
  }

  add(document: Document, edit: (text: string) => string = (text) => text): void {
    // Within an array, for the depth of the indent; without its first and last line break and bracket.
    const text = edit(JSON.stringify([document], null, 2).slice(2, -2));
    this.#waiting += `${this.count === 0 ? '[\n' : ',\n'}${text}`;
    this.count++;
    if (this.#waiting.length >= FLUSH_AT) this.#flush();
  }

  close(): void {
    this.#waiting += this.count === 0 ? '[]' : '\n]';
    this.#flush();
    closeSync(this.#file);
  }

  #flush(): void {
    const bytes = Buffer.from(this.#waiting);
    for (let from = 0; from < bytes.length; ) from += writeSync(this.#file, bytes, from);
    this.#waiting = '';
  }
}
