import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type GraphNode, graphOf } from './graph.ts';
import { isUnknown } from './policies/values.ts';
import { configOf, program } from './program.ts';
import { parseSettings } from './settings.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Pulumi's own reader of stack files. */
const { load } = createRequire(createRequire(import.meta.url).resolve('@pulumi/pulumi'))('js-yaml') as {
  load: (text: string) => unknown;
};

/** The stacks whose graphs are reviewed, and where their config is. */
export const STACK_FILES = {
  dev: 'Pulumi.dev.yaml',
  prod: 'Pulumi.prod.yaml',
  external: 'test/program/Pulumi.external.yaml',
} as const;
export type StackName = keyof typeof STACK_FILES;

/** A stack's config as Pulumi gives it to the program: every value as a text. */
export function configFile(stack: StackName): Record<string, string> {
  const file = load(readFileSync(`${ROOT}${STACK_FILES[stack]}`, 'utf8')) as {
    config: Record<string, unknown>;
  };
  const entries = Object.entries(file.config).map(([key, value]) => [
    key,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  return Object.fromEntries(entries);
}

/** What a first preview of a stack would register. */
export async function stackGraph(stack: StackName): Promise<readonly GraphNode[]> {
  const config = configFile(stack);
  const { nodes } = await graphOf(() => void program(parseSettings(configOf(config))), {
    stack,
    config,
    preview: true,
  });
  return nodes;
}

/** Where a stack's graph lies for review. */
export const goldenFile = (stack: StackName): string => `${ROOT}test/golden/${stack}.json`;

/** A graph as it is reviewed: the same for the same commit, wherever that is checked out. */
export function goldenText(nodes: readonly GraphNode[]): string {
  const replaced = (_: string, value: unknown) =>
    isUnknown(value) ? '[unknown]' : typeof value === 'string' ? value.replaceAll(ROOT, './') : value;
  return `${JSON.stringify(nodes, replaced, 2)}\n`;
}

/** `npm run graph` writes the graphs of all stacks. */
if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const stack of Object.keys(STACK_FILES) as StackName[])
    writeFileSync(goldenFile(stack), goldenText(await stackGraph(stack)));
