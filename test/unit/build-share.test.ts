import { describe, expect, it } from 'vitest';
import { type ServerLimits, shareOf } from '../../jobs/steps/build-share.ts';

const MIB = 1 << 20;
const small: ServerLimits = {
  processes: 2,
  sharedBuffers: 256 * MIB,
  maintenance: 128 * MIB,
  connections: 90,
};
const large: ServerLimits = {
  processes: 16,
  sharedBuffers: 16384 * MIB,
  maintenance: 256 * MIB,
  connections: 90,
};

const mebibytes = ({ settings }: ReturnType<typeof shareOf>) =>
  Number.parseInt(settings.maintenance_work_mem!, 10) / 1024;
const workers = ({ settings }: ReturnType<typeof shareOf>) =>
  Number(settings.max_parallel_maintenance_workers);

describe('a server’s share for each of several builds', () => {
  it('on two processors: two at once, which divide the memory and have no helpers', () => {
    const share = shareOf(small, 3);
    expect(share.connections).toBe(2);
    expect(mebibytes(share)).toBe(128);
    expect(workers(share)).toBe(0);
  });

  it('of a single build is everything', () => {
    const share = shareOf(small, 1);
    expect(share.connections).toBe(1);
    expect(mebibytes(share)).toBe(256);
    expect(workers(share)).toBe(1);
  });

  it('on a large server: four at once with helpers, and no more memory than helps', () => {
    const share = shareOf(large, 20);
    expect(share.connections).toBe(4);
    expect(mebibytes(share)).toBe(1024);
    expect(workers(share)).toBe(3);
  });

  it('never comes to more processes or memory together than the server has', () => {
    for (const processes of [1, 2, 3, 5, 8, 64]) {
      for (const builds of [1, 2, 3, 7, 50]) {
        for (const sharedBuffers of [512 * MIB, 4096 * MIB]) {
          const share = shareOf({ ...small, processes, sharedBuffers }, builds);
          expect(share.connections * (1 + workers(share))).toBeLessThanOrEqual(processes);
          if (sharedBuffers / share.connections >= 64 * MIB)
            expect(share.connections * mebibytes(share)).toBeLessThanOrEqual(sharedBuffers / MIB);
        }
      }
    }
  });

  it('is no more connections than are asked for, free, or of use', () => {
    expect(shareOf(large, 20, 1).connections).toBe(1);
    expect(shareOf(large, 20, 12).connections).toBe(12);
    expect(shareOf(small, 20, 3).connections).toBe(3);
    expect(workers(shareOf(small, 20, 3))).toBe(0);
    expect(shareOf({ ...large, connections: 2 }, 20).connections).toBe(2);
    expect(shareOf({ ...large, connections: 0 }, 20).connections).toBe(1);
    expect(shareOf(large, 2).connections).toBe(2);
  });

  it('is never less memory than PostgreSQL gives by itself', () => {
    expect(mebibytes(shareOf({ ...small, sharedBuffers: 16 * MIB, maintenance: MIB }, 4))).toBe(64);
  });

  it('goes by the server’s own maintenance_work_mem where that is larger than its buffers', () => {
    expect(mebibytes(shareOf({ ...small, sharedBuffers: MIB, maintenance: 512 * MIB }, 2))).toBe(256);
  });

  it('of no processes at all is still one connection without helpers', () => {
    const share = shareOf({ ...small, processes: 0 }, 3);
    expect([share.connections, workers(share)]).toEqual([1, 0]);
  });
});
