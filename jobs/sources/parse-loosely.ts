/** A string, a number, or one of the bare tokens that Python writes and `JSON.parse` refuses. */
const STRING_OR_TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\b(?:NaN|Infinity)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Without these nothing is to be replaced, which takes several times the text's size. */
const SUSPICIOUS = /NaN|Infinity|\d{16}/;

/** So many digits a double holds, whatever they are. */
const SAFE_DIGITS = 15;

/**
 * Reads JSON by JavaScript's own parser, with nothing of our reader: `NaN` and infinities are null, or the numbers that
 * they say where `tokens` is set, and an integer of more digits than a double holds is a bigint.
 */
export function parseLoosely(text: string, tokens = false): unknown {
  const whole = text.replace(/^\uFEFF/, '');
  if (!SUSPICIOUS.test(whole)) return JSON.parse(whole);
  let long = false;
  const plain = whole.replace(STRING_OR_TOKEN, (token) => {
    if (token.startsWith('"')) return token;
    if (/[NI]/.test(token)) {
      if (!tokens) return 'null';
      long = true;
      return `{${JSON.stringify(TOKEN)}:"${token}"}`;
    }
    if (token.length <= SAFE_DIGITS || !/^-?\d+$/.test(token)) return token;
    long = true;
    return `{${JSON.stringify(LONG)}:"${token}"}`;
  });
  // A reviver takes several times the memory, and is hardly ever needed.
  if (!long) return JSON.parse(plain);
  return JSON.parse(plain, (_key, value) => {
    if (value === null || typeof value !== 'object') return value;
    if (LONG in value) return BigInt(value[LONG]);
    return TOKEN in value ? Number(value[TOKEN]) : value;
  });
}

/** A key that no document has: what could not be stored is not compared. */
const LONG = '\0integer';
const TOKEN = '\0token';
