#!/usr/bin/env node
// The command line: installs what is missing, then runs the TypeScript program in this very process, so that a signal
// reaches the one that works. Needs nothing but Node and npm.
import { ensureInstalled } from './install.mjs';

await ensureInstalled();
const { register } = await import('tsx/esm/api');
register();
await import('../stacks/embedded/main.ts');
