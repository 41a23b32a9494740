import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { formatConnections, formatReport, reasonOf } from '../../jobs/print.ts';
import {
  type Connections,
  emptySystemReport,
  type Report,
  tableReport,
  writeReport,
} from '../../jobs/report.ts';
import { Secrets } from '../../jobs/secrets.ts';

const folder = mkdtempSync(join(tmpdir(), 'cutover-print-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('connections', () => {
  const connections: Connections = {
    postgres: 'postgresql://postgres:hunter2@127.0.0.1:5432/postgres?sslmode=verify-full',
    replica: 'postgresql://postgres:hunter2@127.0.0.1:5433/postgres',
    timescale: 'postgresql://post%40gres:p%3A%40hunter2@[::1]:5434/postgres',
    redis: [
      'rediss://default:hunter2@127.0.0.1:7000',
      'rediss://:hunter2@127.0.0.1:7001',
      'redis://127.0.0.1:7002',
    ],
    databases: {
      trdinger: {
        owner: 'postgresql://o:hunter2@h/trdinger',
        readonly: 'postgresql://r:hunter2@h/trdinger',
        readwrite: 'postgresql://trdinger_readwrite:hunter2@h/trdinger',
      },
    },
  };

  it('are shown without passwords, with everything else', () => {
    const text = formatConnections(connections, false);
    expect(text).not.toContain('hunter2');
    expect(text.split('\n').map((line) => line.trim().split(/ {2,}/).at(-1))).toEqual(
      [
        'PostgreSQL primary  postgresql://postgres:***@127.0.0.1:5432/postgres?sslmode=verify-full',
        'PostgreSQL replica  postgresql://postgres:***@127.0.0.1:5433/postgres',
        'TimescaleDB         postgresql://post%40gres:***@[::1]:5434/postgres',
        'Redis cluster       rediss://default:***@127.0.0.1:7000',
        'rediss://:***@127.0.0.1:7001',
        'redis://127.0.0.1:7002',
        'trdinger            postgresql://trdinger_readwrite:***@h/trdinger',
      ].map((line) => line.split(/ {2,}/).at(-1)),
    );
  });

  it('also where a password was not encoded, or stands among the parameters', () => {
    const text = formatConnections(
      {
        ...connections,
        postgres: 'postgresql://u:p@hunter2@db.example.com/postgres',
        replica: 'postgresql://db.example.com/postgres?user=u&password=hunter2&sslmode=verify-full',
      },
      false,
    );
    expect(text).not.toContain('hunter2');
    expect(text).toContain('@db.example.com/postgres');
    expect(text).toContain('sslmode=verify-full');
  });

  it('are shown whole when asked for', () => {
    expect(formatConnections(connections, true)).toContain('rediss://:hunter2@127.0.0.1:7001');
  });

  it('without a replica say so', () => {
    expect(formatConnections({ ...connections, replica: null }, false)).toMatch(
      /^PostgreSQL replica +none$/m,
    );
  });
});

