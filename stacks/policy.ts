import type { GraphNode } from './graph.ts';
import { GATE_RULES } from './policies/gate.ts';
import { NETWORK_RULES } from './policies/network.ts';
import { POD_RULES } from './policies/pods.ts';
import { REDIS_RULES } from './policies/redis.ts';
import { STORE_RULES, STORE_STACK_RULES } from './policies/stores.ts';
import type { PolicyOptions, PolicyResource, Rule, StackRule } from './policies/values.ts';

export type { PolicyOptions, PolicyResource, Rule, StackRule };

/**
 * What every resource must be. The same rules run in the program (stacks/enforce.ts), as a policy pack (policy/), over the
 * JSON of a preview (stacks/preview-check.ts) and over the graphs of the tests.
 */
export const RULES: readonly Rule[] = [...STORE_RULES, ...REDIS_RULES, ...NETWORK_RULES, ...POD_RULES];

/** What only all resources together tell. */
export const STACK_RULES: readonly StackRule[] = [...GATE_RULES, ...STORE_STACK_RULES];

export interface Violation {
  /** `type name` of the resource. */
  readonly resource: string;
  readonly rule: Rule | StackRule;
  /** What is wrong, without any value. */
  readonly message: string;
}

/** @returns every violation of a rule by one resource */
export function checkResource(resource: PolicyResource, options: PolicyOptions): Violation[] {
  return RULES.flatMap((rule) => violationsOf(resource, rule, rule.check(resource, options)));
}

/**
 * What can be said of a resource before it is made.
 * @param before the resources that were made before it
 */
export function checkEarly(
  resource: PolicyResource,
  before: readonly PolicyResource[],
  options: PolicyOptions,
): Violation[] {
  return [
    ...checkResource(resource, options),
    ...STACK_RULES.filter(({ early }) => early).flatMap((rule) =>
      violationsOf(resource, rule, rule.check(resource, before, options)),
    ),
  ];
}

/** @returns every violation of a rule over all resources of a stack */
export function checkStack(all: readonly PolicyResource[], options: PolicyOptions): Violation[] {
  return STACK_RULES.flatMap((rule) =>
    all.flatMap((resource) => violationsOf(resource, rule, rule.check(resource, all, options))),
  );
}

/** @returns every violation of every rule */
export function checkAll(all: readonly PolicyResource[], options: PolicyOptions): Violation[] {
  return [...all.flatMap((resource) => checkResource(resource, options)), ...checkStack(all, options)];
}

const violationsOf = ({ type, name }: PolicyResource, rule: Rule | StackRule, messages: string[]) =>
  messages.map((message) => ({ resource: `${type} ${name}`, rule, message }));

/** How a program says that it violates rules. */
export const REFUSAL = 'The stack violates its rules';

/** The violations as people read them: each with its rule, and once for each rule why and how to mend it. */
export function described(violations: readonly Violation[]): string {
  const rules = new Set(violations.map(({ rule }) => rule));
  return [...rules]
    .map((rule) =>
      [
        `${rule.name}: ${rule.description}`,
        ...violations
          .filter((each) => each.rule === rule)
          .map(({ resource, message }) => `  ${resource}: ${message}`),
      ].join('\n'),
    )
    .join('\n');
}

/** What stacks/graph.ts found, as the rules take it. Resources that are only read are not the stack's. */
export const fromGraph = (nodes: readonly GraphNode[]): PolicyResource[] =>
  nodes.flatMap(({ type, name, inputs, protect, dependsOn, reads }) =>
    reads === undefined ? [{ type, name, props: inputs, protect, dependsOn }] : [],
  );
