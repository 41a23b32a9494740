import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { GraphNode } from './graph.ts';
import { STORES } from './policies/stores.ts';

const GOLDEN = fileURLToPath(new URL('../test/golden', import.meta.url));

/** Graphs by stack. */
export type Graphs = Readonly<Record<string, readonly GraphNode[]>>;

/**
 * What of the stores that stood in the reviewed graphs of `before` an update to those of `after` could lose, a line each:
 * one that is no longer there or has another URN, which for Pulumi is the same, and one without its option protect.
 */
export function lostStores(before: Graphs, after: Graphs): string[] {
  return Object.entries(before).flatMap(([stack, nodes]) => {
    const now = new Map(storesOf(after[stack] ?? []).map(([urn, node]) => [urn, node]));
    return storesOf(nodes).flatMap(([urn, { type, name, protect }]) => {
      const kept = now.get(urn);
      if (kept === undefined)
        return [`${stack}: ${type} ${name} holds data and is gone, renamed or elsewhere`];
      return protect && !kept.protect ? [`${stack}: ${type} ${name} holds data and loses protect`] : [];
    });
  });
}

/** Those that a stack makes, by the part of their URN that a program decides: the types of all parents, type and name. */
function storesOf(nodes: readonly GraphNode[]): [string, GraphNode][] {
  const parents = new Map(nodes.map((node) => [`${node.type} ${node.name}`, node]));
  const typesOf = ({ type, parent }: GraphNode): string => {
    const above = parent === undefined ? undefined : parents.get(parent);
    return above === undefined ? type : `${typesOf(above)}$${type}`;
  };
  return nodes
    .filter(({ type, reads }) => STORES.includes(type) && reads === undefined)
    .map((node) => [`${typesOf(node)}::${node.name}`, node]);
}

/** @throws Error where the folder has no graph, or a file that is none */
function readGraphs(folder: string): Graphs {
  const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
  if (files.length === 0) throw new Error('no *.json in it');
  return Object.fromEntries(
    files.map((file) => {
      const nodes: unknown = JSON.parse(readFileSync(join(folder, file), 'utf8'));
      if (!Array.isArray(nodes)) throw new Error(`${file} is no list of resources`);
      return [basename(file, '.json'), nodes as GraphNode[]];
    }),
  );
}

/**
 * `npm run graph:check -- BASE_FOLDER`: compares the reviewed graphs with those in BASE_FOLDER, as they were before a
 * change. Exit codes: 0 every store is still there and as protected; 1 one is not, each named on stderr; 2 BASE_FOLDER has
 * no graphs.
 */
function main([folder, ...more]: readonly string[]): number {
  if (folder === undefined || more.length > 0) {
    console.error('usage: npm run graph:check -- BASE_FOLDER');
    return 2;
  }
  let before: Graphs;
  try {
    before = readGraphs(folder);
  } catch (error) {
    console.error(`error: ${folder} has no reviewed graphs: ${(error as Error).message}`);
    console.error('fix: git archive BASE test/golden | tar -x -C FOLDER, and name FOLDER/test/golden');
    return 2;
  }
  const problems = lostStores(before, readGraphs(GOLDEN));
  for (const problem of problems) console.error(`error: ${problem}`);
  return problems.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main(process.argv.slice(2));