describe('a report', () => {
  const system = emptySystemReport();
  Object.assign(tableReport(system, 'ohlcv_data'), {
    source: 1_000_000,
    read: 1_000_000,
    inserted: 999_990,
    merged: 7,
    quarantined: 3,
    reasons: { SHIFTED_COPY: 2, BAD_TIMESTAMP: 1 },
    notes: { H4: 2, H2: 1 },
    compared: 13_999_860,
  });
  Object.assign(tableReport(system, 'ga_experiments'), { removed: 4, notes: { H4: 1 } });
  system.remarks.push('TimescaleDB, Apache edition: nothing is compressed');
  system.checks.push(
    { name: 'min(open)', table: 'ohlcv_data', ok: true, source: '1', target: '1' },
    { name: 'max(open)', table: 'ohlcv_data', ok: false, source: '2', target: '3' },
  );

  it('has the figures, the reasons and what was noticed', () => {
    const report: Report = {
      ok: true,
      seconds: 12.345,
      systems: { trdinger: { ...system, ok: true, seconds: 12 } },
    };
    const lines = formatReport(report).split('\n');
    expect(lines[0]).toBe('trdinger: ok, 12.0 s');
    expect(lines[1]!.trim().split(/ {2,}/)).toEqual([
      'table',
      'source',
      'read',
      'inserted',
      'updated',
      'unchanged',
      'merged',
      'quarantined',
      'fields compared',
      'differences',
    ]);
    expect(lines[2]!.trim().split(/ +/)).toEqual([
      'ohlcv_data',
      '1,000,000',
      '1,000,000',
      '999,990',
      '0',
      '0',
      '7',
      '3',
      '13,999,860',
      '0',
    ]);
    const text = lines.join('\n');
    expect(text).toContain('quarantined in public.ohlcv_data: SHIFTED_COPY 2, BAD_TIMESTAMP 1');
    expect(text).toContain('removed from public.ga_experiments, no longer in the source: 4');
    expect(text).toContain('kept under a written rule (docs/hazards.md): H2 1, H4 3');
    expect(text).toContain('1 of 2 checks agree: aggregates by both engines, layout, ledger, replica');
    expect(text).toContain('max(open) of ohlcv_data: source 2, target 3');
    expect(text).not.toContain('min(open)');
    expect(text).toContain('TimescaleDB, Apache edition: nothing is compressed');
    expect(lines.at(-1)).toBe('All systems are proved equal to their sources, 12.3 s.');
  });

  it('says what failed and what to do', () => {
    const error = {
      code: 'budget',
      exitCode: 6,
      message: '3 records are in quarantine',
      fix: 'Accept them.',
    };
    const report: Report = {
      ok: false,
      seconds: 1,
      systems: { trdinger: { ...emptySystemReport(), error } },
    };
    const text = formatReport(report);
    expect(text).toContain('trdinger: FAILED (budget)');
    expect(text).toContain('error: 3 records are in quarantine\n  fix: Accept them.');
    expect(text).not.toContain('proved');
  });

  it('is written for its owner alone, whatever was there before', async () => {
    const file = join(folder, 'reports/last.json');
    for (const ok of [true, false]) {
      await writeReport(file, { ok });
      expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ ok });
      expect(statSync(file).mode & 0o777).toBe(0o600);
    }
  });
});

describe('passwords', () => {
  it('are made once, long, and readable by their owner alone', async () => {
    const home = join(folder, 'home');
    const secrets = await Secrets.open(home);
    const [one, two] = [secrets.password('lt_owner'), secrets.password('lt_migrator')];
    expect(one).not.toBe(two);
    // 24 random bytes, without characters that a URL or a shell would mind.
    expect(one).toMatch(/^[\w-]{32}$/);
    expect(secrets.password('lt_owner')).toBe(one);
    expect((await Secrets.open(home)).password('lt_migrator')).toBe(two);
    expect(statSync(join(home, 'secrets.json')).mode & 0o777).toBe(0o600);
  });
});

describe('the reason of a failed Job', () => {
  const failed = (errors: Record<string, { code: string; message: string; fix?: string }>): Report => ({
    ok: false,
    seconds: 1,
    systems: Object.fromEntries(
      Object.entries(errors).map(([name, error]) => {
        const system = emptySystemReport();
        system.error = { exitCode: 4, ...error };
        return [name, system];
      }),
    ),
  });

  it('is one line with the fix, for each system that failed', () => {
    const report = failed({
      harca: { code: 'target', message: 'no server\nanswers', fix: 'Start\nit.' },
      trdinger: { code: 'budget', message: 'trdinger: 9 records' },
    });
    report.systems.fine = emptySystemReport();
    expect(reasonOf(report)).toBe('error: harca: no server; fix: Start it. | trdinger: 9 records');
  });

  it('says of differences where they are, and not what they are', () => {
    const report = failed({ harca: { code: 'differences', message: 'harca: users 7: source a@b.c' } });
    Object.assign(tableReport(report.systems.harca!, 'users'), { differences: 1200 });
    tableReport(report.systems.harca!, 'same');
    report.systems.harca!.checks = [
      { name: 'sum', table: 'users', ok: false, source: 'a@b.c', target: '' },
      { name: 'min', table: 'users', ok: true, source: '', target: '' },
    ];
    expect(reasonOf(report)).toBe(
      'error: harca: 1,200 differences in public.users, check failed: sum of users',
    );
  });

  it('has no password, and room in what Kubernetes keeps', () => {
    const message = `connect postgresql://me:hunter2@db/x ${'日本'.repeat(1000)}`;
    const reason = reasonOf(failed({ harca: { code: 'internal', message, fix: 'Report it.' } }));
    expect(reason).toMatch(/^error: harca: connect postgresql:\/\/me:\*\*\*@db\/x 日本[日本]+…$/);
    expect(Buffer.byteLength(`${reason}\n`)).toBeLessThanOrEqual(2048);
  });
});
