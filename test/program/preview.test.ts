import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isClean, markdownOf, problemsOf, readPreview } from '../../stacks/preview.ts';

const urn = (type: string, name: string) =>
  `urn:pulumi:dev::cutover::cutover:jobs:Migrations$${type}::${name}`;
const PVC = 'kubernetes:core/v1:PersistentVolumeClaim';
const CONFIG_MAP = 'kubernetes:core/v1:ConfigMap';
const PASSWORD = 'random:index/randomPassword:RandomPassword';

interface Step {
  op: string;
  type: string;
  name: string;
  newState?: object;
  replaceReasons?: string[];
}
/** As Pulumi 3.260 prints it. */
function preview(steps: Step[], more: object = {}): string {
  const changeSummary: Record<string, number> = {};
  for (const { op } of steps) changeSummary[op] = (changeSummary[op] ?? 0) + 1;
  return JSON.stringify({
    config: { 'cutover:environment': 'dev' },
    steps: steps.map(({ op, type, name, newState, ...rest }) => ({
      op,
      urn: urn(type, name),
      ...(op !== 'delete' && { newState: { type, inputs: {}, ...newState } }),
      ...rest,
      detailedDiff: null,
    })),
    changeSummary,
    ...more,
  });
}
const kept = { op: 'same', type: PVC, name: 'harca-home', newState: { protect: true } };
const problems = (steps: Step[], more?: object) => problemsOf(readPreview(preview(steps, more)));

/** Seeded previews; that Pulumi prints such ones is shown by no test here. */
describe('a preview', () => {
  it('that keeps every store is clean', () => {
    const report = readPreview(preview([kept, { op: 'create', type: PASSWORD, name: 'a' }]));
    expect(problemsOf(report)).toEqual([]);
    expect(isClean(report)).toBe(true);
  });

  it.each(['replace', 'create-replacement', 'delete-replaced'])('by %s loses a store', (op) => {
    const step = { op, type: PASSWORD, name: 'harca_owner', replaceReasons: ['length'] };
    expect(problems([kept, step])).toEqual([
      `${PASSWORD} harca_owner holds data and would be replaced because of length`,
    ]);
  });

  it('names each store that it deletes, and nothing else', () => {
    const steps = [
      'aws:rds/instance:Instance',
      'aws:kms/key:Key',
      'kubernetes:postgresql.cnpg.io/v1:Cluster',
      PVC,
    ];
    const deleted = steps.map((type) => ({ op: 'delete', type, name: 'x' }));
    expect(problems([...deleted, { op: 'delete', type: CONFIG_MAP, name: 'x' }])).toEqual(
      steps.map((type) => `${type} x holds data and would be deleted`),
    );
  });

  it('names a violation of what it would make, and says why it is one', () => {
    const [violation, why, ...more] = problems([{ ...kept, op: 'create', newState: {} }]);
    expect(violation).toBe(`${PVC} harca-home: is without the option protect (protected-stores)`);
    expect(why).toMatch(/^protected-stores: One wrong update/);
    expect(more).toEqual([]);
    expect(
      problems([{ ...kept, op: 'create', newState: {} }], { config: { 'cutover:protect': 'false' } }),
    ).toEqual([]);
  });

  it('finds the proof of a binding among what stays the same', () => {
    const labels = { 'cutover.dev/job': 'verify', 'cutover.dev/store': 'harca' };
    const job = {
      op: 'same',
      type: 'kubernetes:batch/v1:Job',
      name: 'harca-verify',
      // What only an update will know is judged by the update.
      newState: { inputs: { metadata: { labels }, spec: '04da6b54-80e4-46f7-96ec-b56ff0331ba9' } },
    };
    const binding = {
      op: 'update',
      type: CONFIG_MAP,
      name: 'harca-binding',
      newState: {
        inputs: { data: { READ_FROM: 'database', WRITE_TO: 'both' } },
        dependencies: [urn(job.type, job.name)],
      },
    };
    expect(problems([job, binding])).toEqual([]);
    expect(problems([binding])[0]).toMatch(/harca-binding: depends on no Job that verifies harca/);
  });

  it('that failed is not clean', () => {
    const diagnostics = [
      { message: 'warning: something', severity: 'warning' },
      { message: 'error: no cluster', severity: 'error' },
    ];
    expect(problems([kept], { diagnostics })).toEqual(['no cluster']);
  });

  it('does not judge what is only read', () => {
    expect(problems([{ op: 'read', type: PVC, name: 'claim', newState: { external: true } }])).toEqual([]);
  });

  it.each([
    ['what stays the same', preview([], { changeSummary: { same: 2 } })],
    ['a summary', '{"steps":[]}'],
    ['JSON', 'Previewing update (dev):'],
  ])('without %s is refused', (_, text) => {
    expect(() => readPreview(text)).toThrow();
  });

  it('is told as Markdown', () => {
    const report = readPreview(
      preview([
        { op: 'replace', type: PASSWORD, name: 'a', replaceReasons: ['keepers', '<b>'] },
        { op: 'create', type: CONFIG_MAP, name: 'b' },
      ]),
    );
    expect(markdownOf(report)).toBe(`1 replaced, 0 deleted, 0 updated, 1 created

**This must not be updated**

- ${PASSWORD} a holds data and would be replaced because of keepers, \\<b\\>

<details><summary>replaced</summary>

- \`${PASSWORD} a\`: keepers, \\<b\\>

</details>

<details><summary>created</summary>

- \`${CONFIG_MAP} b\`

</details>`);
  });
});

describe('npm run preview:check', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'cutover-preview-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const check = (text: string, ...args: string[]) => {
    const file = join(folder, 'preview.json');
    writeFileSync(file, text);
    const program = fileURLToPath(new URL('../../stacks/preview-check.ts', import.meta.url));
    return spawnSync(process.execPath, ['--import', 'tsx', program, file, ...args], { encoding: 'utf8' });
  };

  it('exits with 0, 1 or 2', () => {
    expect(check(preview([kept]), '--markdown')).toMatchObject({
      status: 0,
      stdout: '0 replaced, 0 deleted, 0 updated, 0 created\n',
    });
    const lost = check(preview([{ ...kept, op: 'replace' }]));
    expect(lost).toMatchObject({ status: 1, stdout: '' });
    expect(lost.stderr).toContain(`error: ${PVC} harca-home holds data and would be replaced`);
    const wrong = check('[]');
    expect(wrong.status).toBe(2);
    expect(wrong.stderr).toContain('fix: pulumi preview --json --show-sames');
  });
});
