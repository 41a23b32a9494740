import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CutoverError } from './errors.ts';
import { read } from './platform-folder.ts';

const secretsFile = z.record(z.string(), z.string());

/**
 * Passwords of the database roles: `secrets.json` in the home folder, mode 0600, made on first use; or the files of a mounted
 * folder, one a role, each read whenever it is asked for.
 */
export class Secrets {
  private passwords: Record<string, string>;

  private constructor(
    private readonly file: string,
    private readonly roles: string | undefined,
  ) {
    this.passwords = roles === undefined ? this.read() : {};
  }

  /** @param platform folder of `--platform`; if it has a folder `roles`, the passwords are there and nowhere else */
  static async open(home: string, platform?: string): Promise<Secrets> {
    await mkdir(home, { recursive: true });
    const roles = platform === undefined ? undefined : join(platform, 'roles');
    return new Secrets(join(home, 'secrets.json'), roles && existsSync(roles) ? roles : undefined);
  }

  /**
   * The password of a role, made now if it has none.
   * @throws CutoverError `usage` for a role that the mounted folder does not have
   */
  password(role: string): string {
    if (this.roles !== undefined) {
      const file = join(this.roles, role);
      const password = read(file);
      if (password !== undefined) return password;
      throw new CutoverError(
        'usage',
        `${file} is missing or empty`,
        `Mount the password of role ${role} there.`,
      );
    }
    if (this.passwords[role] === undefined) {
      // Read again and written at once, synchronously: other systems, and other processes, make theirs meanwhile.
      const passwords = this.read();
      passwords[role] ??= randomBytes(24).toString('base64url');
      const draft = `${this.file}.${process.pid}.tmp`;
      writeFileSync(draft, `${JSON.stringify(passwords, null, 2)}\n`, { mode: 0o600 });
      renameSync(draft, this.file);
      this.passwords = passwords;
    }
    return this.passwords[role]!;
  }

  private read(): Record<string, string> {
    try {
      return secretsFile.parse(JSON.parse(readFileSync(this.file, 'utf8')));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return {};
    }
  }
}
