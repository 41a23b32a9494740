import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { chooseAccount, parsePasswd, reachable } from '../../stacks/embedded/account.ts';

const root = { name: 'root', uid: 0, gid: 0 };
const postgres = { name: 'postgres', uid: 101, gid: 104 };
const nobody = { name: 'nobody', uid: 65_534, gid: 65_534 };

test('passwd: names and numbers; other lines are skipped', () => {
  const text =
    'root:x:0:0:root:/root:/bin/bash\n\n+::::::\npostgres:x:101:104:PG,,,:/var/lib/postgresql:/bin/bash\n';
  expect(parsePasswd(text)).toEqual([root, postgres]);
});

describe('the account that runs the servers for root', () => {
  test('is postgres, else nobody', () => {
    expect(chooseAccount([root, nobody, postgres])).toBe(postgres);
    expect(chooseAccount([root, nobody])).toBe(nobody);
  });

  test('is never root under another name', () => {
    expect(chooseAccount([{ ...postgres, uid: 0 }, nobody])).toBe(nobody);
  });

  test('must exist', () => {
    expect(() => chooseAccount([root])).toThrow(expect.objectContaining({ kind: 'prerequisite' }));
  });
});

describe('reachability', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cutover-account-'));
    await chmod(folder, 0o755);
    await mkdir(join(folder, 'inner'), { mode: 0o755 });
  });

  afterEach(async () => {
    await chmod(folder, 0o755);
    await rm(folder, { recursive: true });
  });

  // Permissions do not hold root back, so root asks for somebody else.
  const account = process.getuid!() === 0 ? nobody : undefined;

  test('an open folder can be entered', async () => {
    expect(await reachable(join(folder, 'inner'), account)).toBe(true);
  });

  test('a folder under a closed one cannot', async () => {
    await chmod(folder, account ? 0o700 : 0o600);
    expect(await reachable(join(folder, 'inner'), account)).toBe(false);
  });

  test('what is no folder cannot', async () => {
    expect(await reachable(join(folder, 'missing'), account)).toBe(false);
    expect(await reachable('/etc/passwd', account)).toBe(false);
  });
});
