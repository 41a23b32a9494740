import { z } from 'zod';
import { labelOf } from './graph.ts';
import { STORES } from './policies/stores.ts';
import { checkAll, type PolicyOptions, type PolicyResource, REFUSAL, type Violation } from './policy.ts';

const state = z.object({
  type: z.string(),
  inputs: z.record(z.string(), z.unknown()).default({}),
  protect: z.boolean().optional(),
  external: z.boolean().optional(),
  dependencies: z.array(z.string()).default([]),
});

/** What `pulumi preview --json` prints: `PreviewDigest` of Pulumi's pkg/display/json.go. */
const digest = z.object({
  config: z.record(z.string(), z.string()).default({}),
  steps: z
    .array(
      z.object({
        op: z.string(),
        urn: z.string(),
        newState: state.optional(),
        replaceReasons: z.array(z.string()).nullish(),
        diffReasons: z.array(z.string()).nullish(),
      }),
    )
    .default([]),
  diagnostics: z
    .array(z.object({ message: z.string().default(''), severity: z.string().optional() }))
    .default([]),
  changeSummary: z.record(z.string(), z.number()),
});

const CHANGES = ['replaced', 'deleted', 'updated', 'created'] as const;
export type Change = (typeof CHANGES)[number];

/** A replacement may be told in up to three steps; imports and reads change nothing. */
const CHANGE_OF: Readonly<Record<string, Change>> = {
  create: 'created',
  update: 'updated',
  replace: 'replaced',
  'create-replacement': 'replaced',
  'delete-replaced': 'replaced',
  delete: 'deleted',
};

export interface PreviewReport {
  /** By URN: what would happen, and the inputs that are the reason for an update or a replacement. */
  readonly changes: ReadonlyMap<string, { readonly change: Change; readonly reasons: readonly string[] }>;
  /** URNs of the stores that would be replaced or deleted. */
  readonly lost: readonly string[];
  readonly violations: readonly Violation[];
  /** What Pulumi itself complains about. */
  readonly errors: readonly string[];
}

/**
 * What a preview would do, judged.
 * @param text output of `pulumi preview --json --show-sames`
 * @throws Error where it is something else, or without what stays the same, which the rules over a whole stack need
 */
export function readPreview(text: string): PreviewReport {
  const parsed = digest.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error(z.prettifyError(parsed.error));
  const { config, steps, diagnostics, changeSummary } = parsed.data;
  if (steps.filter(({ op }) => op === 'same').length < (changeSummary.same ?? 0))
    throw new Error('it lacks what stays the same');
  const changes = new Map<string, { change: Change; reasons: readonly string[] }>();
  for (const { op, urn, replaceReasons, diffReasons } of steps) {
    const change = CHANGE_OF[op];
    if (change !== undefined) changes.set(urn, { change, reasons: replaceReasons ?? diffReasons ?? [] });
  }
  const options: PolicyOptions = {
    environment: config['cutover:environment'] === 'prod' ? 'prod' : 'dev',
    protect: config['cutover:protect'] !== 'false',
  };
  const violations = checkAll(
    steps.flatMap(({ urn, newState }) => resourceOf(urn, newState)),
    options,
  );
  return {
    changes,
    lost: [...changes]
      .filter(([urn, { change }]) => ['replaced', 'deleted'].includes(change) && STORES.includes(typeOf(urn)))
      .map(([urn]) => urn),
    violations,
    errors: diagnostics
      // The program names the same violations in one long text.
      .filter(({ message }) => violations.length === 0 || !message.includes(REFUSAL))
      .filter(({ severity }) => severity === 'error')
      .map(({ message }) => message.trim().replace(/^error: /, '')),
  };
}

const typeOf = (urn: string) => labelOf(urn).split(' ')[0]!;

function resourceOf(urn: string, newState: z.infer<typeof state> | undefined): PolicyResource[] {
  if (newState === undefined || newState.external) return [];
  const { type, inputs, protect, dependencies } = newState;
  const name = labelOf(urn).slice(type.length + 1);
  return [{ type, name, props: inputs, protect, dependsOn: dependencies.map(labelOf) }];
}

/** Whether nothing of a preview forbids its update. */
export const isClean = ({ lost, violations, errors }: PreviewReport): boolean =>
  lost.length + violations.length + errors.length === 0;

/** What forbids the update, a line each, and then why each rule is one. */
export function problemsOf({ changes, lost, violations, errors }: PreviewReport): string[] {
  const rules = new Set(violations.map(({ rule }) => rule));
  return [
    ...lost.map((urn) => {
      const { change, reasons } = changes.get(urn)!;
      return `${labelOf(urn)} holds data and would be ${change}${reasons.length > 0 ? ` because of ${reasons.join(', ')}` : ''}`;
    }),
    ...violations.map(({ resource, rule, message }) => `${resource}: ${message} (${rule.name})`),
    ...errors,
    ...[...rules].map(({ name, description }) => `${name}: ${description}`),
  ];
}

/** The comment of a pull request: what forbids the update first, then what it would change. */
export function markdownOf(report: PreviewReport): string {
  const counts = CHANGES.map((change) => `${urnsOf(report, change).length} ${change}`).join(', ');
  const problems = problemsOf(report).map((line) => `- ${escaped(line)}`);
  const details = CHANGES.filter((change) => urnsOf(report, change).length > 0).map((change) =>
    [
      `<details><summary>${change}</summary>\n`,
      ...urnsOf(report, change).map((urn) => {
        const reasons = change === 'created' ? [] : report.changes.get(urn)!.reasons;
        return `- \`${labelOf(urn)}\`${reasons.length > 0 ? `: ${reasons.map(escaped).join(', ')}` : ''}`;
      }),
      '\n</details>',
    ].join('\n'),
  );
  return [
    counts,
    ...(problems.length > 0 ? [`**This must not be updated**\n\n${problems.join('\n')}`] : []),
    ...details,
  ].join('\n\n');
}

const urnsOf = ({ changes }: PreviewReport, change: Change) =>
  [...changes].filter(([, each]) => each.change === change).map(([urn]) => urn);

/** Text of a provider is no markup of ours. */
const escaped = (text: string) => text.replace(/[<>|`*_[\]\\]/g, '\\$&').replace(/\n/g, ' ');
