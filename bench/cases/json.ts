import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MakeCase, Peer, Run } from '../case.ts';
import { runChild } from '../child.ts';
import { nodes } from '../cutover.ts';
import { JsonStore, jsonSample, TABLE } from '../json/store.ts';
import { copyIn, copyOut, psqlMissing } from '../psql.ts';

/** Events of about 380 bytes each: 500 MB. */
const EVENTS = 1_360_000;

const PARSE_JOB = fileURLToPath(new URL('../json/parse-job.ts', import.meta.url));
const PACKAGES = fileURLToPath(new URL('../../node_modules', import.meta.url));

export const make: MakeCase = async (bench) => {
  const sample = await jsonSample(bench, bench.rows ?? EVENTS);
  const tenth = await jsonSample(bench, Math.ceil(sample.rows / 10));
  const store = await JsonStore.make(bench, sample);
  const prepare = () => store.empty();
  await prepare();
  await store.load(sample, 'byTime');
  const rows = await store.count();
  const missing = await psqlMissing(bench.platform);
  const files = (['binary', 'csv'] as const).map((format) => {
    const file = join(sample.folder, `ready.${format}`);
    return { format, file };
  });
  if (missing === undefined) {
    for (const { format, file } of files) {
      await copyOut(bench.platform, store.url, `select * from ${TABLE}`, file, format);
    }
  }
  const copies: Peer[] = files.map(({ format, file }) => ({
    name: `psql, COPY ${format} of a ready file`,
    missing: async () => missing,
    prepare,
    run: () => copyIn(bench.platform, store.url, TABLE, file, format),
  }));
  const ours: Peer[] = (await nodes()).flatMap(({ path, name }) => [
    { name: `cutover, ${name}`, prepare, run: () => store.load(sample, 'byTime', path) },
    { name: `cutover, ${name}, keys in no order`, prepare, run: () => store.load(sample, 'byId', path) },
    {
      name: `cutover, ${name}, a tenth of the file`,
      rows: tenth.rows,
      prepare,
      run: () => store.load(tenth, 'byTime', path),
    },
  ]);
  const whole: Peer = {
    name: 'JSON.parse of the whole file, COPY text',
    prepare,
    async run() {
      const input = JSON.stringify({ url: store.url, file: sample.file });
      const { stdout } = await runChild(process.execPath, ['--import', 'tsx', PARSE_JOB], { input });
      return JSON.parse(stdout) as Run;
    },
  };
  return {
    name: 'json',
    what: 'a JSON array of analytics into an unlogged table without its key',
    rows,
    bytes: sample.bytes,
    against: copies[0]!.name,
    peers: [...copies, ...ours, whole, ...['stream-json', 'clarinet', '@streamparser/json'].map(absent)],
    async close() {
      for (const { file } of files) await rm(file, { force: true });
      await store.close();
    },
  };
};

/** A parser that this project does not use: named, so that nobody takes it for forgotten. */
function absent(name: string): Peer {
  const isThere = existsSync(join(PACKAGES, name));
  const reason = isThere ? `no run of ${name} is written` : `the package ${name}`;
  return {
    name,
    missing: async () => reason,
    run: () => Promise.reject(new Error(reason)),
  };
}
