import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** Where a program is: in one of the folders, else on PATH; undefined when the machine has none. */
export async function findProgram(
  name: string,
  ...folders: (string | undefined)[]
): Promise<string | undefined> {
  const path = (process.env.PATH ?? '').split(delimiter);
  for (const folder of [...folders, ...path]) {
    if (!folder) continue;
    const file = join(folder, name);
    if (await isProgram(file)) return file;
  }
  return undefined;
}

export function isProgram(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
