// One job in a process of its own: reads a JobRequest from stdin, runs its steps, prints a line of JSON for the start-up and
// one for each step.
import { text } from 'node:stream/consumers';
import type { SystemMapping } from '../jobs/engine/mapping.ts';
import { PLAN } from '../jobs/plan.ts';
import { exitCodeOf, runSteps } from '../jobs/run.ts';
import { Secrets } from '../jobs/secrets.ts';
import type { JobRequest, StartTime, StepTime } from './cutover.ts';
import { stepDefaults } from './step-defaults.ts';

const print = (line: StartTime | StepTime) => console.log(JSON.stringify(line));

const request = JSON.parse(await text(process.stdin)) as JobRequest;
const module = (await import(request.system.module)) as Record<string, SystemMapping>;
const system = module[request.system.name]!;
const secrets = await Secrets.open(request.secrets);

const steps = request.steps.map((name) => {
  const step = PLAN.find((each) => each.name === name)!;
  return {
    ...step,
    run: async (context: Parameters<typeof step.run>[0]) => {
      const begun = performance.now();
      await step.run(context);
      // Linux counts in KiB.
      const rss = process.resourceUsage().maxRSS * 1024;
      print({ step: name, seconds: (performance.now() - begun) / 1000, rss });
    },
  };
});

// Counted from the start of the process.
print({ startup: performance.now() / 1000 });
const report = await runSteps([system], steps, () => ({
  ...stepDefaults,
  system,
  origin: request.system,
  platform: request.platform,
  home: request.home,
  secrets,
  sources: { folders: [request.source], stores: new Map() },
  batchRows: request.batchRows ?? stepDefaults.batchRows,
}));
const { error } = report.systems[system.name]!;
if (error) console.error(error.message);
process.exitCode = exitCodeOf(report);
