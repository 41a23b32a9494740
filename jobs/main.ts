import { makeProgram, runProgram } from './command-line.ts';

await runProgram(makeProgram);
