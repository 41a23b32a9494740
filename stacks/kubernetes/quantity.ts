const UNITS: Readonly<Record<string, number>> = {
  ...{ m: 1e-3, '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50 },
};

const MIB = 2 ** 20;

/** A share of a quantity of Kubernetes (`2Gi`, `500M`), in whole mebibytes, rounded down. */
export function mebibytes(quantity: string, share = 1): number {
  const [, amount, unit] = /^([0-9.]+)([A-Za-z]*)$/.exec(quantity)!;
  return Math.floor((Number(amount) * UNITS[unit!]! * share) / MIB);
}
