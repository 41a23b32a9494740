import * as pulumi from '@pulumi/pulumi';
import { enforced } from './stacks/enforce.ts';
import { configOf, program } from './stacks/program.ts';
import { parseSettings } from './stacks/settings.ts';

/** What `pulumi up` runs: settings → platform → migrations → outputs, under the rules of stacks/policy.ts. */
export default () => {
  const settings = parseSettings(configOf(pulumi.runtime.allConfig()));
  return enforced(settings, () => program(settings));
};
