import type { SystemMapping } from '../engine/mapping.ts';
import { CutoverError } from '../errors.ts';
import { harca } from './harca/index.ts';
import { instantSearch } from './instant-search/index.ts';
import { lightningTalk } from './lightning-talk/index.ts';
import { trdinger } from './trdinger/index.ts';
import { voiceRoleplayAnalytics } from './voice-roleplay/analytics.ts';
import { voiceRoleplay } from './voice-roleplay/index.ts';

/** Every system that can be migrated. */
export const SYSTEMS: readonly SystemMapping[] = [
  harca,
  instantSearch,
  lightningTalk,
  trdinger,
  voiceRoleplay,
  voiceRoleplayAnalytics,
];

/** The legacy store that a system reads. */
export const storeOf = (system: SystemMapping): string => system.store ?? system.name;

/** Names of the legacy stores. */
export const STORES: readonly string[] = [...new Set(SYSTEMS.map(storeOf))];

/** Names of the living databases that hold a part of a store. */
export const DATABASES: readonly string[] = SYSTEMS.flatMap(({ source }) =>
  source.kind === 'json' && source.database ? [source.database.name] : [],
);

/** The systems of the named stores, all when none is named. @throws CutoverError `usage` for an unknown name */
export function systemsNamed(names: readonly string[]): readonly SystemMapping[] {
  const isMeant = (system: SystemMapping, name: string) => name === system.name || name === storeOf(system);
  const unknown = names.filter((name) => !SYSTEMS.some((system) => isMeant(system, name)));
  if (unknown.length > 0) {
    throw new CutoverError(
      'usage',
      `unknown system ${unknown.join(', ')}`,
      `The systems are ${SYSTEMS.map((system) => system.name).join(', ')}.`,
    );
  }
  return names.length === 0
    ? SYSTEMS
    : SYSTEMS.filter((system) => names.some((name) => isMeant(system, name)));
}
