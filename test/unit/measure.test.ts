import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { figuresOf, publishFigures } from '../../jobs/cloudwatch.ts';
import { emptySystemReport, type Measurement, type Report } from '../../jobs/report.ts';
import { percentile95 } from '../../jobs/steps/measure.ts';
import { SYSTEMS } from '../../jobs/systems/index.ts';

describe('the 95th percentile', () => {
  it('is the smallest value that 95 of 100 do not exceed', () => {
    const upTo = (n: number) => Array.from({ length: n }, (_, i) => n - i);
    expect([1, 2, 19, 20, 21, 100].map((n) => percentile95(upTo(n)))).toEqual([1, 2, 19, 19, 20, 95]);
    expect(percentile95([])).toBeUndefined();
  });
});

describe('hot queries', () => {
  it.each(SYSTEMS)('of $name are one to three, each of one statement that reads', ({ hotQueries = [] }) => {
    expect(hotQueries.length).toBeGreaterThan(0);
    expect(hotQueries.length).toBeLessThan(4);
    expect(new Set(hotQueries.map(({ name }) => name)).size).toBe(hotQueries.length);
    for (const { sql } of hotQueries) expect(sql).toMatch(/^select [^;]*$/);
  });
});

function measured(systems: Record<string, Measurement>): Report {
  const reports = Object.entries(systems).map(([name, of]) => [
    name,
    { ...emptySystemReport(), measured: of },
  ]);
  return { ok: true, seconds: 0, systems: Object.fromEntries(reports) };
}

describe('the figures of a store', () => {
  it('are those of its slowest system, and of all its runs', () => {
    const report = measured({
      'voice-roleplay': { p95: 3, runs: 40, failed: 1 },
      'voice-roleplay-analytics': { p95: 7, runs: 60, failed: 1 },
      trdinger: { p95: undefined, runs: 20, failed: 20 },
      harca: { p95: undefined, runs: 0, failed: 0 },
    });
    expect(figuresOf(report)).toEqual([
      { store: 'trdinger', errorRate: 100 },
      { store: 'voice-roleplay', milliseconds: 7, errorRate: 2 },
    ]);
  });
});

describe('CloudWatch', () => {
  let status = 200;
  const bodies: unknown[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    bodies.push([request.headers['x-amz-target'], JSON.parse(Buffer.concat(chunks).toString())]);
    response.statusCode = status;
    response.end('{}');
  });
  beforeAll(async () => {
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as AddressInfo;
    vi.stubEnv('AWS_ENDPOINT_URL_CLOUDWATCH', `http://127.0.0.1:${port}`);
    vi.stubEnv('AWS_REGION', 'eu-central-1');
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDEXAMPLE');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'not-in-messages');
    vi.stubEnv('AWS_MAX_ATTEMPTS', '1');
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    server.close();
  });

  it('gets both metrics of each store, by its name', async () => {
    await publishFigures([
      { store: 'trdinger', errorRate: 100 },
      { store: 'harca', milliseconds: 7, errorRate: 2 },
    ]);
    const of = (store: string) => ({ Dimensions: [{ Name: 'System', Value: store }] });
    expect(bodies).toEqual([
      [
        'GraniteServiceVersion20100801.PutMetricData',
        {
          Namespace: 'cutover',
          MetricData: [
            { MetricName: 'ErrorRate', Unit: 'Percent', Value: 100, ...of('trdinger') },
            { MetricName: 'QueryMilliseconds', Unit: 'Milliseconds', Value: 7, ...of('harca') },
            { MetricName: 'ErrorRate', Unit: 'Percent', Value: 2, ...of('harca') },
          ],
        },
      ],
    ]);
  });

  it('that refuses is an error without a credential', async () => {
    status = 403;
    const error = await publishFigures([{ store: 'harca', errorRate: 0 }]).catch((thrown) => thrown);
    expect(error).toMatchObject({ kind: 'target', message: expect.stringMatching(/^CloudWatch: /) });
    expect(error.message).not.toMatch(/not-in-messages|AKID/);
  });

  it('is not asked for nothing', async () => {
    bodies.length = 0;
    await publishFigures([]);
    expect(bodies).toEqual([]);
  });
});
