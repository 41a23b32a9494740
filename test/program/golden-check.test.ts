import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lostStores } from '../../stacks/golden-check.ts';
import type { GraphNode } from '../../stacks/graph.ts';
import { STORES } from '../../stacks/policies/stores.ts';

const PVC = 'kubernetes:core/v1:PersistentVolumeClaim';
const nodeOf = (type: string, name: string, more: Partial<GraphNode> = {}): GraphNode => ({
  type,
  name,
  inputs: {},
  dependsOn: [],
  ...more,
});
const home = nodeOf(PVC, 'home', { protect: true });
const lost = (before: GraphNode[], after: GraphNode[]) => lostStores({ dev: before }, { dev: after });

describe('a change of the reviewed graphs', () => {
  it('that keeps every store loses none, whatever is new', () => {
    expect(lost([home], [home, nodeOf(PVC, 'second')])).toEqual([]);
    expect(lostStores({ dev: [home] }, { dev: [home], prod: [home] })).toEqual([]);
    expect(lost([nodeOf(PVC, 'bare')], [nodeOf(PVC, 'bare', { protect: true })])).toEqual([]);
  });

  it.each(STORES)('loses a missing %s', (type) => {
    expect(lost([nodeOf(type, 'a')], [])).toEqual([
      `dev: ${type} a holds data and is gone, renamed or elsewhere`,
    ]);
  });

  it('loses a renamed one, and those of a stack that is no longer reviewed', () => {
    const problem = `dev: ${PVC} home holds data and is gone, renamed or elsewhere`;
    expect(lost([home], [{ ...home, name: 'home2' }])).toEqual([problem]);
    expect(lostStores({ dev: [home] }, { prod: [home] })).toEqual([problem]);
  });

  it('loses one that gets another URN by the type of a parent, not by a parent’s name', () => {
    const below = (type: string, name: string) => [
      nodeOf('cutover:aws:Platform', 'all'),
      nodeOf(type, name, { parent: 'cutover:aws:Platform all' }),
      { ...home, parent: `${type} ${name}` },
    ];
    expect(lost(below('cutover:a:A', 'a'), below('cutover:a:B', 'a'))).toHaveLength(1);
    expect(lost(below('cutover:a:A', 'a'), below('cutover:a:A', 'b'))).toEqual([]);
  });

  it('loses one that is only read from now on', () => {
    expect(lost([home], [{ ...home, reads: 'home' }])).toHaveLength(1);
  });

  it('names one without its protection', () => {
    expect(lost([home], [nodeOf(PVC, 'home')])).toEqual([`dev: ${PVC} home holds data and loses protect`]);
  });

  it('may drop what holds no data, and what it has only read', () => {
    const read = nodeOf(PVC, 'claim', { reads: 'claim' });
    expect(lost([nodeOf('kubernetes:core/v1:ConfigMap', 'a'), read], [])).toEqual([]);
  });
});

describe('npm run graph:check', () => {
  const golden = fileURLToPath(new URL('../golden', import.meta.url));
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'cutover-golden-'));
    cpSync(golden, join(folder, 'golden'), { recursive: true });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const check = (...args: string[]) => {
    const program = fileURLToPath(new URL('../../stacks/golden-check.ts', import.meta.url));
    return spawnSync(process.execPath, ['--import', 'tsx', program, ...args], { encoding: 'utf8' });
  };

  it('exits with 0, 1 or 2', () => {
    const base = join(folder, 'golden');
    expect(check(base)).toMatchObject({ status: 0, stdout: '', stderr: '' });
    const file = join(base, 'prod.json');
    writeFileSync(file, JSON.stringify([...JSON.parse(readFileSync(file, 'utf8')), home]));
    expect(check(base)).toMatchObject({
      status: 1,
      stderr: `error: prod: ${PVC} home holds data and is gone, renamed or elsewhere\n`,
    });
    writeFileSync(file, '{}');
    for (const none of [folder, base, join(folder, 'none')]) {
      const { status, stderr } = check(none);
      expect(status).toBe(2);
      expect(stderr).toContain('fix: git archive BASE test/golden');
    }
    expect(check().status).toBe(2);
  });
});
