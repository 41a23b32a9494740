/**
 * In every credential that the sample plants, and in nothing else: wherever this text turns up after a migration, a secret
 * was imported.
 */
export const PLANTED_SECRET = 'PLANTED-FAKE-SECRET';
