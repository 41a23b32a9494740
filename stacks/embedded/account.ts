import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { CutoverError } from '../../jobs/errors.ts';
import { run } from './run.ts';

/** A login of the machine that servers run under. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Who is to run new servers: we, but PostgreSQL refuses to run as root, so root picks an account that the machine has:
 * `postgres`, else `nobody`.
 */
export async function serverAccount(): Promise<Account> {
  if (process.getuid!() === 0) {
    const account = chooseAccount(parsePasswd(await readFile('/etc/passwd', 'utf8')));
    const { exitCode } = await run(['true'], { account, cwd: '/', check: false });
    if (exitCode === 0) return account;
    throw new CutoverError(
      'prerequisite',
      `started as root, which PostgreSQL refuses to run as, and this root may not start programs as ${account.name}`,
      'Run as an ordinary user, or give the container the capabilities SETUID and SETGID.',
    );
  }
  try {
    const { username, uid, gid } = userInfo();
    return { name: username, uid, gid };
  } catch (error) {
    throw new CutoverError(
      'prerequisite',
      `user ${process.getuid!()} has no name on this machine, and PostgreSQL's initdb wants one`,
      'Run as a user that /etc/passwd knows, or as root.',
      { cause: error },
    );
  }
}

/** What `spawn` has to be told to run something under this account: nothing when it is our own. */
export function asOther(account: Account): Account | undefined {
  return account.uid === process.getuid!() ? undefined : account;
}

/** @throws CutoverError prerequisite when the machine has neither account */
export function chooseAccount(accounts: readonly Account[]): Account {
  for (const name of ['postgres', 'nobody']) {
    const account = accounts.find((candidate) => candidate.name === name && candidate.uid !== 0);
    if (account) return account;
  }
  throw new CutoverError(
    'prerequisite',
    'started as root, which PostgreSQL refuses to run as, and /etc/passwd has neither `postgres` nor `nobody`',
    'Run as an ordinary user, or add an account: useradd --system postgres',
  );
}

/** Lines of passwd(5) as accounts; lines without numbers are skipped. */
export function parsePasswd(text: string): Account[] {
  return text
    .split('\n')
    .map((line) => line.split(':'))
    .filter(([name, , uid, gid]) => name && /^\d+$/.test(uid ?? '') && /^\d+$/.test(gid ?? ''))
    .map(([name, , uid, gid]) => ({ name: name!, uid: Number(uid), gid: Number(gid) }));
}

/**
 * Whether the account can enter a folder. The system is asked, rather than mode bits added up, because ACLs and mounts
 * have a say too.
 */
export async function reachable(folder: string, account: Account | undefined): Promise<boolean> {
  const { exitCode } = await run(['test', '-d', folder, '-a', '-x', folder], {
    account,
    cwd: '/',
    check: false,
  });
  return exitCode === 0;
}
