import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const stamp = `${root}/node_modules/.installed`;

/**
 * Runs `npm ci` when node_modules is missing, of another lockfile, or lacks what is wanted.
 * @param {'jobs' | 'all'} wanted packages that a migration needs; or those of the tests and of the Pulumi program too,
 *   which are three times as much
 */
export async function ensureInstalled(wanted = 'jobs') {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    console.error(`error: Node ${process.versions.node} is too old\nfix: install Node 20.19 or later`);
    process.exit(5);
  }
  const lockfile = createHash('sha256')
    .update(readFileSync(`${root}/package-lock.json`))
    .digest('hex');
  const installed = existsSync(stamp) ? readFileSync(stamp, 'utf8') : '';
  if (installed === `${lockfile} all` || installed === `${lockfile} ${wanted}`) return;
  if (lstatSync(`${root}/node_modules`, { throwIfNoEntry: false })?.isSymbolicLink()) {
    console.error('error: node_modules is a link, and npm ci would empty the folder that it leads to');
    console.error('fix: run npm ci there for this package-lock.json, or remove the link');
    process.exit(5);
  }
  console.error('Installing packages (npm ci) …');
  // What somebody has installed is brought up to date, and not taken away.
  const all = wanted === 'all' || existsSync(`${root}/node_modules/typescript`);
  const omit = all ? [] : ['--omit=dev'];
  const { status } = spawnSync('npm', ['ci', ...omit, '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) {
    console.error('error: npm ci failed\nfix: see its message above; the npm registry must be reachable');
    process.exit(5);
  }
  writeFileSync(stamp, `${lockfile} ${all ? 'all' : 'jobs'}`);
}
