import { graphOf } from '../../stacks/graph.ts';
import { program } from '../../stacks/program.ts';
import { parseSettings } from '../../stacks/settings.ts';

// Runs the program where Jobs whose names end so can't be made, and prints what was made: TYPE NAME, as JSON.
const [ending, config] = process.argv.slice(2);
const made: string[] = [];
process.on('exit', () => console.log(JSON.stringify(made)));
process.on('unhandledRejection', () => {
  process.exitCode = 1;
  // What does not wait for the Job is made meanwhile.
  setTimeout(() => process.exit(), 1000);
});
await graphOf(() => program(parseSettings(JSON.parse(config!))), {
  stack: 'test',
  answers: (type, name) => {
    if (type === 'kubernetes:batch/v1:Job' && name.endsWith(ending!)) throw new Error(`${name} failed`);
    made.push(`${type} ${name}`);
    return {};
  },
});
