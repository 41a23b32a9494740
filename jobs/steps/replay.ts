import type { StepContext } from './context.ts';

export async function replay(_context: StepContext): Promise<void> {}
