const INSTANT = /^(\d{4}-\d\d-\d\dT\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:?\d\d)$/;

/** An instant that names its zone, in one spelling; undefined for any other text. */
function instantOf(text: string): string | undefined {
  const match = INSTANT.exec(text);
  const minute = match ? Date.parse(`${match[1]}:00${match[4]}`) : Number.NaN;
  if (!match || Number.isNaN(minute)) return undefined;
  return `${minute} ${match[2] ?? '00'}.${(match[3] ?? '').replace(/0+$/, '')}`;
}

export interface LooseDifference {
  /** Members and elements on the way: `venue.name`, `tags[2]`; empty for the document itself. */
  readonly path: string;
  /** JSON text; null where there is nothing. */
  readonly a: string | null;
  readonly b: string | null;
}

/**
 * All differences of two parsed documents. The same are: objects whatever the order of their keys, numbers of one value
 * (0 and -0 too), texts that name one instant with its zone. A null is not the same as nothing.
 */
export function looseDifferences(a: unknown, b: unknown, path = ''): LooseDifference[] {
  if (sameScalar(a, b)) return [];
  if (Array.isArray(a) && Array.isArray(b)) {
    return range(Math.max(a.length, b.length)).flatMap((i) => looseDifferences(a[i], b[i], `${path}[${i}]`));
  }
  if (isObject(a) && isObject(b)) {
    const names = new Set([...Object.keys(a), ...Object.keys(b)]);
    const own = (of: Record<string, unknown>, name: string) =>
      Object.hasOwn(of, name) ? of[name] : undefined;
    return [...names].flatMap((name) =>
      looseDifferences(own(a, name), own(b, name), path === '' ? name : `${path}.${name}`),
    );
  }
  return [{ path, a: shown(a), b: shown(b) }];
}

function sameScalar(a: unknown, b: unknown): boolean {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return true;
  if (typeof a === 'string' && typeof b === 'string') {
    const instant = instantOf(a);
    return instant !== undefined && instant === instantOf(b);
  }
  // A long integer may be written as a float on the other side.
  if (typeof a === 'bigint' && typeof b === 'number') return Number.isInteger(b) && BigInt(b) === a;
  if (typeof a === 'number' && typeof b === 'bigint') return Number.isInteger(a) && BigInt(a) === b;
  return false;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

const range = (length: number) => Array.from({ length }, (_, i) => i);

export function shown(value: unknown): string | null {
  if (value === undefined) return null;
  return JSON.stringify(value, (_key, each) =>
    typeof each === 'bigint' || (typeof each === 'number' && !Number.isFinite(each)) ? String(each) : each,
  );
}

/** A text that two values share if and only if {@link looseDifferences} finds nothing between them. */
export function looseText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(looseText).join()}]`;
  if (isObject(value)) {
    const names = Object.keys(value).sort();
    return `{${names.map((name) => `${JSON.stringify(name)}:${looseText(value[name])}`).join()}}`;
  }
  if (typeof value === 'number') {
    return Number.isInteger(value) ? String(BigInt(value)) : String(value);
  }
  if (typeof value !== 'string') return String(value);
  const instant = instantOf(value);
  return instant === undefined ? JSON.stringify(value) : `<${instant}>`;
}
