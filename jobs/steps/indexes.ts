import { CutoverError } from '../errors.ts';
import { afterLoad } from '../sql.ts';
import { analyzeTables } from './analyze.ts';
import { asRole, type StepContext, setForSession } from './context.ts';
import { editionOf } from './schema.ts';

/** What is made after the load: indexes, statistics, compression, aggregates. May be repeated at any time. */
export async function indexes(context: StepContext): Promise<void> {
  const { system, dryRun } = context;
  if (dryRun) return;
  await asRole(context, 'owner', async (client) => {
    await setForSession(client, system.indexSettings);
    const edition = await editionOf(client);
    for (const { file, statement } of await afterLoad(system.name, edition)) {
      try {
        await client.query(statement);
      } catch (error) {
        throw new CutoverError(
          'target',
          `sql/${system.name}/after-load/${file}: ${(error as Error).message}, in: ${statement.trim().slice(0, 200)}`,
          'Correct the statement; it is safe to repeat the step.',
          { cause: error },
        );
      }
    }
    await analyzeTables(client, system);
  });
}
