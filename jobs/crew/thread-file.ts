import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const THREAD = fileURLToPath(new URL('./thread.ts', import.meta.url));

/** A mapping that is none of the shipped ones: URL of the module that exports it, and under which name. */
export interface MappingOrigin {
  readonly module: string;
  readonly name: string;
}

/**
 * The program of a thread as one JavaScript file: to read TypeScript module by module, each thread would need a compiler of
 * its own, which takes longer and more memory than the thread itself. Packages are imported from where they are.
 *
 * @param origin of the only system that the threads know; absent: they know all shipped ones
 * @returns the file; remove it when the threads have ended
 */
export async function makeThreadFile(
  origin?: MappingOrigin,
): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-thread-'));
  const path = join(folder, 'thread.mjs');
  await build({
    entryPoints: [THREAD],
    outfile: path,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    plugins: [
      ...(origin ? [instead(origin)] : []),
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

/** Puts the one mapping in the place of the shipped ones. */
function instead({ module, name }: MappingOrigin): Plugin {
  const contents = `import { ${name} } from ${JSON.stringify(fileURLToPath(module))};
    export const systemsNamed = () => [${name}];`;
  return {
    name: 'mapping',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /\/systems\/index\.ts$/ }, ({ importer }) =>
        importer === THREAD ? { path: name, namespace: 'mapping' } : undefined,
      );
      onLoad({ filter: /.*/, namespace: 'mapping' }, () => ({ contents, resolveDir: dirname(THREAD) }));
    },
  };
}
