import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CutoverError } from '../../jobs/errors.ts';
import { publishVerification } from '../../jobs/kubernetes.ts';
import { emptySystemReport, type Report, tableReport } from '../../jobs/report.ts';
import { makeTls } from '../../stacks/embedded/tls.ts';

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly authorization: string | undefined;
  readonly type: string | undefined;
  readonly body: { readonly data: Record<string, string | null> };
}

const account = mkdtempSync(join(tmpdir(), 'cutover-account-'));
const seen: Seen[] = [];
/** What the server answers, one for each request; then 200. */
let answers: number[] = [];
let env: NodeJS.ProcessEnv;
let close: () => void;

beforeAll(async () => {
  const tls = await makeTls();
  const server = createServer(tls, async (request, response) => {
    const body: Buffer[] = [];
    for await (const chunk of request) body.push(chunk as Buffer);
    const { method, url, headers } = request;
    seen.push({
      method,
      url,
      authorization: headers.authorization,
      type: headers['content-type'],
      body: JSON.parse(Buffer.concat(body).toString()),
    });
    response.statusCode = answers.shift() ?? 200;
    response.end('{}');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  close = () => server.close();
  env = {
    KUBERNETES_SERVICE_HOST: '127.0.0.1',
    KUBERNETES_SERVICE_PORT: String((server.address() as AddressInfo).port),
    CUTOVER_RESULT_CONFIGMAP: 'trdinger-verification',
    CUTOVER_GENERATION: '3',
    CUTOVER_PHASE: 'cut-over',
  };
  writeFileSync(join(account, 'namespace'), 'cutover');
  writeFileSync(join(account, 'ca.crt'), tls.ca);
});
afterAll(() => {
  close();
  rmSync(account, { recursive: true, force: true });
});
beforeEach(() => {
  seen.length = 0;
  answers = [];
  writeFileSync(join(account, 'token'), 'first-token\n');
});

const SNAPSHOT = 'a'.repeat(64);

function report(code?: 'differences' | 'budget'): Report {
  const system = emptySystemReport();
  Object.assign(tableReport(system, 'ohlcv_data'), { compared: 90, quarantined: 2 });
  Object.assign(tableReport(system, 'ga_experiments'), { compared: 10, differences: code ? 3 : 0 });
  system.compared = { snapshot: SNAPSHOT, code: 'b'.repeat(64), rows: 20 };
  system.checks = [
    { name: 'layout', table: '*', ok: true, source: 'x', target: 'x' },
    { name: 'replica', table: '*', ok: !code, source: 'x', target: 'y' },
  ];
  system.ok = code === undefined;
  if (code) system.error = { code, exitCode: code === 'budget' ? 6 : 7, message: 'row 7 holds a value' };
  return { ok: system.ok, seconds: 1, systems: { trdinger: system } };
}

describe('the result of a verification', () => {
  it('is a merge patch of the ConfigMap by the pod, whose token is read each time', async () => {
    await publishVerification(report(), env, account);
    writeFileSync(join(account, 'token'), 'second-token');
    await publishVerification(undefined, env, account);
    const url = '/api/v1/namespaces/cutover/configmaps/trdinger-verification';
    const request = { method: 'PATCH', url, type: 'application/merge-patch+json' };
    expect(seen).toEqual([
      { ...request, authorization: 'Bearer first-token', body: expect.anything() },
      {
        ...request,
        authorization: 'Bearer second-token',
        body: {
          data: {
            result: 'running',
            systems: null,
            finishedAt: null,
            exitCode: null,
            sourceGeneration: '3',
            phase: 'cut-over',
          },
        },
      },
    ]);
    const { systems, finishedAt, ...rest } = seen[0]!.body.data;
    expect(rest).toEqual({ result: 'equal', exitCode: '0', sourceGeneration: '3', phase: 'cut-over' });
    expect(Date.now() - Date.parse(finishedAt!)).toBeLessThan(60_000);
    expect(JSON.parse(systems!)).toEqual({
      trdinger: {
        result: 'equal',
        rows: 20,
        fields: 100,
        differences: 0,
        failedChecks: 0,
        quarantined: 2,
        snapshot: SNAPSHOT,
        code: 'b'.repeat(64),
      },
    });
  });

  it.each([
    ['different', '7', report('differences')],
    ['failed', '6', report('budget')],
    ['failed', '2', new CutoverError('usage', 'no servers')],
    ['failed', '1', new TypeError('a bug')],
  ] as const)('is %s for exit code %s', async (result, exitCode, of) => {
    await publishVerification(of, env, account);
    const { data } = seen[0]!.body;
    expect(data).toMatchObject({ result, exitCode });
    expect(JSON.stringify(data)).not.toMatch(/holds a value|a bug|no servers/);
    if (!(of instanceof Error))
      expect(JSON.parse(data.systems!).trdinger).toMatchObject({ result, differences: 3, failedChecks: 1 });
  });

  it('has no generation where none is named, so that none of earlier stays', async () => {
    const { CUTOVER_GENERATION: _, CUTOVER_PHASE: __, ...without } = env;
    await publishVerification(undefined, without, account);
    expect(seen[0]!.body.data).toMatchObject({ sourceGeneration: null, phase: null });
  });

  it('is sent again when the API does not take it', async () => {
    answers = [500, 503];
    await publishVerification(report(), env, account);
    expect(seen).toHaveLength(3);
  });

  it('that nobody takes is an error', async () => {
    answers = [403, 403, 403];
    await expect(publishVerification(report(), env, account)).rejects.toMatchObject({
      kind: 'target',
      message: expect.stringMatching(/not in ConfigMap trdinger-verification: .*403/),
    });
    expect(seen).toHaveLength(3);
  });

  it('goes to no server of another authority', async () => {
    const other = mkdtempSync(join(tmpdir(), 'cutover-account-'));
    for (const [name, content] of Object.entries({
      namespace: 'cutover',
      token: 't',
      'ca.crt': (await makeTls()).ca,
    }))
      writeFileSync(join(other, name), content);
    await expect(publishVerification(report(), env, other)).rejects.toMatchObject({
      message: expect.stringMatching(/certificate|signature/),
    });
    rmSync(other, { recursive: true });
    expect(seen).toEqual([]);
  });

  it('stays here outside a cluster, or where no ConfigMap is named', async () => {
    await publishVerification(report(), { ...env, KUBERNETES_SERVICE_HOST: undefined }, account);
    await publishVerification(report(), { ...env, CUTOVER_RESULT_CONFIGMAP: '' }, account);
    expect(seen).toEqual([]);
  });
});
