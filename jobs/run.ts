import { targetError } from './database.ts';
import type { SystemMapping } from './engine/mapping.ts';
import { CutoverError, ExitCode } from './errors.ts';
import type { NamedStep } from './plan.ts';
import { emptySystemReport, type Report } from './report.ts';
import type { StepContext } from './steps/context.ts';

/**
 * Runs steps for each system in the order given, systems side by side. A failing step ends its own system and no other.
 * @param contextFor everything of a context but the report
 */
export async function runSteps(
  systems: readonly SystemMapping[],
  steps: readonly NamedStep[],
  contextFor: (system: SystemMapping) => Omit<StepContext, 'report'>,
): Promise<Report> {
  const begun = Date.now();
  const report: Report = { ok: true, seconds: 0, systems: {} };
  await Promise.all(
    systems.map(async (system) => {
      const own = emptySystemReport();
      report.systems[system.name] = own;
      const context: StepContext = { ...contextFor(system), report: own };
      const start = Date.now();
      try {
        for (const step of steps) {
          context.signal?.throwIfAborted();
          context.log(`${system.name}: ${step.name}`);
          await context.platform.refresh?.();
          await step.run(context);
        }
        own.ok = true;
      } catch (error) {
        own.error = describeError(context.signal?.aborted ? interrupted(error) : error, context);
        report.ok = false;
      }
      own.seconds = (Date.now() - start) / 1000;
    }),
  );
  report.seconds = (Date.now() - begun) / 1000;
  return report;
}

/** The exit code of a report: that of the first system that failed. */
export function exitCodeOf(report: Report): number {
  return Object.values(report.systems).find((system) => system.error)?.error?.exitCode ?? ExitCode.ok;
}

function interrupted(cause: unknown): CutoverError {
  return new CutoverError('interrupted', 'interrupted', 'Run the same command again: it resumes.', { cause });
}

function describeError(
  thrown: unknown,
  context: StepContext,
): NonNullable<Report['systems'][string]['error']> {
  // The server is asked for only where its place is wanted: one that can't be read may be the very error.
  const error =
    thrown instanceof CutoverError ? thrown : targetError(thrown, context.platform[context.system.server]);
  if (error instanceof CutoverError) {
    return { code: error.kind, exitCode: error.exitCode, message: error.message, fix: error.fix };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return {
    code: 'internal',
    exitCode: ExitCode.internal,
    message,
    fix: 'This is a bug: please report it with this text.',
  };
}
