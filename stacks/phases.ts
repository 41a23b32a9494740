import type { Phase } from './settings.ts';

/** What an application is told by its binding. */
export interface Switch {
  readonly READ_FROM: 'file' | 'database';
  readonly WRITE_TO: 'file' | 'both' | 'database';
  readonly DATABASE_TYPE: 'file' | 'postgresql';
  /** Reads are also done there, compared, and never answered from there. */
  readonly COMPARE_WITH?: 'database';
  /** Where a read goes that the first place can't answer. */
  readonly FALL_BACK_TO?: 'file';
}

/** Which Jobs a phase has. */
export type JobSet =
  | 'none'
  /** A snapshot, to look at. */
  | 'backup'
  /** Again whenever image, source or settings change; the ledger makes an unchanged one a no-op. */
  | 'repeatable'
  /**
   * Once for each generation of the source: the final sync, its fresh proof, and a last look at the living store. From here
   * on the database takes writes of its own. The ledger knows, and refuses every other load, whatever the program asks for.
   */
  | 'final';

export interface PhaseRules {
  readonly switch: Switch;
  readonly jobs: JobSet;
  /** The switch waits for a proof. */
  readonly gated: boolean;
}

const FILE: Switch = { READ_FROM: 'file', WRITE_TO: 'file', DATABASE_TYPE: 'file' };
const BOTH: Switch = { READ_FROM: 'file', WRITE_TO: 'both', DATABASE_TYPE: 'file' };
const DATABASE: Switch = { READ_FROM: 'database', WRITE_TO: 'database', DATABASE_TYPE: 'postgresql' };

/** What each phase means: the one table that Jobs and bindings are made from. */
export const PHASE_RULES: Readonly<Record<Phase, PhaseRules>> = {
  prepare: { switch: FILE, jobs: 'backup', gated: false },
  load: { switch: FILE, jobs: 'repeatable', gated: false },
  'dual-write': { switch: BOTH, jobs: 'repeatable', gated: true },
  'shadow-read': { switch: { ...BOTH, COMPARE_WITH: 'database' }, jobs: 'repeatable', gated: true },
  'cut-over': {
    switch: { ...DATABASE, WRITE_TO: 'both', FALL_BACK_TO: 'file' },
    jobs: 'final',
    gated: true,
  },
  clean: { switch: DATABASE, jobs: 'final', gated: true },
  // Nothing may stand between a user and the way back.
  'rolled-back': { switch: BOTH, jobs: 'none', gated: false },
};
