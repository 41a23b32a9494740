import type pg from 'pg';
import { lastCutOver } from '../engine/cut-over.ts';
import { CutoverError } from '../errors.ts';
import type { StepContext } from './context.ts';

/**
 * Whether this final sync has ended before: then nothing of it is done again, as applications have written since.
 * @throws CutoverError `cutOver` when the database was cut over by another one, and nobody said `--reload`
 */
export async function isCutOver(context: StepContext, client: pg.Client): Promise<boolean> {
  const { system, final, reload, report } = context;
  const last = await lastCutOver(client, system.name);
  if (last === undefined) return false;
  const when = `${system.name} was cut over at ${last.at.toISOString()}, generation ${last.generation}`;
  if (last.generation === final) {
    report.remarks.push(`${when}: nothing is done again, as applications write to the database since`);
    return true;
  }
  if (reload) return false;
  throw new CutoverError(
    'cutOver',
    `${when}, and applications have written to database ${system.database} since`,
    'A load of the file would take that back. Where the file is the truth again, say so: --reload, or reload: true of the system in a stack.',
  );
}
