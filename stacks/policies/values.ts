/** A resource as the rules see it: from a program, a policy pack, a preview or a graph. */
export interface PolicyResource {
  readonly type: string;
  readonly name: string;
  /** Inputs. Secrets may read `[secret]`; what is not known yet is one of the engine's sentinels. */
  readonly props: Readonly<Record<string, unknown>>;
  readonly protect?: boolean | undefined;
  /** `type name` of the resources that must be there first. */
  readonly dependsOn?: readonly string[] | undefined;
}

export interface PolicyOptions {
  readonly environment: 'dev' | 'prod';
  /** The stack's own `protect`. */
  readonly protect: boolean;
}

export interface Rule {
  readonly name: string;
  /** Why it is a rule, and the fix. */
  readonly description: string;
  /** @returns what is wrong, in words without the values themselves; empty: nothing */
  readonly check: (resource: PolicyResource, options: PolicyOptions) => string[];
}

/** A rule that one resource alone can't tell. */
export interface StackRule {
  readonly name: string;
  readonly description: string;
  /** Looks only at what the resource depends on, so it can be asked before the resource is made. Default: false. */
  readonly early?: boolean;
  /** What is wrong with one resource beside all of them. */
  readonly check: (
    resource: PolicyResource,
    all: readonly PolicyResource[],
    options: PolicyOptions,
  ) => string[];
}

/** What Pulumi puts in place of a value that only an update will know: sdk/go/common/resource/plugin/rpc.go. */
export const UNKNOWN = '04da6b54-80e4-46f7-96ec-b56ff0331ba9';
const UNKNOWNS: readonly unknown[] = [
  UNKNOWN,
  '1c4a061d-8072-4f0a-a4cb-0ff528b18fe7',
  '3eeb2bf0-c639-47a8-9e75-3b44932eb421',
  '6a19a0b0-7e62-4c92-b797-7f8e31da9cc2',
  '030794c1-ac77-496b-92df-f27374a8bd58',
  'e48ece36-62e2-4504-bad9-02848725956a',
  'dd056dcd-154b-4c76-9bd3-c8f88648b5ff',
];

/** Whether an update will know the value, and ask the rules again. A value that is missing is not unknown. */
export const isUnknown = (value: unknown): boolean => UNKNOWNS.includes(value);

/** The value at a path of keys (`spec.template.spec`); undefined where one is missing, unknown where one is. */
export function at(value: unknown, path: string): unknown {
  let found = value;
  for (const key of path.split('.')) {
    if (isUnknown(found)) return UNKNOWN;
    found = typeof found === 'object' ? (found as Record<string, unknown> | null)?.[key] : undefined;
  }
  return found;
}

/** The list at a path; empty where there is none, and where it is unknown. */
export function listAt(value: unknown, path: string): readonly unknown[] {
  const found = at(value, path);
  return Array.isArray(found) ? found : [];
}

/** What a value must be. */
export interface Wish {
  readonly text: string;
  readonly holds: (value: unknown) => boolean;
}
export const exactly = (expected: unknown): Wish => ({
  text: JSON.stringify(expected),
  holds: (value) => value === expected,
});
export const oneOf = (...expected: readonly unknown[]): Wish => ({
  text: expected.map((each) => JSON.stringify(each)).join(' or '),
  holds: (value) => expected.includes(value),
});
export const atLeast = (least: number): Wish => ({
  text: `at least ${least}`,
  holds: (value) => typeof value === 'number' && value >= least,
});
export const given: Wish = {
  text: 'given',
  holds: (value) => value !== undefined && value !== null && value !== '',
};
export const absent: Wish = { text: 'absent', holds: (value) => value === undefined || value === null };
/** False by default. */
export const notTrue: Wish = { text: 'false', holds: (value) => absent.holds(value) || value === false };

/** What of the wishes, by path, does not hold. What is unknown holds. */
export function unmet(props: unknown, wishes: Readonly<Record<string, Wish>>): string[] {
  return Object.entries(wishes)
    .filter(([path, wish]) => {
      const value = at(props, path);
      return !isUnknown(value) && !wish.holds(value);
    })
    .map(([path, { text }]) => `${path} must be ${text}`);
}
