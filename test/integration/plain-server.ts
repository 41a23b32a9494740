import {
  chmod,
  chown,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { asOther, serverAccount } from '../../stacks/embedded/account.ts';
import { freePort } from '../../stacks/embedded/ports.ts';
import { launch, terminate } from '../../stacks/embedded/process.ts';
import { run } from '../../stacks/embedded/run.ts';
import { until } from './harness.ts';

export interface PlainServer {
  readonly url: string;
  /** Makes an extension of the platform's packages available, as its package would. */
  install(extension: string): Promise<void>;
  stop(): Promise<void>;
}

/**
 * A PostgreSQL of the same programs as the platform's that has no extension but PL/pgSQL and preloads nothing.
 * PostgreSQL looks for its extensions at a place relative to its program, so it gets a copy of the program in a tree in
 * which all else is a link.
 *
 * @param tools folder of the platform's PostgreSQL programs
 */
export async function plainServer(tools: string): Promise<PlainServer> {
  const root = await mkdtemp(join(tmpdir(), 'cutover-plain-'));
  const remove = () => rm(root, { recursive: true, force: true });
  try {
    await chmod(root, 0o755);
    // Debian's layout: usr/lib/postgresql/17/bin beside usr/share/postgresql/17.
    const prefix = join(tools, '../../../..');
    const version = tools.split('/').at(-2)!;
    const lib = join('lib/postgresql', version);
    const share = join('share/postgresql', version);
    await mkdir(join(root, 'usr', lib, 'bin'), { recursive: true });
    await mkdir(join(root, 'usr', share, 'extension'), { recursive: true });
    await symlink(join(prefix, lib, 'lib'), join(root, 'usr', lib, 'lib'));
    for (const program of ['postgres', 'initdb']) {
      await copyFile(join(tools, program), join(root, 'usr', lib, 'bin', program));
    }
    for (const name of await readdir(join(prefix, share))) {
      if (name !== 'extension') await symlink(join(prefix, share, name), join(root, 'usr', share, name));
    }
    const install = async (extension: string) => {
      for (const name of await readdir(join(prefix, share, 'extension'))) {
        if (name === `${extension}.control` || name.startsWith(`${extension}--`)) {
          await symlink(join(prefix, share, 'extension', name), join(root, 'usr', share, 'extension', name));
        }
      }
      await stat(join(root, 'usr', share, 'extension', `${extension}.control`));
    };
    await install('plpgsql');

    const account = asOther(await serverAccount());
    const data = join(root, 'data');
    await mkdir(data, { mode: 0o700 });
    const password = 'of-a-test';
    const pwfile = join(root, 'password');
    await writeFile(pwfile, password);
    if (account) await chown(data, account.uid, account.gid);
    const bin = join(root, 'usr', lib, 'bin');
    const env = { OPENSSL_CONF: '/dev/null' };
    const login = ['-U', 'postgres', '--pwfile', pwfile, '--auth', 'scram-sha-256'];
    await run([join(bin, 'initdb'), '-D', data, ...login, '--no-sync', '-E', 'UTF8', '--locale=C'], {
      account,
      cwd: root,
      env,
    });
    const port = await freePort(new Set());
    const settings = ['listen_addresses=127.0.0.1', `port=${port}`, 'unix_socket_directories=', 'fsync=off'];
    const server = await launch({
      command: join(bin, 'postgres'),
      args: ['-D', data, ...settings.flatMap((setting) => ['-c', setting])],
      cwd: data,
      env,
      logFile: join(root, 'log'),
      account,
    });
    const stop = async () => {
      await terminate(server, ['SIGQUIT'], 30_000);
      await remove();
    };
    const url = `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`;
    await until('the plain server answers', async () => {
      const client = new pg.Client({ connectionString: url });
      return client.connect().then(
        () => client.end().then(() => true),
        () => false,
      );
    });
    return { url, install, stop };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Whether the platform's PostgreSQL lies as Debian lays it. */
export async function canCopy(tools: string | undefined): Promise<boolean> {
  if (tools === undefined) return false;
  const share = join(dirname(tools), '../../../share/postgresql', tools.split('/').at(-2)!, 'extension');
  return stat(share).then(
    () => true,
    () => false,
  );
}
