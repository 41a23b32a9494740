/**
 * The keys under which parent rows are stored, by what they are called. Filled while a parent mapping is converted,
 * read by the contracts of its children, so a child's fate follows from the source alone and is the same on every pass.
 */
export class Parents {
  readonly #keys: Map<string, Map<string, unknown>>;

  /** @param known those that another thread has seen, see `all` */
  constructor(known?: ReadonlyMap<string, ReadonlyMap<string, unknown>>) {
    this.#keys = new Map(Array.from(known ?? [], ([parents, keys]) => [parents, new Map(keys)]));
  }

  /** Keys by the names of rows, by what these are called. */
  get all(): ReadonlyMap<string, ReadonlyMap<string, unknown>> {
    return this.#keys;
  }

  get count(): number {
    let count = 0;
    for (const keys of this.#keys.values()) count += keys.size;
    return count;
  }

  add(parents: string, name: string, key: unknown): void {
    let keys = this.#keys.get(parents);
    if (!keys) {
      keys = new Map();
      this.#keys.set(parents, keys);
    }
    keys.set(name, key);
  }

  find(parents: string, name: string): unknown {
    return this.#keys.get(parents)?.get(name);
  }
}
