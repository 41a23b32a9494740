import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/**
 * The program of a thread as one JavaScript file: to read TypeScript module by module, each thread would need a compiler of
 * its own, which takes longer and more memory than the thread itself. Packages are imported from where they are.
 *
 * @returns the file; remove it when the threads have ended
 */
export async function makeThreadFile(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-thread-'));
  const path = join(folder, 'thread.mjs');
  await build({
    entryPoints: [fileURLToPath(new URL('./thread.ts', import.meta.url))],
    outfile: path,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    plugins: [
      {
        name: 'packages',
        setup({ onResolve }) {
          onResolve({ filter: /^[^./]/ }, ({ path, kind }) => {
            if (kind === 'entry-point' || path.startsWith('node:')) return undefined;
            return { path: import.meta.resolve(path), external: true };
          });
        },
      },
    ],
  });
  return { path, remove: () => rm(folder, { recursive: true, force: true }) };
}
