import type { ExampleList } from '../client/examples.js';
import type { TokenizedExample } from '../data/index.js';

/** What is scored in one piece, and what it counts towards. */
export interface Item extends TokenizedExample {
  readonly owner: string | undefined;
  readonly category: string | undefined;
}

/** Items by a label, in the order in which labels come up; those without it are left out. */
export function groupBy<T extends { readonly owner?: string | undefined; readonly category?: string | undefined }>(
  items: readonly T[],
  label: 'owner' | 'category',
): ReadonlyMap<string, readonly number[]> {
  const groups = new Map<string, number[]>();
  items.forEach((item, i) => {
    const name = item[label];
    if (name === undefined) return;
    const group = groups.get(name);
    if (group) group.push(i);
    else groups.set(name, [i]);
  });
  return groups;
}

export const listOf = (items: readonly TokenizedExample[]): ExampleList => ({
  count: items.length,
  example: (index) => items[index]!,
});

/** Target tokens of a sequence; its first token is none. */
export const targetsOf = ({ lossMask }: TokenizedExample): number =>
  lossMask.subarray(1).reduce((sum, bit) => sum + bit, 0);
