import { type FileHandle, open } from 'node:fs/promises';
import { JsonNumber, JsonObject } from './json-value.ts';
import type { Raw } from './source.ts';

/** How a legacy writer lays out JSON. */
interface Layout {
  /** Blanks a level; absent: all in one line. */
  readonly indent?: number;
  /** Between elements in one line. */
  readonly comma: string;
  /** Everything beyond ASCII as `\uXXXX`. */
  readonly ascii: boolean;
  /** Whether the legacy reader knows the tokens `NaN` and `Infinity`; else null stands in their place. */
  readonly nonFinite: boolean;
}

/** `json.dumps` of Python as SQLAlchemy calls it. */
const PYTHON: Layout = { comma: ', ', ascii: true, nonFinite: true };

/** `JSON.stringify(value, null, 2)`; `JSON.parse` refuses the tokens that Python writes. */
const JAVASCRIPT: Layout = { indent: 2, comma: ',', ascii: false, nonFinite: false };

/** One line, as Python writes it: `{"a": [1, NaN], "\u540d": null}`. */
export function pythonJson(value: Raw): string {
  return write(value, PYTHON, 0);
}

/** Indented by two, as JavaScript writes it; numbers keep their digits. */
export function javascriptJson(value: Raw, level = 0): string {
  return write(value, JAVASCRIPT, level);
}

function write(value: Raw, layout: Layout, level: number): string {
  if (value instanceof JsonNumber) return value.isFinite || layout.nonFinite ? value.text : 'null';
  if (typeof value === 'number') {
    if (Object.is(value, -0)) return '-0.0';
    return Number.isFinite(value) || layout.nonFinite ? String(value) : 'null';
  }
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) {
    return enclosed(
      '[',
      ']',
      value.map((each) => write(each, layout, level + 1)),
      layout,
      level,
    );
  }
  if (value instanceof JsonObject) {
    const members = Array.from(
      value,
      ([key, each]) => `${text(key, layout)}: ${write(each, layout, level + 1)}`,
    );
    return enclosed('{', '}', members, layout, level);
  }
  if (typeof value === 'string') return text(value, layout);
  return JSON.stringify(value ?? null);
}

function enclosed(
  open: string,
  close: string,
  parts: string[],
  { indent, comma }: Layout,
  level: number,
): string {
  if (parts.length === 0 || indent === undefined) return `${open}${parts.join(comma)}${close}`;
  const line = `\n${' '.repeat(indent * (level + 1))}`;
  return `${open}${line}${parts.join(`${comma}${line}`)}\n${' '.repeat(indent * level)}${close}`;
}

function text(value: string, { ascii }: Layout): string {
  const quoted = JSON.stringify(value);
  if (!ascii) return quoted;
  return quoted.replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

const BUFFERED = 1 << 20;

/** Who wrote the files of a store. */
export type WrittenBy = 'python' | 'javascript';

/** `json.dump(value, file, ensure_ascii=False, indent=2)`. */
const PYTHON_FILE: Layout = { indent: 2, comma: ',', ascii: false, nonFinite: true };

/** A whole file, indented by two, without a newline at the end. */
export function fileText(value: Raw, by: WrittenBy = 'javascript', level = 0): string {
  return write(value, by === 'python' ? PYTHON_FILE : JAVASCRIPT, level);
}

/** Writes an array of documents, or an object of them, one by one: indent 2, no newline at the end. */
export class JsonFileWriter {
  #text: string;
  #any = false;

  private constructor(
    private readonly handle: FileHandle,
    private readonly shape: 'array' | 'object',
    private readonly by: WrittenBy,
  ) {
    this.#text = shape === 'array' ? '[' : '{';
  }

  /** @param file must not exist */
  static async create(
    file: string,
    shape: 'array' | 'object' = 'array',
    by: WrittenBy = 'javascript',
  ): Promise<JsonFileWriter> {
    return new JsonFileWriter(await open(file, 'wx', 0o600), shape, by);
  }

  /** @param key of the member, in an object */
  async add(document: JsonObject, key = ''): Promise<void> {
    const name = this.shape === 'object' ? `${JSON.stringify(key)}: ` : '';
    this.#text += `${this.#any ? ',' : ''}\n  ${name}${fileText(document, this.by, 1)}`;
    this.#any = true;
    if (this.#text.length > BUFFERED) await this.#flush();
  }

  async close(): Promise<void> {
    try {
      this.#text += `${this.#any ? '\n' : ''}${this.shape === 'array' ? ']' : '}'}`;
      await this.#flush();
      await this.handle.sync();
    } finally {
      await this.handle.close();
    }
  }

  /** Leaves the file as it is. */
  async abandon(): Promise<void> {
    await this.handle.close();
  }

  async #flush(): Promise<void> {
    const text = this.#text;
    this.#text = '';
    await this.handle.writeFile(text);
  }
}
