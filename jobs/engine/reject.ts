/** Thrown by a contract for a record that cannot be stored as it is: the record goes to quarantine with this reason. */
export class Reject extends Error {
  override readonly name = 'Reject';

  /**
   * @param code stable reason code, e.g. `BAD_TIMESTAMP`; docs/hazards.md lists them
   * @param field source field the reason is about
   * @param detail what was found, without the value of a secret
   */
  constructor(
    readonly code: string,
    readonly field: string,
    readonly detail: string,
  ) {
    super(`${code} in ${field}: ${detail}`);
  }
}
