// A thread does not inherit how its process understands TypeScript.
import { register } from 'tsx/esm/api';

register();
await import('./thread.ts');
