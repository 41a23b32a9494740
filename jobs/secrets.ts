import { randomBytes } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const secretsFile = z.record(z.string(), z.string());

/** Passwords of the database roles: `secrets.json` in the home folder, mode 0600, made on first use. */
export class Secrets {
  private constructor(
    private readonly file: string,
    private readonly passwords: Record<string, string>,
  ) {}

  static async open(home: string): Promise<Secrets> {
    await mkdir(home, { recursive: true });
    const file = join(home, 'secrets.json');
    try {
      return new Secrets(file, secretsFile.parse(JSON.parse(await readFile(file, 'utf8'))));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return new Secrets(file, {});
    }
  }

  /** The password of a role, made now if it has none. */
  password(role: string): string {
    const known = this.passwords[role];
    if (known !== undefined) return known;
    const made = randomBytes(24).toString('base64url');
    this.passwords[role] = made;
    // Synchronous: systems are provisioned side by side, and each write must hold what the others made.
    writeFileSync(`${this.file}.tmp`, `${JSON.stringify(this.passwords, null, 2)}\n`, { mode: 0o600 });
    renameSync(`${this.file}.tmp`, this.file);
    return made;
  }
}
