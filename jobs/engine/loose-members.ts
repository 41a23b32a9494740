import { parseLoosely } from '../sources/parse-loosely.ts';

export interface LooseMember {
  readonly key: string;
  readonly value: unknown;
  /** As the ledger names it: `usage.json["key"]`, of a key that was there before with ` at byte 123` after it. */
  readonly locator: string;
}

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]/g;

/**
 * All members of the object that a text holds, those too of which `JSON.parse` would keep only the last of a name. Their
 * values are read by {@link parseLoosely}.
 *
 * @param file name for the locators
 */
export function membersIn(text: string, file: string, tokens: boolean): LooseMember[] {
  const members: LooseMember[] = [];
  const seen = new Set<string>();
  let depth = 0;
  let key: string | undefined;
  let last = '';
  let start = -1;
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (depth === 1 && start < 0 && token === ':') {
      key = JSON.parse(last) as string;
      start = index + 1;
    } else if (depth === 1 && start >= 0 && (token === ',' || token === '}')) {
      const value = text.slice(start, index);
      const blanks = value.length - value.trimStart().length;
      const again = seen.has(key!) ? ` at byte ${Buffer.byteLength(text.slice(0, start + blanks))}` : '';
      seen.add(key!);
      const locator = `${file}[${JSON.stringify(key)}]${again}`;
      members.push({ key: key!, value: parseLoosely(value, tokens), locator });
      start = -1;
    }
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    last = token;
  }
  return members;
}
