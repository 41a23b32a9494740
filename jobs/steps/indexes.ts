import type pg from 'pg';
import { setForSession } from '../database.ts';
import { CutoverError } from '../errors.ts';
import { type AfterLoad, afterLoad, stagesOf } from '../sql.ts';
import { vacuumTables } from './analyze.ts';
import { limitsOf, shareOf } from './build-share.ts';
import { asRole, databaseUrl, type StepContext } from './context.ts';
import { editionOf } from './schema.ts';

/** What is made after the load: indexes, statistics, compression, aggregates. May be repeated at any time. */
export async function indexes(context: StepContext): Promise<void> {
  const { system, dryRun } = context;
  if (dryRun) return;
  await asRole(context, 'owner', async (client) => {
    const limits = await limitsOf(client, databaseUrl(context, 'owner'));
    for (const stage of stagesOf(await afterLoad(system.name, await editionOf(client)))) {
      const { connections, settings } = shareOf(limits, stage.length, context.indexConnections);
      // What a system asks for is for one session; several share what there is.
      const own = connections === 1 ? { ...settings, ...system.indexSettings } : settings;
      await runSideBySide(context, client, stage, connections, own);
    }
    await vacuumTables(client, system);
  });
}

/** Runs the statements in order on several connections. After a failure none is begun; what runs comes to its end. */
async function runSideBySide(
  context: StepContext,
  first: pg.Client,
  stage: readonly AfterLoad[],
  connections: number,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  const rest = [...stage];
  let failed = false;
  const work = async (client: pg.Client) => {
    await setForSession(client, settings);
    while (!failed && rest.length > 0) {
      context.signal?.throwIfAborted();
      await runStatement(context, client, rest.shift()!);
    }
  };
  const noticing = (working: Promise<void>) =>
    working.catch((error: unknown) => {
      failed = true;
      throw error;
    });
  const others = Array.from({ length: connections - 1 }, () => noticing(asRole(context, 'owner', work)));
  const ends = await Promise.allSettled([noticing(work(first)), ...others]);
  const end = ends.find(({ status }) => status === 'rejected');
  if (end?.status === 'rejected') throw end.reason;
}

async function runStatement({ system }: StepContext, client: pg.Client, { file, statement }: AfterLoad) {
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
