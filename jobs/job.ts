import { runFor, tell } from './command.ts';
import { CutoverError } from './errors.ts';
import { publishVerification } from './kubernetes.ts';
import { type CommonOptions, platformOf, processesOf, requireSource } from './options.ts';
import { type JobName, stepsOf } from './plan.ts';
import { reasonOf, withoutPasswords, withoutValues } from './print.ts';
import type { Report } from './report.ts';

/**
 * Runs the steps of one Kubernetes Job. `provision` also looks at Redis, where there is one; `verify` publishes its result,
 * whatever it is. The last line on stderr says why it failed: Kubernetes shows the tail of the log as the reason.
 */
export async function runJob(name: JobName, options: CommonOptions, signal: AbortSignal): Promise<void> {
  const processes = processesOf(options);
  if (processes && name !== 'load') {
    throw new CutoverError(
      'usage',
      `job ${name} is for one process`,
      'Leave --processes out: only load is for several.',
    );
  }
  // What comes before and behind a load is for the one that leads.
  const steps = stepsOf(name).filter((step) => !processes?.own || step.name === 'load');
  const work = async (): Promise<Report> => {
    if (name === 'backup' || name === 'recheck') requireSource(`job ${name}`, options);
    const platform = await platformOf(options);
    // Its client is a seventh of what a job needs of memory, and only this job needs it.
    if (name === 'provision' && platform.redis.length > 0) {
      const { checkRedis } = await import('./redis.ts');
      await checkRedis(platform);
    }
    return runFor(options, steps, platform, signal);
  };
  const { report, unpublished } = name === 'verify' ? await published(work) : { report: await work() };
  // A job's log is its reason for Kubernetes, and so reaches everybody who sees a run of `pulumi up`. The report on the
  // volume, and the ledger, have the values.
  const shown = withoutValues(report);
  await tell(options, report, withoutPasswords(shown), shown);
  if (report.ok && unpublished !== undefined) throw unpublished;
  if (unpublished !== undefined) console.error(unpublished.message);
  if (!report.ok) console.error(reasonOf(report));
}

/** Does the work between two publications: before it, so that no earlier result outlives its beginning, and after it. */
async function published(
  work: () => Promise<Report>,
): Promise<{ readonly report: Report; readonly unpublished?: Error }> {
  await publishVerification(undefined);
  let report: Report;
  try {
    report = await work();
  } catch (error) {
    // What went wrong first is what has to be told.
    await publishVerification(error as Error).catch(() => {});
    throw error;
  }
  try {
    await publishVerification(report);
    return { report };
  } catch (error) {
    return { report, unpublished: error as Error };
  }
}
