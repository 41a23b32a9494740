import type { Case } from './case.ts';
import { type Result, summarize } from './run.ts';

/** A peer's figures as `--json` prints them; null for what there is none of. */
export interface Figures {
  readonly case: string;
  readonly peer: string;
  readonly rows: number;
  /** Median. */
  readonly seconds: number | null;
  /** Times as fast as the case's `against`. */
  readonly ratio: number | null;
  /** Peak resident set in bytes. */
  readonly rss: number | null;
  /** What the machine lacks for this peer. */
  readonly missing?: string;
}

export function figuresOf(of: Case, results: readonly Result[]): Figures[] {
  return results.map((result) => {
    const summary = summarize(of, result, results);
    return {
      case: of.name,
      peer: result.peer,
      rows: result.rows,
      seconds: summary?.seconds ?? null,
      ratio: summary?.ratio ?? null,
      rss: summary?.rss ?? null,
      ...(result.missing !== undefined && { missing: result.missing }),
    };
  });
}

const COLUMNS = ['peer', 'rows', 'median s', 'spread s', 'rows/s', 'MB/s', 'peak RSS', 'ratio'] as const;

/** A case's results as a table for people. */
export function formatCase(of: Case, results: readonly Result[]): string {
  const lines = results.map((result) => {
    const summary = summarize(of, result, results);
    const head = [result.peer, count(result.rows)];
    if (!summary) return [...head, `missing: ${result.missing}`];
    const { megabytesPerSecond: rate, rss, ratio } = summary;
    return [
      ...head,
      seconds(summary.seconds),
      `${seconds(summary.fastest)}–${seconds(summary.slowest)}`,
      rounded(summary.rowsPerSecond),
      rate === undefined ? '' : rounded(rate),
      rss === undefined ? '' : `${Math.round(rss / (1 << 20))} MiB`,
      ratio === undefined ? '' : ratio.toFixed(ratio < 0.1 ? 3 : 2),
    ];
  });
  return [`${of.name}: ${of.what}; ratio to ${of.against}`, ...aligned([[...COLUMNS], ...lines])].join('\n');
}

/** The first column to the left, the others to the right; a line of fewer columns ends as it is. */
function aligned(rows: readonly string[][]): string[] {
  const full = rows.filter((row) => row.length === COLUMNS.length);
  const widths = COLUMNS.map((_, i) => Math.max(...(i < 2 ? rows : full).map((row) => row[i]!.length)));
  return rows.map((row) => {
    const cells = row.map((cell, i) => {
      if (i === 0) return cell.padEnd(widths[i]!);
      return row.length < COLUMNS.length && i === row.length - 1 ? cell : cell.padStart(widths[i]!);
    });
    return `  ${cells.join('  ')}`.trimEnd();
  });
}

const count = (value: number) => Math.round(value).toLocaleString('en-US');
/** Queries take milliseconds and less. */
const seconds = (value: number) => value.toFixed(value < 0.01 ? 5 : value < 10 ? 3 : 1);

/** Three digits say as much as such a measurement knows. */
const rounded = (value: number) => Number(value.toPrecision(3)).toLocaleString('en-US');
