import * as pulumi from '@pulumi/pulumi';
import * as runtime from '@pulumi/pulumi/runtime/settings.js';
import { labelOf, SECRET } from './graph.ts';
import { UNKNOWN } from './policies/values.ts';
import {
  checkAll,
  checkEarly,
  described,
  type PolicyOptions,
  type PolicyResource,
  REFUSAL,
  type Violation,
} from './policy.ts';
import { Refusal } from './refusal.ts';

/** What the SDK has and does not declare. */
const { waitForRPCs } = runtime as unknown as { waitForRPCs: () => Promise<void> };
interface OutputInternals {
  readonly isKnown: Promise<boolean>;
  readonly isSecret: Promise<boolean>;
  readonly promise: () => Promise<unknown>;
}
const internals = (output: unknown) => output as OutputInternals;

/**
 * Runs a program under the rules of stacks/policy.ts, with no tool beside Pulumi: a preview names every violation at once,
 * and an update makes nothing that violates a rule. Mocks know no transforms, so under them it only runs the program.
 * @throws Refusal with all violations
 */
export async function enforced<T>(options: PolicyOptions, program: () => T | Promise<T>): Promise<T> {
  const all: PolicyResource[] = [];
  pulumi.runtime.registerResourceTransform(async (args) => {
    const resource = await resourceOf(args);
    if (!pulumi.runtime.isDryRun()) refuse(checkEarly(resource, all, options));
    all.push(resource);
    return undefined;
  });
  const outputs = await program();
  // Some rules need all resources, and the last ones are registered after the program has ended.
  await waitForRPCs();
  refuse(checkAll(all, options));
  return outputs;
}

function refuse(violations: readonly Violation[]): void {
  if (violations.length > 0) throw new Refusal(`${REFUSAL}.\n${described(violations)}`);
}

async function resourceOf(args: pulumi.ResourceTransformArgs): Promise<PolicyResource> {
  const { type, name, props, opts } = args;
  const dependencies = [opts.dependsOn ?? []].flat() as pulumi.Resource[];
  const urns = await Promise.all(dependencies.map(({ urn }) => internals(urn).promise() as Promise<string>));
  return {
    type,
    name,
    props: (await resolved(props)) as PolicyResource['props'],
    protect: opts.protect as boolean | undefined,
    dependsOn: urns.map(labelOf),
  };
}

/** Inputs as JSON has them: secrets masked, what only an update will know as Pulumi's own sign for that. */
async function resolved(value: unknown): Promise<unknown> {
  if (pulumi.Output.isInstance(value)) {
    const { isKnown, isSecret } = internals(value);
    if (await isSecret) return SECRET;
    return (await isKnown) ? resolved(await internals(value).promise()) : UNKNOWN;
  }
  if (pulumi.runtime.isRpcSecret(value)) return SECRET;
  if (pulumi.isUnknown(value)) return UNKNOWN;
  if (Array.isArray(value)) return Promise.all(value.map(resolved));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(async ([key, each]) => [key, await resolved(each)] as const);
  return Object.fromEntries(await Promise.all(entries));
}
