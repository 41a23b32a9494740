/** V12: other names of a model, as `sql/harca` has them. `default` is what a setting of that time said: nobody's alias. */
export const MODEL_ALIASES: ReadonlyMap<string, string> = new Map([
  ['openai-ada-002', 'text-embedding-ada-002'],
  ['openai-3-small', 'text-embedding-3-small'],
  ['openai-3-large', 'text-embedding-3-large'],
  ['local-minilm', 'all-MiniLM-L6-v2'],
  ['local-mpnet', 'all-mpnet-base-v2'],
]);

export const canonicalModel = (name: string): string => MODEL_ALIASES.get(name) ?? name;

/** The model of a store that doesn't say by which its vectors were made. */
export const UNKNOWN_MODEL = 'unknown';
