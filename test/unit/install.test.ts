import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

/** Starts the command line on a Node that says it is of this version. */
function start(version: string) {
  const pretend = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } });
    const { ensureInstalled } = await import('${new URL('../../bin/install.mjs', import.meta.url).href}');
    await ensureInstalled();
    console.log('installed');`;
  // Without a PATH no npm is found, so that nothing is installed.
  return spawnSync(process.execPath, ['--input-type=module', '--eval', pretend], {
    encoding: 'utf8',
    env: {},
  });
}

describe('Node', () => {
  it.each(['18.20.8', '20.18.3', '20.9.0', '9.11.2'])(
    '%s is too old: exit code 5, and what to do',
    (version) => {
      const { status, stderr, stdout } = start(version);
      expect(status).toBe(5);
      expect(stderr).toBe(`error: Node ${version} is too old\nfix: install Node 20.19 or later\n`);
      expect(stdout).toBe('');
    },
  );

  it.each(['20.19.0', '22.0.0', '100.0.0'])('%s is not', (version) => {
    const { stderr } = start(version);
    expect(stderr).not.toContain('too old');
  });
});
