import { type Policies, PolicyPack, type PolicyResource as Resource } from '@pulumi/policy';
import { UNKNOWN } from '../stacks/policies/values.ts';
import { type PolicyOptions, type PolicyResource, RULES, STACK_RULES } from '../stacks/policy.ts';

/**
 * The rules of stacks/policy.ts as a pack of Pulumi's policies, for an organization that enforces them from outside of the
 * program. A pack can't read the stack's config, so it is as strict as prod: `--policy-pack-config policy/dev.json` is for
 * a dev stack, and one that says `protect: false` disables `protected-stores` and `protected-keys`.
 */
const configSchema = {
  properties: { environment: { type: 'string' as const, enum: ['dev', 'prod'], default: 'prod' } },
};

const optionsOf = (args: { getConfig: <T extends object>() => T }): PolicyOptions => ({
  environment: args.getConfig<{ environment: 'dev' | 'prod' }>().environment,
  protect: true,
});

const policies: Policies = [
  ...RULES.map(({ name, description, check }) => ({
    name,
    description,
    configSchema,
    validateResource: (
      args: Parameters<typeof resourceOf>[0] & Parameters<typeof optionsOf>[0],
      report: Report,
    ) => {
      for (const message of check(resourceOf(args), optionsOf(args))) report(message);
    },
  })),
  ...STACK_RULES.map(({ name, description, check }) => ({
    name,
    description,
    configSchema,
    validateStack: (args: { resources: Resource[] } & Parameters<typeof optionsOf>[0], report: Report) => {
      const all = args.resources.map((each) => ({
        ...resourceOf(each),
        dependsOn: each.dependencies.map(({ type, name }) => `${type} ${name}`),
      }));
      for (const [index, each] of all.entries())
        for (const message of check(each, all, optionsOf(args))) report(message, args.resources[index]!.urn);
    },
  })),
];

type Report = (message: string, urn?: string) => void;

function resourceOf({
  type,
  name,
  props,
  opts,
}: Pick<Resource, 'type' | 'name' | 'props' | 'opts'>): PolicyResource {
  return { type, name, props: plain(props) as PolicyResource['props'], protect: opts.protect };
}

/** Inputs as the rules take them: the pack's own throw where a value is not known yet. */
function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.keys(value).map((key): [string, unknown] => {
    try {
      return [key, plain((value as Record<string, unknown>)[key])];
    } catch {
      return [key, UNKNOWN];
    }
  });
  return Array.isArray(value) ? entries.map(([, each]) => each) : Object.fromEntries(entries);
}

new PolicyPack('cutover', { enforcementLevel: 'mandatory', policies });
