import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CutoverError } from '../errors.ts';
import { HARCA_ROWS, writeHarca } from './harca.ts';
import { INSTANT_SEARCH_ROWS, writeInstantSearch } from './instant-search.ts';
import { LIGHTNING_TALK_ROWS, writeLightningTalk } from './lightning-talk.ts';
import { isQuarantined, type SampleManifest, type SampleSystem } from './manifest.ts';
import { TRDINGER_ROWS, writeTrdinger } from './trdinger.ts';
import { VOICE_ROLEPLAY_ROWS, writeVoiceRoleplay } from './voice-roleplay.ts';

export type { Hazard, SampleManifest } from './manifest.ts';

export interface SampleOptions {
  /** Folder to write into: absent, empty, or an earlier sample, which is replaced. */
  out: string;
  /** Same seed and rows, same bytes. A whole number from 0 up. */
  seed: number;
  /**
   * Table or collection → number of ordinary rows, beside those that each hazard needs. Where two systems have one of a
   * name, it is of both.
   */
  rows?: Record<string, number>;
  /** Systems to write; all of them by default. */
  systems?: string[];
}

const MANIFEST = 'sample.json';

interface System {
  /** Ordinary rows a table or collection. */
  defaults: Record<string, number>;
  write(folder: string, seed: number, asked: Record<string, number>): SampleSystem;
}

const SYSTEMS: Record<string, System> = {
  'instant-search': {
    defaults: INSTANT_SEARCH_ROWS,
    write: (folder, seed, asked) => writeInstantSearch(folder, seed, { ...INSTANT_SEARCH_ROWS, ...asked }),
  },
  trdinger: {
    defaults: TRDINGER_ROWS,
    write: (folder, seed, asked) => writeTrdinger(folder, seed, { ...TRDINGER_ROWS, ...asked }),
  },
  'lightning-talk': {
    defaults: LIGHTNING_TALK_ROWS,
    write: (folder, seed, asked) => writeLightningTalk(folder, seed, { ...LIGHTNING_TALK_ROWS, ...asked }),
  },
  'voice-roleplay': {
    defaults: VOICE_ROLEPLAY_ROWS,
    write: (folder, seed, asked) => writeVoiceRoleplay(folder, seed, { ...VOICE_ROLEPLAY_ROWS, ...asked }),
  },
  harca: {
    defaults: HARCA_ROWS,
    write: (folder, seed, asked) => writeHarca(folder, seed, { ...HARCA_ROWS, ...asked }),
  },
};

/**
 * Writes made-up legacy data with every hazard of docs/hazards.md in it, and a manifest that says where each is:
 * `<out>/harca/**`, `<out>/instant-search/app.db`, `<out>/trdinger/trdinger.db`,
 * `<out>/lightning-talk/server/data/*.json`, `<out>/voice-roleplay/{data,config,app}`, `<out>/sample.json`.
 *
 * Memory does not grow with the number of rows.
 *
 * @throws CutoverError `usage` for a folder that holds something else, or an unknown name or number in the options
 */
export async function writeSample(options: SampleOptions): Promise<SampleManifest> {
  const { out, seed } = options;
  if (!isCount(seed)) {
    throw new CutoverError('usage', `seed ${seed}: not a whole number from 0 up`, 'Give a seed such as 1.');
  }
  const systems = chosenSystems(options.systems);
  const rows = askedRows(systems, options.rows ?? {});
  clear(out);
  mkdirSync(out, { recursive: true });

  const manifest: SampleManifest = { seed, hazards: [], rows: {}, quarantined: {} };
  for (const system of systems) {
    const made = SYSTEMS[system]!.write(join(out, system), seed, rows);
    manifest.hazards.push(...made.hazards);
    manifest.rows[system] = made.rows;
    const quarantined = made.hazards
      .filter(isQuarantined)
      .map(({ entity, locator }) => `${entity} ${locator}`);
    // A record can show two hazards.
    manifest.quarantined[system] = new Set(quarantined).size;
  }
  writeFileSync(join(out, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}

const isCount = (value: number) => Number.isSafeInteger(value) && value >= 0;

function chosenSystems(asked: string[] | undefined): string[] {
  const known = Object.keys(SYSTEMS);
  const unknown = asked?.find((system) => !known.includes(system));
  if (unknown !== undefined) {
    throw new CutoverError(
      'usage',
      `system ${unknown}: no sample is made of it`,
      `Choose from: ${known.join(', ')}.`,
    );
  }
  return asked === undefined ? known : known.filter((system) => asked.includes(system));
}

function askedRows(systems: string[], rows: Record<string, number>): Record<string, number> {
  const known = systems.flatMap((system) => Object.keys(SYSTEMS[system]!.defaults));
  for (const [name, count] of Object.entries(rows)) {
    if (!known.includes(name)) {
      throw new CutoverError(
        'usage',
        `rows of ${name}: no such table or collection`,
        `Choose from: ${known.join(', ')}.`,
      );
    }
    if (!isCount(count)) {
      throw new CutoverError(
        'usage',
        `rows of ${name}: ${count} is not a whole number from 0 up`,
        'Give a number of rows.',
      );
    }
  }
  return rows;
}

/** Removes an earlier sample, and refuses a folder that holds anything else. */
function clear(out: string): void {
  if (!existsSync(out)) return;
  const manifest = join(out, MANIFEST);
  if (!statSync(out).isDirectory() || (readdirSync(out).length > 0 && !isManifest(manifest))) {
    throw new CutoverError(
      'usage',
      `${out}: not an empty folder, and no sample of ours`,
      'Choose a new folder, or empty this one yourself.',
    );
  }
  // First, so that a sample that is cut short is not taken for a whole one.
  rmSync(manifest, { force: true });
  for (const system of Object.keys(SYSTEMS)) rmSync(join(out, system), { recursive: true, force: true });
}

function isManifest(file: string): boolean {
  try {
    return Array.isArray(JSON.parse(readFileSync(file, 'utf8')).hazards);
  } catch {
    return false;
  }
}
