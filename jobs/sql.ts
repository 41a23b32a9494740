import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder `sql/` of the project. */
export const SQL = fileURLToPath(new URL('../sql', import.meta.url));

/** A file of `sql/`, with `{{name}}` replaced by identifiers. */
export async function sqlFile(path: string, names: Record<string, string> = {}): Promise<string> {
  const text = await readFile(join(SQL, path), 'utf8');
  return text.replace(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const value = names[name];
    // Unquoted on purpose, so that a name can be part of an identifier or of a literal.
    if (value === undefined || !/^[a-z_][a-z0-9_]*$/.test(value))
      throw new Error(`${path}: no identifier for {{${name}}}`);
    return value;
  });
}

/** A statement of a file of `sql/<system>/after-load/`. */
export interface AfterLoad {
  readonly file: string;
  readonly statement: string;
}

/** Statements of the files `sql/<system>/after-load/*.sql` that are for this edition, in order. */
export async function afterLoad(system: string, edition: string): Promise<AfterLoad[]> {
  const folder = join(SQL, system, 'after-load');
  const names = (await readdir(folder)).sort().filter((name) => {
    const only = /\.(timescale|apache)\.sql$/.exec(name)?.[1];
    return only === undefined || only === edition;
  });
  const statements: AfterLoad[] = [];
  for (const file of names) {
    const text = (await readFile(join(folder, file), 'utf8')).replace(/^--.*$/gm, '');
    for (const statement of text.split(/;\s*$/m)) if (statement.trim()) statements.push({ file, statement });
  }
  return statements;
}

/**
 * Gathers statements into stages, of which each begins when the one before is done. The `create index` that follow one
 * another in a file may run side by side: each takes its table's ShareLock, which they share. Everything else is a stage by
 * itself.
 */
export function stagesOf(statements: readonly AfterLoad[]): AfterLoad[][] {
  const stages: AfterLoad[][] = [];
  for (const each of statements) {
    const last = stages.at(-1)?.[0];
    if (last && last.file === each.file && isBuild(last) && isBuild(each)) stages.at(-1)!.push(each);
    else stages.push([each]);
  }
  return stages;
}

function isBuild({ statement }: AfterLoad): boolean {
  return /^\s*create (unique )?index (?!concurrently)/i.test(statement);
}
