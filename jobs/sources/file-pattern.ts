const compiled = new Map<string, RegExp>();

/**
 * Whether the name of a file, with `/` between its folders, matches a pattern: `*` is anything within one name, `**` any
 * number of folders, `{a,b}` one of these texts, `[0-9a-f]{64}` so many of these characters.
 */
export function matchesPattern(pattern: string, name: string): boolean {
  const expression = compiled.get(pattern) ?? expressionOf(pattern);
  compiled.set(pattern, expression);
  return expression.test(name);
}

export function matchesAny(patterns: readonly string[], name: string): boolean {
  return patterns.some((pattern) => matchesPattern(pattern, name));
}

const TOKEN = /\*\*\/|\*|(\[[^\]]+\](?:\{\d+\})?)|\{([^}]+)\}|[\s\S]/g;

function expressionOf(pattern: string): RegExp {
  const source = pattern.replace(TOKEN, (token, characters?: string, choice?: string) => {
    if (token === '**/') return '(?:[^/]+/)*';
    if (token === '*') return '[^/]*';
    if (characters !== undefined) return characters;
    if (choice !== undefined) return `(?:${choice.split(',').map(literal).join('|')})`;
    return literal(token);
  });
  return new RegExp(`^${source}$`, 'u');
}

const literal = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
