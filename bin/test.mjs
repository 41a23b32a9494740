#!/usr/bin/env node
// `npm test`: installs what is missing, checks types and style, runs all tests, and ends with one line of counts.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureInstalled } from './install.mjs';

await ensureInstalled();
const root = fileURLToPath(new URL('..', import.meta.url));
const run = (program, ...args) =>
  spawnSync(process.execPath, [join(root, 'node_modules', program), ...args], { cwd: root, stdio: 'inherit' })
    .status === 0;

const scratch = mkdtempSync(join(tmpdir(), 'cutover-tests-'));
const results = join(scratch, 'results.json');
let ok = run('@biomejs/biome/bin/biome', 'check', '.');
ok = run('typescript/bin/tsc', '--noEmit') && ok;
ok =
  run(
    'vitest/vitest.mjs',
    'run',
    '--coverage',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${results}`,
    ...process.argv.slice(2),
  ) && ok;

let counts = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 };
try {
  counts = JSON.parse(readFileSync(results, 'utf8'));
} catch {
  ok = false;
}
rmSync(scratch, { recursive: true, force: true });
const { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped } = counts;
// A fault outside the tests (types, style, coverage, a file that did not load) fails the run too.
const other = !ok && failed === 0 ? 1 : 0;
if (passed === 0) ok = false;
console.log(`${passed} passed, ${failed + other} failed, ${skipped} skipped`);
process.exitCode = ok ? 0 : 1;
