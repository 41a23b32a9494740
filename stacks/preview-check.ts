import { readFileSync } from 'node:fs';
import { isClean, markdownOf, type PreviewReport, problemsOf, readPreview } from './preview.ts';

/**
 * `npm run preview:check -- FILE [--markdown]`: judges what `pulumi preview --json --show-sames` printed into FILE.
 * Exit codes: 0 nothing forbids the update; 1 a store would be replaced or deleted, a rule is violated or the preview
 * failed, each named on stderr; 2 FILE is no such preview. `--markdown` prints the changes too, for a pull request.
 */
function main(args: readonly string[]): number {
  const [file, ...more] = args.filter((each) => each !== '--markdown');
  if (file === undefined || more.length > 0) {
    console.error('usage: npm run preview:check -- FILE [--markdown]');
    return 2;
  }
  let report: PreviewReport;
  try {
    report = readPreview(readFileSync(file, 'utf8'));
  } catch (error) {
    console.error(`error: ${file} is no preview: ${(error as Error).message}`);
    console.error(`fix: pulumi preview --json --show-sames > ${file}`);
    return 2;
  }
  if (args.includes('--markdown')) console.log(markdownOf(report));
  for (const problem of problemsOf(report)) console.error(`error: ${problem}`);
  return isClean(report) ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
