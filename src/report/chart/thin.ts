import { extent } from '../../extent.js';

/** A place on the level axis, and a value there. */
export type Point = readonly [x: number, y: number];
/** A place on the level axis, and the range of values there. */
export type Range = readonly [x: number, low: number, high: number];

/** Points that a column of the picture can show: its first, lowest, highest and last. */
const A_COLUMN = 4;

/** Whether a curve of so many points is drawn through some of them only. */
export const isThinned = (count: number, columns: number): boolean => count > A_COLUMN * columns;

/** Points or ranges by the column of the picture that they fall into; x must not fall. */
function byColumn<T extends readonly [number, ...number[]]>(points: readonly T[], columns: number): T[][] {
  const from = points[0]![0];
  const width = (points.at(-1)![0] - from) / columns;
  const groups: T[][] = [];
  let before = -1;
  for (const point of points) {
    const column = width > 0 ? Math.min(columns - 1, Math.floor((point[0] - from) / width)) : 0;
    if (column === before) groups.at(-1)!.push(point);
    else groups.push([point]);
    before = column;
  }
  return groups;
}

/**
 * What a picture of so many columns can show of a curve whose x does not fall: the first, lowest, highest and last point of
 * each column, so the drawn line is the same (M4, Jugel et al., VLDB 2014). A column without a number stays a gap.
 */
export function thin(points: readonly Point[], columns: number): readonly Point[] {
  if (!isThinned(points.length, columns)) return points;
  return byColumn(points, columns).flatMap((column) => {
    const shown = column.filter(([, y]) => Number.isFinite(y));
    if (shown.length === 0) return column.slice(0, 1);
    const lowest = shown.reduce((low, point) => (point[1] < low[1] ? point : low));
    const highest = shown.reduce((high, point) => (point[1] > high[1] ? point : high));
    const kept = new Set([shown[0]!, lowest, highest, shown.at(-1)!]);
    return shown.filter((point) => kept.has(point));
  });
}

/** The same for a band around a curve: the whole range of each column. */
export function thinBand(band: readonly Range[], columns: number): readonly Range[] {
  if (!isThinned(band.length, columns)) return band;
  return byColumn(band, columns).map((column): Range => {
    const shown = column.filter((range) => range.every(Number.isFinite));
    if (shown.length === 0) return column[0]!;
    return [shown[0]![0], extent(shown.map(([, low]) => low))[0], extent(shown.map(([, , high]) => high))[1]];
  });
}
