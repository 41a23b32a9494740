import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const answers = (command: string, ...args: string[]) =>
  spawnSync(command, args, { stdio: 'ignore', timeout: 20_000 }).status === 0;
const hasPulumi = answers('pulumi', 'version');
const hasCluster = hasPulumi && answers('kubectl', 'get', '--raw', '/readyz');
if (!hasPulumi)
  console.warn('SKIPPED: no pulumi CLI on PATH; the graphs of all stacks are tested without one');
else if (!hasCluster)
  console.warn('SKIPPED: no cluster that kubectl reaches; nothing is previewed on a real one');

const scratch = mkdtempSync(join(tmpdir(), 'cutover-pulumi-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Runs the real engine on this program, with a backend of its own. */
function pulumi(...args: string[]): { status: number | null; output: string } {
  const backend = join(scratch, 'state');
  mkdirSync(backend, { recursive: true });
  const { status, stdout, stderr } = spawnSync('pulumi', [...args, '--non-interactive'], {
    cwd: ROOT,
    encoding: 'utf8',
    env: {
      ...process.env,
      PULUMI_BACKEND_URL: `file://${backend}`,
      PULUMI_CONFIG_PASSPHRASE: '',
      PULUMI_SKIP_UPDATE_CHECK: 'true',
    },
  });
  return { status, output: stdout + stderr };
}

/** A preview of a new stack with the config of a file, which Pulumi also writes to. */
function preview(stack: string, config: string, ...args: string[]) {
  const file = join(scratch, `Pulumi.${stack}.yaml`);
  if (config.endsWith('.yaml')) copyFileSync(join(ROOT, config), file);
  else writeFileSync(file, config);
  const { status, output } = pulumi('stack', 'init', stack, '--no-select');
  expect(status, output).toBe(0);
  // It always writes one beside Pulumi.yaml.
  rmSync(join(ROOT, `Pulumi.${stack}.yaml`), { force: true });
  return pulumi('preview', '--stack', stack, '--config-file', file, ...args);
}

describe('the real engine', () => {
  it.skipIf(!hasPulumi)('tells every mistake in a config at once, and makes nothing', () => {
    const { status, output } = preview('test-wrong', 'config:\n  cutover:platform: external\n');
    expect(status).not.toBe(0);
    expect(output).toContain("The stack's config has 3 mistakes:");
    expect(output).toContain('cutover:external is missing: the servers of platform external');
  });

  it.skipIf(!hasCluster)(
    'previews a stack on servers of one’s own, whole, with a proof that is yet unknown',
    () => {
      const { status, output } = preview(
        'external',
        'test/program/Pulumi.external.yaml',
        '--json',
        '--show-sames',
      );
      expect(output).not.toMatch(/refuse/i);
      expect(status).toBe(0);
      const { steps, changeSummary } = JSON.parse(output.slice(output.indexOf('{\n'))) as {
        steps: { op: string; urn: string }[];
        changeSummary: Record<string, number>;
      };
      expect(Object.keys(changeSummary)).toEqual(['create']);
      expect(steps.filter(({ urn }) => urn.includes('batch/v1:Job::')).length).toBeGreaterThan(3);
    },
  );
});
