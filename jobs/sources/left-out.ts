import { JsonNumber } from './json-value.ts';

/** Members that are stored nowhere: not in a table, not in a report, not in quarantine. */
export interface LeftOut {
  /** @param value a JSON value, parsed by whatever reader, or the bytes of a text */
  has(name: string, value: unknown): boolean;
}

/** Signs that names of one meaning differ in. */
const plain = (text: string) => text.toLowerCase().replace(/[\s_.-]/g, '');

/** What hardly anything but a credential is called, in small letters without signs. */
const WORDS =
  'passw|passphrase|credential|apikey|privatekey|accesskey|authorization|bearer|connectionstring|webhook';

/** `max_tokens`, `tokenizer` and `secretary` are none. */
const NAME = new RegExp(`${WORDS}|secret(?!ar)|(?:pwd|(?:^|smtp|mail|db|user)pass|cookie|token)$`);

/** The same where names don't begin and end. */
const IN_TEXT = new RegExp(`${WORDS}|secret|pwd|pass["']|cookie|token`);

/** A URL with a password. */
const URL_WITH_PASSWORD = /^\s*[a-z][a-z0-9+.-]*:\/\/[^/\s:@]*:[^/\s@]+@/i;

/**
 * Whether a member holds a credential: by its name, when its value could be one (numbers and truth values are none), or
 * because it is a URL with a password.
 */
export function isCredential(name: string, value: unknown): boolean {
  const text = Buffer.isBuffer(value) ? value.toString('utf8', 0, 300) : value;
  if (typeof text === 'string') {
    return text !== '' && (isCredentialName(name) || (text.includes('@') && URL_WITH_PASSWORD.test(text)));
  }
  return text !== null && isContainer(text) && isCredentialName(name);
}

/** What was said of the names seen so far: the records of a file mostly have the same ones. */
const known = new Map<string, boolean>();
const MOST_KNOWN = 10_000;

export function isCredentialName(name: string): boolean {
  let is = known.get(name);
  if (is === undefined) {
    is = NAME.test(plain(name));
    if (known.size >= MOST_KNOWN) known.clear();
    known.set(name, is);
  }
  return is;
}

/** Whether a text that nobody could parse may hold one. */
export const mayHoldCredential = (text: string): boolean =>
  IN_TEXT.test(plain(text)) || /:\/\/[^/\s:@]*:[^/\s@]+@/.test(text);

/** Arrays and objects, of whatever reader; numbers of ours are objects, too. */
const isContainer = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !(value instanceof JsonNumber);

/** Credentials, and the members of these names. */
export class LeftOutMembers implements LeftOut {
  constructor(private readonly names: Readonly<Record<string, string>> = {}) {}

  has(name: string, value: unknown): boolean {
    return Object.hasOwn(this.names, name) || isCredential(name, value);
  }
}
