import { Command } from 'commander';
import { type CommonOptions, withCommonOptions } from '../jobs/options.ts';

const options = withCommonOptions(new Command()).parse([], { from: 'user' }).opts<CommonOptions>();

/** How a command line without options runs its steps, but that a sample's planted bad records are no failure. */
export const stepDefaults = {
  batchRows: options.batchRows,
  threads: options.threads,
  partRows: options.partRows,
  budget: Number.POSITIVE_INFINITY,
  dryRun: false,
  log: () => {},
};
