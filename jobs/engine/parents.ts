/**
 * The keys under which parent rows are stored, by what they are called. Filled while a parent mapping is converted,
 * read by the contracts of its children, so a child's fate follows from the source alone and is the same on every pass.
 */
export class Parents {
  readonly #keys = new Map<string, Map<string, unknown>>();

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
