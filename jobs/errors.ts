/**
 * Exit codes of every command, the same for the local runner and for a Kubernetes Job. Each has an entry in
 * docs/exit-codes.md that says what to do about it.
 */
export const ExitCode = {
  ok: 0,
  /** A bug: an error nobody foresaw. */
  internal: 1,
  /** The command line or a setting is wrong. */
  usage: 2,
  /** The legacy source is missing, damaged, or changed while it was read. */
  source: 3,
  /** The target is down, refuses the login, or refuses a statement. */
  target: 4,
  /** The machine or the target server lacks something that the job needs. */
  prerequisite: 5,
  /** More records were quarantined than the budget allows. */
  budget: 6,
  /** Source and target differ. */
  differences: 7,
  /** Another run holds the target. */
  held: 8,
  /** The database was cut over: a load would take back what applications wrote there. */
  cutOver: 9,
  interrupted: 130,
} as const;

export type ExitCodeName = keyof typeof ExitCode;

/** An error meant for the user: what is wrong, where, and what to do. Anything else that is thrown is a bug. */
export class CutoverError extends Error {
  override readonly name = 'CutoverError';
  readonly exitCode: number;

  /**
   * @param kind which exit code the process ends with
   * @param message names the file or server, the place in it, and what is wrong
   * @param fix one sentence that says what the user can do
   */
  constructor(
    readonly kind: Exclude<ExitCodeName, 'ok'>,
    message: string,
    readonly fix?: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.exitCode = ExitCode[kind];
  }
}
