import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { FileList, type HashedFile } from '../../jobs/sources/file-list.ts';

const FILES: readonly HashedFile[] = ['a.json', 'ordner/日本 😀.json', '', 'z'].map((path, i) => ({
  path,
  size: i * 2 ** 33 + 1,
  sha256: createHash('sha256').update(path).digest('hex'),
}));

describe('a list of files', () => {
  it('gives each as it was', () => {
    const list = FileList.of(FILES);
    expect([...list]).toEqual(FILES);
    expect([...list.paths()]).toEqual(FILES.map(({ path }) => path));
    expect(FILES.map((_, i) => list.at(i))).toEqual(FILES);
    expect(list.length).toBe(FILES.length);
    expect(list.size).toBe(6 * 2 ** 33 + 4);
    expect(JSON.parse(JSON.stringify({ list }))).toEqual({ list: FILES });
  });

  it('is the same list in another thread', () => {
    const { shared } = FileList.of(FILES);
    const cloned = structuredClone(shared);
    expect([...new FileList(cloned)]).toEqual(FILES);
    expect(cloned.paths.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it('may be long, with long names', () => {
    const many = Array.from({ length: 1000 }, (_, i) => ({
      ...FILES[0]!,
      path: `${i}/${'日本'.repeat(i % 700)}`,
    }));
    expect([...FileList.of(many)]).toEqual(many);
  });

  it('may be empty', () => {
    const none = FileList.of([]);
    expect([...none]).toEqual([]);
    expect(none.size).toBe(0);
  });
});
