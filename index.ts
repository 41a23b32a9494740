import * as pulumi from '@pulumi/pulumi';
import { enforced } from './stacks/enforce.ts';
import { configOf, program } from './stacks/program.ts';
import { parseSettings } from './stacks/settings.ts';

/** What `pulumi up` runs; stacks/program.ts is the way in. */
export default () => {
  const config = configOf(pulumi.runtime.allConfig());
  return enforced(parseSettings(config), () => program(config));
};
