import type { Figures } from './print.ts';

export function plotGrowth(_figures: readonly Figures[]): string {
  return '';
}
