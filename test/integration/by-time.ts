import * as bench from '../../bench/json/systems.ts';
import type { SystemMapping } from '../../jobs/engine/mapping.ts';
import { lightningTalk } from '../../jobs/systems/lightning-talk/index.ts';

const { database, rolePrefix } = lightningTalk;

/** lightning-talk with its analytics alone, under a key that their file is in the order of. */
export const byTime: SystemMapping = { ...bench.byTime, database, rolePrefix };
