#!/usr/bin/env node
// `npm run bench`: installs what is missing, then runs the benchmark in this very process, so that a signal reaches the one
// that has servers to stop.
import { ensureInstalled } from './install.mjs';

await ensureInstalled();
const { register } = await import('tsx/esm/api');
register();
await import('../bench/main.ts');
