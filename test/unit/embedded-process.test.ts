import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { withLock } from '../../stacks/embedded/lock.ts';
import { isRunning, launch, serverIn, startTimeOf, terminate } from '../../stacks/embedded/process.ts';
import { run } from '../../stacks/embedded/run.ts';

let folder: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'cutover-process-')));
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

async function sleeper(): Promise<{ pid: number; startTime: number }> {
  const child = spawn('sleep', ['600'], { stdio: 'ignore', cwd: folder });
  children.push(child);
  await once(child, 'spawn');
  return { pid: child.pid!, startTime: (await startTimeOf(child.pid!))! };
}

describe('a process', () => {
  test('is known by its number and its start', async () => {
    const process_ = await sleeper();
    expect(await isRunning(process_)).toBe(true);
    expect(await isRunning({ ...process_, startTime: process_.startTime - 1 })).toBe(false);
  });

  test('may have any name, and started after us', async () => {
    const program = join(folder, 'a) Z 1 (b');
    await copyFile('/bin/sleep', program);
    const child = spawn(program, ['600'], { stdio: 'ignore' });
    children.push(child);
    await once(child, 'spawn');
    expect(await startTimeOf(child.pid!)).toBeGreaterThan((await startTimeOf(process.pid))!);
  });

  test('another one with its number is not ended', async () => {
    const process_ = await sleeper();
    const earlier = { ...process_, startTime: process_.startTime - 1 };
    expect(await terminate(earlier, ['SIGKILL'], 1_000)).toBe(false);
    expect(await isRunning(process_)).toBe(true);
    expect(await terminate(process_, ['SIGTERM'], 10_000)).toBe(true);
    expect(await isRunning(process_)).toBe(false);
  });

  test('that ignores the first signal gets the next', async () => {
    const child = spawn('bash', ['-c', 'trap "" TERM; echo ready; while :; do sleep 0.1; done']);
    children.push(child);
    await once(child.stdout, 'data');
    const process_ = { pid: child.pid!, startTime: (await startTimeOf(child.pid!))! };
    expect(await terminate(process_, ['SIGTERM', 'SIGKILL'], 200)).toBe(true);
  });

  test('is found by the folder it works in, its own children aside', async () => {
    expect(await serverIn(folder)).toBeUndefined();
    const child = spawn('bash', ['-c', 'sleep 600 & echo $!; wait'], { cwd: folder });
    children.push(child);
    const [worker] = await once(child.stdout, 'data');
    expect((await serverIn(folder))?.pid).toBe(child.pid);
    process.kill(Number(worker));
  });

  test('is launched with its output in a file and without our environment', async () => {
    const logFile = join(folder, 'log');
    const options = {
      command: 'env',
      args: [],
      cwd: folder,
      env: { ADDED: 'yes' },
      logFile,
      account: undefined,
    };
    await launch(options);
    await expect.poll(() => readFile(logFile, 'utf8')).toContain('ADDED=yes');
    expect(await readFile(logFile, 'utf8')).not.toContain('VITEST');
  });
});

describe('a program', () => {
  test('that fails gives the end of what it said, without logins', async () => {
    const failing = run(['sh', '-c', 'echo "cannot read http://me:secret@mirror.example/x" >&2; exit 3'], {
      cwd: '/',
    });
    await expect(failing).rejects.toMatchObject({
      kind: 'prerequisite',
      message: 'sh ended with 3: cannot read http://mirror.example/x',
    });
  });

  test('gets its arguments as they are', async () => {
    const { stdout } = await run(['printf', '%s|', 'a b', '$HOME', "it's", ''], { cwd: '/' });
    expect(stdout).toBe("a b|$HOME|it's||");
  });

  test('ends with all it has started when it is aborted', async () => {
    const controller = new AbortController();
    const running = run(['sh', '-c', 'sleep 600 & sleep 600'], { cwd: folder, signal: controller.signal });
    const ended = expect(running).rejects.toThrow('enough');
    await expect.poll(() => serverIn(folder)).toBeDefined();
    controller.abort(new Error('enough'));
    await ended;
    await expect.poll(() => serverIn(folder)).toBeUndefined();
  });
});

describe('the lock', () => {
  test('lets one in at a time, also within a process', async () => {
    const file = join(folder, 'lock');
    let inside = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setTimeout(resolve, 20));
      inside--;
    };
    await Promise.all([1, 2, 3].map(() => withLock(file, {}, work)));
    expect(most).toBe(1);
    expect(await readdir(folder)).toEqual([]);
  });

  test('of a process that is no more is taken over', async () => {
    const file = join(folder, 'lock');
    const { pid, startTime } = await sleeper();
    await writeFile(file, JSON.stringify({ pid, startTime: startTime - 1 }));
    expect(await withLock(file, {}, async () => 'in')).toBe('in');
  });

  test('of a living process is waited for, until somebody gives up', async () => {
    const file = join(folder, 'lock');
    await writeFile(file, JSON.stringify(await sleeper()));
    const said: string[] = [];
    const controller = new AbortController();
    const log = (line: string) => {
      said.push(line);
      controller.abort(new Error('gave up'));
    };
    await expect(withLock(file, { log, signal: controller.signal }, async () => 'in')).rejects.toThrow(
      'gave up',
    );
    expect(said).toEqual([expect.stringContaining(`waiting for process ${children[0]!.pid}`)]);
    expect(await readdir(folder)).toEqual(['lock']);
  });

  test('is given back when the work fails', async () => {
    const file = join(folder, 'lock');
    const failing = withLock(file, {}, () => Promise.reject(new Error('no')));
    await expect(failing).rejects.toThrow('no');
    expect(await readdir(folder)).toEqual([]);
  });
});
