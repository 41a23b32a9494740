import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CutoverError } from './errors.ts';
import type { Report } from './report.ts';
import { exitCodeOf } from './run.ts';

/** What becomes of the keys of a ConfigMap: null removes one. */
type Data = Readonly<Record<string, string | null>>;

/** Where Kubernetes mounts a pod's account (its documentation, "Accessing the Kubernetes API from a Pod"). */
const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
const ATTEMPTS = 3;
const TIMEOUT_MS = 10_000;

/**
 * Writes what became of a verification into the ConfigMap that `CUTOVER_RESULT_CONFIGMAP` names, in the pod's namespace, which
 * must exist. Does nothing outside a cluster, or where no ConfigMap is named.
 *
 * @param report undefined: it runs, and whatever was said before counts no more. An error: it never came to a report
 * @throws CutoverError `target`: what is not published would be read as what was published before
 */
export async function publishVerification(
  report: Report | Error | undefined,
  env: NodeJS.ProcessEnv = process.env,
  account = ACCOUNT,
): Promise<void> {
  const {
    KUBERNETES_SERVICE_HOST: host,
    KUBERNETES_SERVICE_PORT: port,
    CUTOVER_RESULT_CONFIGMAP: name,
  } = env;
  if (!host || !name) return;
  const data: Data = {
    ...resultOf(report),
    sourceGeneration: env.CUTOVER_GENERATION ?? null,
    phase: env.CUTOVER_PHASE ?? null,
  };
  for (let attempt = 1; ; attempt++) {
    try {
      await patchConfigMap({ host, port: port || '443' }, account, name, data);
      return;
    } catch (error) {
      if (attempt < ATTEMPTS) {
        await sleep(1000 * attempt);
        continue;
      }
      throw new CutoverError(
        'target',
        `the result of the verification is not in ConfigMap ${name}: ${(error as Error).message}`,
        "Let the Job's service account patch that ConfigMap, which must exist; then run the Job again.",
        { cause: error },
      );
    }
  }
}

function resultOf(report: Report | Error | undefined): Data {
  if (report === undefined) return { result: 'running', systems: null, finishedAt: null, exitCode: null };
  const finishedAt = new Date().toISOString();
  if (report instanceof Error) {
    const exitCode = report instanceof CutoverError ? report.exitCode : 1;
    return { result: 'failed', systems: '{}', finishedAt, exitCode: String(exitCode) };
  }
  const all = Object.values(report.systems);
  const differs = all.some(({ error }) => error?.code === 'differences');
  const systems = Object.entries(report.systems).map(([name, { tables, checks, compared, error }]) => {
    const sum = (what: 'compared' | 'differences' | 'quarantined') =>
      Object.values(tables).reduce((total, table) => total + table[what], 0);
    const { snapshot = null, code = null, rows = 0 } = compared ?? {};
    const proof = {
      result: error === undefined ? 'equal' : error.code === 'differences' ? 'different' : 'failed',
      rows,
      fields: sum('compared'),
      differences: sum('differences'),
      failedChecks: checks.filter(({ ok }) => !ok).length,
      quarantined: sum('quarantined'),
      snapshot,
      code,
    };
    return [name, proof];
  });
  return {
    result: report.ok ? 'equal' : differs ? 'different' : 'failed',
    systems: JSON.stringify(Object.fromEntries(systems)),
    finishedAt,
    exitCode: String(exitCodeOf(report)),
  };
}

/** One request as the pod's account, whose token Kubernetes renews: it is read each time. */
async function patchConfigMap(
  api: { readonly host: string; readonly port: string },
  account: string,
  name: string,
  data: Data,
): Promise<void> {
  const [token, ca, namespace] = await Promise.all(
    ['token', 'ca.crt', 'namespace'].map((file) => readFile(join(account, file), 'utf8')),
  );
  const path = `/api/v1/namespaces/${namespace!.trim()}/configmaps/${encodeURIComponent(name)}`;
  await new Promise<void>((resolve, reject) => {
    const patch = request({
      ...api,
      path,
      method: 'PATCH',
      ca,
      timeout: TIMEOUT_MS,
      headers: {
        authorization: `Bearer ${token!.trim()}`,
        'content-type': 'application/merge-patch+json',
        accept: 'application/json',
      },
    });
    patch.on('timeout', () => patch.destroy(new Error(`no answer in ${TIMEOUT_MS} ms`)));
    patch.on('error', reject);
    patch.on('response', (response) => {
      response.resume();
      const { statusCode = 0, statusMessage } = response;
      if (statusCode < 300) response.on('end', resolve);
      else reject(new Error(`PATCH ${path}: ${statusCode} ${statusMessage}`));
    });
    patch.end(JSON.stringify({ data }));
  });
}
