import { closeSync, openSync, writeSync } from 'node:fs';
import { indentedPythonJson, type PythonValue } from './python-json.ts';

const FLUSH_AT = 1 << 20;

/** An array or an object, written as `json.dump(…, indent=2, ensure_ascii=False)` does, a record at a time. */
export class PythonFile {
  count = 0;
  readonly #file: number;
  #waiting = '';

  constructor(
    path: string,
    private readonly brackets: '[]' | '{}',
  ) {
    this.#file = openSync(path, 'w');
  }

  /** @param key name of the record in an object */
  add(value: PythonValue, key?: string): void {
    const name = key === undefined ? '' : `${JSON.stringify(key)}: `;
    this.#waiting += `${this.count === 0 ? `${this.brackets[0]}\n` : ',\n'}  ${name}${indentedPythonJson(value, '  ')}`;
    this.count++;
    if (this.#waiting.length >= FLUSH_AT) this.#flush();
  }

  close(): void {
    this.#waiting += this.count === 0 ? this.brackets : `\n${this.brackets[1]}`;
    this.#flush();
    closeSync(this.#file);
  }

  #flush(): void {
    const bytes = Buffer.from(this.#waiting);
    for (let from = 0; from < bytes.length; ) from += writeSync(this.#file, bytes, from);
    this.#waiting = '';
  }
}
