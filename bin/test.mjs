#!/usr/bin/env node
// `npm test`: installs what is missing, checks types and style, runs all tests, and ends with one line of counts.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureInstalled } from './install.mjs';

await ensureInstalled('all');
const root = fileURLToPath(new URL('..', import.meta.url));
const run = (program, ...args) =>
  spawnSync(process.execPath, [join(root, 'node_modules', program), ...args], { cwd: root, stdio: 'inherit' })
    .status === 0;

const scratch = mkdtempSync(join(tmpdir(), 'cutover-tests-'));

/** Runs tests of some projects as a process of its own. @returns whether all is well, what was printed, and the counts */
const test = (name, stdio, ...args) =>
  new Promise((settle) => {
    const results = join(scratch, `${name}.json`);
    const asked = [...args, ...process.argv.slice(2), '--passWithNoTests'];
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${results}`];
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const child = spawn(process.execPath, [vitest, 'run', ...asked, ...reporters], { cwd: root, stdio });
    const printed = [];
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => printed.push(chunk));
    child.on('close', (status) => {
      let counts = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0 };
      let ok = status === 0;
      try {
        counts = JSON.parse(readFileSync(results, 'utf8'));
      } catch {
        ok = false;
      }
      settle({ ok, counts, printed: Buffer.concat(printed) });
    });
  });

let ok = run('@biomejs/biome/bin/biome', 'check', '.');
ok = run('typescript/bin/tsc', '--noEmit') && ok;
// What runs beside says nothing until the others have ended.
const [first, second] = await Promise.all([
  test('first', 'inherit', '--project=unit', '--project=integration', '--coverage'),
  test('second', 'pipe', '--project=program', '--project=beside'),
]);
process.stdout.write(second.printed);
ok = first.ok && second.ok && ok;
rmSync(scratch, { recursive: true, force: true });
const sum = (name) => first.counts[name] + second.counts[name];
const [passed, failed, skipped] = ['numPassedTests', 'numFailedTests', 'numPendingTests'].map(sum);
// A fault outside the tests (types, style, coverage, a file that did not load) fails the run too.
const other = !ok && failed === 0 ? 1 : 0;
if (passed === 0) ok = false;
console.log(`${passed} passed, ${failed + other} failed, ${skipped} skipped`);
process.exitCode = ok ? 0 : 1;
