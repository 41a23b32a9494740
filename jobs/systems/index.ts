import type { SystemMapping } from '../engine/mapping.ts';
import { CutoverError } from '../errors.ts';
import { lightningTalk } from './lightning-talk/index.ts';
import { trdinger } from './trdinger/index.ts';

/** Every system that can be migrated. */
export const SYSTEMS: readonly SystemMapping[] = [lightningTalk, trdinger];

/** The named systems, all when none is named. @throws CutoverError `usage` for an unknown name */
export function systemsNamed(names: readonly string[]): readonly SystemMapping[] {
  const unknown = names.filter((name) => !SYSTEMS.some((system) => system.name === name));
  if (unknown.length > 0) {
    throw new CutoverError(
      'usage',
      `unknown system ${unknown.join(', ')}`,
      `The systems are ${SYSTEMS.map((system) => system.name).join(', ')}.`,
    );
  }
  return names.length === 0 ? SYSTEMS : SYSTEMS.filter((system) => names.includes(system.name));
}
