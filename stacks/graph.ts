import * as pulumi from '@pulumi/pulumi';
import { deserializeProperties } from '@pulumi/pulumi/runtime/rpc.js';
import { UNKNOWN } from './policies/values.ts';

/** A resource as a program registers it. Secrets are masked; what a preview can't know is the engine's sign for it. */
export interface GraphNode {
  readonly type: string;
  readonly name: string;
  /** `type name` of the parent; none for what stands below the stack itself. */
  readonly parent?: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  /** `type name` of the resources that must be there first: `dependsOn`, and those whose outputs are inputs here. */
  readonly dependsOn: readonly string[];
  readonly protect?: boolean;
  readonly retainOnDelete?: boolean;
  readonly ignoreChanges?: readonly string[];
  readonly replacementTrigger?: unknown;
  readonly deleteBeforeReplace?: boolean;
  /** Name of an existing resource that is read, not made. */
  readonly reads?: string;
}

/** What providers would answer beyond the inputs, for a graph that is made without them. */
export type Answers = (
  type: string,
  name: string,
  inputs: Readonly<Record<string, unknown>>,
) => Record<string, unknown>;

type Struct = Parameters<typeof deserializeProperties>[0];

/** A request of Pulumi's protocol, as far as a graph is made of it: `RegisterResourceRequest` and `ReadResourceRequest`. */
interface ResourceRequest {
  getType(): string;
  getName(): string;
  getParent(): string;
  getDependenciesList(): string[];
  /** Inputs of a resource to be made, … */
  getObject?(): Struct;
  /** … and of one to be read. */
  getProperties?(): Struct;
  getId?(): string;
  getProtect?(): boolean;
  getRetainondelete?(): boolean;
  getDeletebeforereplace?(): boolean;
  getIgnorechangesList?(): string[];
  getReplacementTrigger?(): { toJavaScript(): unknown } | undefined;
}
type Monitor = Record<
  'registerResource' | 'readResource',
  (request: ResourceRequest, ...rest: unknown[]) => unknown
>;

export const SECRET = '[secret]';

/** `type name` of a resource by its URN. */
export const labelOf = (urn: string): string => {
  const [, , types, name] = urn.split('::');
  return `${types!.split('$').pop()} ${name}`;
};

/**
 * Runs a program against no engine and no provider, and gives what it registers, sorted by type and name.
 * What it throws is thrown here.
 * @param config keys with their namespace (`cutover:platform`), objects as JSON
 */
export async function graphOf<T>(
  program: () => T | Promise<T>,
  options: {
    readonly stack: string;
    readonly config?: Readonly<Record<string, string>>;
    readonly secretConfig?: readonly string[];
    /** As in a preview: ids and answers of providers are unknown. */
    readonly preview?: boolean;
    readonly answers?: Answers;
  },
): Promise<{ nodes: GraphNode[]; outputs: Awaited<T> }> {
  // The provider of Kubernetes takes inputs from the environment, and a graph is the same on every machine.
  for (const name of Object.keys(process.env))
    if (name === 'KUBECONFIG' || name.startsWith('PULUMI_K8S_')) delete process.env[name];
  const nodes: GraphNode[] = [];
  const answers = options.answers ?? (() => ({}));
  await pulumi.runtime.setMocks(
    {
      newResource: ({ name, type, inputs, id }) => ({
        id: id || `${name}-id`,
        state: { ...inputs, ...answers(type, name, inputs) },
      }),
      call: ({ token, inputs }) => ({ ...inputs, ...answers(token, '', inputs) }),
    },
    'cutover',
    options.stack,
    options.preview ?? false,
  );
  pulumi.runtime.setAllConfig({ ...options.config }, [...(options.secretConfig ?? [])]);
  // Mocks are not told of dependencies, protection and triggers; what goes to the monitor has them.
  const monitor = pulumi.runtime.getMonitor() as unknown as Monitor;
  for (const method of ['registerResource', 'readResource'] as const) {
    const original = monitor[method].bind(monitor);
    monitor[method] = (request, ...rest) => {
      nodes.push(nodeOf(request));
      return original(request, ...rest);
    };
  }
  let outputs: Awaited<T> | undefined;
  await pulumi.runtime.runInPulumiStack(async () => {
    outputs = await program();
    return {};
  });
  await pulumi.runtime.disconnect();
  nodes.sort((a, b) => (`${a.type} ${a.name}` < `${b.type} ${b.name}` ? -1 : 1));
  return { nodes: nodes.filter(({ type }) => type !== 'pulumi:pulumi:Stack'), outputs: outputs! };
}

function nodeOf(request: ResourceRequest): GraphNode {
  const parent = request.getParent();
  const reads = request.getProperties && request.getId?.();
  const optional = {
    protect: request.getProtect?.() || undefined,
    retainOnDelete: request.getRetainondelete?.() || undefined,
    deleteBeforeReplace: request.getDeletebeforereplace?.() || undefined,
  };
  const ignored = request.getIgnorechangesList?.() ?? [];
  const trigger = request.getReplacementTrigger?.()?.toJavaScript();
  return {
    type: request.getType(),
    name: request.getName(),
    ...(parent && !parent.includes('pulumi:pulumi:Stack::') ? { parent: labelOf(parent) } : {}),
    inputs: plain(
      deserializeProperties((request.getObject?.() ?? request.getProperties?.())!),
    ) as GraphNode['inputs'],
    dependsOn: [...new Set<string>(request.getDependenciesList().map(labelOf))].sort(),
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
    ...(ignored.length > 0 ? { ignoreChanges: ignored } : {}),
    ...(trigger === undefined || trigger === null ? {} : { replacementTrigger: trigger }),
    ...(reads === undefined ? {} : { reads }),
  };
}

/** Inputs as JSON has them, sorted by key, secrets masked; in a preview, what is not known as the engine's sign for it. */
function plain(value: unknown): unknown {
  if (pulumi.runtime.isRpcSecret(value)) return SECRET;
  if (pulumi.isUnknown(value)) return UNKNOWN;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, plain(each)]),
  );
}
