import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runFor, tell } from '../../jobs/command.ts';
import { CutoverError } from '../../jobs/errors.ts';
import { runJob } from '../../jobs/job.ts';
import { publishVerification } from '../../jobs/kubernetes.ts';
import type { CommonOptions } from '../../jobs/options.ts';
import { checkRedis } from '../../jobs/redis.ts';
import { emptySystemReport, type Report } from '../../jobs/report.ts';

vi.mock('../../jobs/command.ts');
vi.mock('../../jobs/kubernetes.ts');
vi.mock('../../jobs/redis.ts');

const options: CommonOptions = {
  system: [],
  source: [],
  home: '.',
  quarantineBudget: [],
  batchRows: 1,
  threads: 1,
  partRows: 1,
  postgres: 'postgresql://u:p@127.0.0.1:1/postgres',
};
const equal: Report = { ok: true, seconds: 0, systems: {} };
const different: Report = { ok: false, seconds: 0, systems: { harca: emptySystemReport() } };
different.systems.harca!.error = { code: 'differences', exitCode: 7, message: 'differ' };
const unpublished = new CutoverError('target', 'not published');

const { signal } = new AbortController();
let order: string[];
let said: unknown[];

beforeEach(() => {
  order = [];
  said = [];
  vi.spyOn(console, 'error').mockImplementation((line) => void said.push(line));
  vi.mocked(publishVerification).mockImplementation(async (report) => {
    order.push(report === undefined ? 'publish running' : 'publish result');
  });
  vi.mocked(runFor).mockImplementation(async () => {
    order.push('run');
    return equal;
  });
  vi.mocked(tell).mockImplementation(async () => void order.push('tell'));
  vi.mocked(checkRedis).mockImplementation(async () => void order.push('redis'));
});
afterEach(() => void vi.resetAllMocks());

const stepsRun = () => vi.mocked(runFor).mock.calls[0]![1].map(({ name }) => name);

describe('a Job', () => {
  it('runs its own steps, and publishes nothing', async () => {
    await runJob('load', options, signal);
    expect(stepsRun()).toEqual(['schema', 'load', 'index']);
    expect(order).toEqual(['run', 'tell']);
  });

  it('of several processes runs all of them in the first, and the load alone in the others', async () => {
    await runJob('load', { ...options, processes: 2, process: 0 }, signal);
    expect(stepsRun()).toEqual(['schema', 'load', 'index']);
    vi.mocked(runFor).mockClear();
    await runJob('load', { ...options, processes: 2, process: 1 }, signal);
    expect(stepsRun()).toEqual(['load']);
    await expect(runJob('verify', { ...options, processes: 2, process: 1 }, signal)).rejects.toMatchObject({
      kind: 'usage',
      message: 'job verify is for one process',
    });
  });

  it('that provisions looks at Redis first, where there is one', async () => {
    await runJob('provision', { ...options, redis: 'redis://127.0.0.1:2' }, signal);
    await runJob('provision', options, signal);
    expect(order).toEqual(['redis', 'run', 'tell', 'run', 'tell']);
  });

  it('that backs up wants a source', async () => {
    await expect(runJob('backup', options, signal)).rejects.toMatchObject({ kind: 'usage' });
    expect(order).toEqual([]);
  });

  it('that failed says why last of all', async () => {
    vi.mocked(runFor).mockResolvedValue(different);
    vi.mocked(tell).mockImplementation(async () => void said.push('the report'));
    await runJob('load', options, signal);
    expect(said).toEqual(['the report', expect.stringMatching(/^error: harca: /)]);
  });
});

describe('the Job that verifies', () => {
  it('publishes that it runs, then its result, whatever it is', async () => {
    await runJob('verify', options, signal);
    expect(order).toEqual(['publish running', 'run', 'publish result', 'tell']);
    expect(publishVerification).toHaveBeenLastCalledWith(equal);
    vi.mocked(runFor).mockResolvedValue(different);
    await runJob('verify', options, signal);
    expect(publishVerification).toHaveBeenLastCalledWith(different);
  });

  it('that never came to a report publishes that it failed', async () => {
    const { postgres: _, ...nowhere } = options;
    const error = await runJob('verify', { ...nowhere, home: '/nonexistent' }, signal).catch(
      (thrown) => thrown,
    );
    expect(error).toMatchObject({ kind: 'prerequisite' });
    expect(publishVerification).toHaveBeenLastCalledWith(error);
  });

  it('does not begin while an earlier result could go on to stand', async () => {
    vi.mocked(publishVerification).mockRejectedValue(unpublished);
    await expect(runJob('verify', options, signal)).rejects.toBe(unpublished);
    expect(order).toEqual([]);
  });

  it('fails when its result can not be published, after it has been told', async () => {
    vi.mocked(publishVerification).mockResolvedValueOnce().mockRejectedValue(unpublished);
    await expect(runJob('verify', options, signal)).rejects.toBe(unpublished);
    expect(order).toEqual(['run', 'tell']);
    vi.mocked(publishVerification).mockResolvedValueOnce();
    vi.mocked(runFor).mockResolvedValue(different);
    await runJob('verify', options, signal);
    expect(said).toEqual(['not published', expect.stringMatching(/^error: harca: /)]);
  });
});
