import { at, isUnknown, type PolicyResource, type StackRule } from './values.ts';

/** Whether a Job verifies a store: stacks/migrations.ts labels it so. */
function proves(store: string, job: PolicyResource): boolean {
  const labels = at(job.props, 'metadata.labels') as Record<string, unknown> | undefined;
  return (
    job.type === 'kubernetes:batch/v1:Job' &&
    labels?.['cutover.dev/job'] === 'verify' &&
    labels['cutover.dev/store'] === store
  );
}

/**
 * Whether a switch sends an application to the database: reads always do, writes do but on the way back, when the database
 * was the truth already. What is not said counts as the database.
 */
function leadsToDatabase(data: unknown): boolean {
  const [reads, writes, phase] = ['READ_FROM', 'WRITE_TO', 'PHASE'].map((key) => at(data, key));
  return (
    (reads !== 'file' && !isUnknown(reads)) ||
    (writes !== 'file' && !isUnknown(writes) && phase !== 'rolled-back')
  );
}

export const GATE_RULES: readonly StackRule[] = [
  {
    name: 'proved-bindings',
    description:
      'No application gets to data that was not proved equal to its source. Make the binding depend on the Job that ' +
      'verifies its store, as stacks/bindings.ts does, or keep READ_FROM and WRITE_TO at file.',
    early: true,
    check: (resource, all) => {
      const data = at(resource.props, 'data');
      const isSwitch = at(data, 'READ_FROM') !== undefined || at(data, 'WRITE_TO') !== undefined;
      if (resource.type !== 'kubernetes:core/v1:ConfigMap' || !isSwitch || !leadsToDatabase(data)) return [];
      const store = resource.name.replace(/-binding$/, '');
      const waits = all.some(
        (each) => proves(store, each) && resource.dependsOn?.includes(`${each.type} ${each.name}`),
      );
      return waits ? [] : [`depends on no Job that verifies ${store}`];
    },
  },
];
