import { JsonNumber } from './json-value.ts';

/** Members that are stored nowhere: not in a table, not in a report, not in quarantine. */
export interface LeftOut {
  /** @param value a JSON value, parsed by whatever reader, or the bytes of a text */
  has(name: string, value: unknown): boolean;
}

/** Names without signs and capitals that are hardly anything but a credential's; `max_tokens` and `tokenizer` are none. */
const NAME =
  /passw|passphrase|pwd$|(?:^|smtp|mail|db|user)pass$|secret(?!ar)|credential|apikey|privatekey|accesskey|authorization|bearer|connectionstring|webhook|cookie$|token$/;

/** A URL with a password. */
const URL_WITH_PASSWORD = /^\s*[a-z][a-z0-9+.-]*:\/\/[^/\s:@]*:[^/\s@]+@/i;

/**
 * Whether a member holds a credential: by its name, when its value could be one (numbers and truth values are none), or
 * because it is a URL with a password.
 */
export function isCredential(name: string, value: unknown): boolean {
  const text = Buffer.isBuffer(value) ? value.toString('utf8', 0, 300) : value;
  if (typeof text === 'string') {
    return text !== '' && (isCredentialName(name) || URL_WITH_PASSWORD.test(text));
  }
  return text !== null && isContainer(text) && isCredentialName(name);
}

export const isCredentialName = (name: string): boolean =>
  NAME.test(name.toLowerCase().replace(/[\s_.-]/g, ''));

/** Whether a text that nobody could parse may hold one. */
export const mayHoldCredential = (text: string): boolean =>
  /passw|passphrase|pwd|pass["']|secret|credential|api[\s_-]?key|private[\s_-]?key|access[\s_-]?key|authorization|bearer|connection[\s_-]?string|webhook|cookie|token|:\/\/[^/\s:@]*:[^/\s@]+@/i.test(
    text,
  );

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
