#!/usr/bin/env node
// What `pulumi preview --policy-pack policy/cutover.mjs` starts, from Pulumi 3.255 on. Not a folder with a
// PulumiPolicy.yaml: for that one, Pulumi loads ts-node, which the TypeScript of this project is too new for.
import { fileURLToPath } from 'node:url';
import { register } from 'tsx/esm/api';

// A pack has the version of the package.json where it runs.
process.chdir(fileURLToPath(new URL('..', import.meta.url)));
register();
await import('./pack.ts');
