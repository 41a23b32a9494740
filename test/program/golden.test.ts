import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  configFile,
  goldenFile,
  goldenText,
  STACK_FILES,
  type StackName,
  stackGraph,
} from '../../stacks/graph-files.ts';
import { checkAll, fromGraph } from '../../stacks/policy.ts';
import { configOf } from '../../stacks/program.ts';
import { parseSettings } from '../../stacks/settings.ts';

/** Says what would be registered, not what a provider would make of it. */
describe.each(Object.keys(STACK_FILES) as StackName[])('the stack %s', (stack) => {
  it('has the graph that was reviewed', async () => {
    expect(
      goldenText(await stackGraph(stack)),
      `${goldenFile(stack)} is not this program's: run \`npm run graph\` and review the diff`,
    ).toBe(readFileSync(goldenFile(stack), 'utf8'));
  });

  it('violates no rule', async () => {
    const settings = parseSettings(configOf(configFile(stack)));
    const resources = fromGraph(await stackGraph(stack));
    expect(resources.length).toBeGreaterThan(50);
    expect(checkAll(resources, settings)).toEqual([]);
  });

  it('shows no password', async () => {
    expect(readFileSync(goldenFile(stack), 'utf8')).not.toMatch(/:\/\/[^/\s"]*:[^/\s"]*@/);
  });
});
