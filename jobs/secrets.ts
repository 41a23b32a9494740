import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const secretsFile = z.record(z.string(), z.string());

/** Passwords of the database roles: `secrets.json` in the home folder, mode 0600, made on first use. */
export class Secrets {
  private passwords: Record<string, string>;

  private constructor(private readonly file: string) {
    this.passwords = this.read();
  }

  static async open(home: string): Promise<Secrets> {
    await mkdir(home, { recursive: true });
    return new Secrets(join(home, 'secrets.json'));
  }

  /** The password of a role, made now if it has none. */
  password(role: string): string {
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
