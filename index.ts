import * as pulumi from '@pulumi/pulumi';
import { configOf, program } from './stacks/program.ts';

/** What `pulumi up` runs; stacks/program.ts is the way in. */
export default () => program(configOf(pulumi.runtime.allConfig()));
