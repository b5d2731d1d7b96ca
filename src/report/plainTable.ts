import Table from 'cli-table3';

const sides = ['top', 'bottom', 'left', 'right'].flatMap((side) => [
  side,
  `${side}-mid`,
  `${side}-left`,
  `${side}-right`,
]);
/** No line is drawn: columns stand two spaces apart. */
const NO_RULES = Object.fromEntries([...sides, 'mid', 'mid-mid', 'middle'].map((name) => [name, '']));

/** A table without rules: the first column level on the left, the others on the right but for those in `left`. */
export function plainTable(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  left: readonly string[] = [],
): string {
  const table = new Table({
    head: [...head],
    colAligns: head.map((name, i) => (i === 0 || left.includes(name) ? 'left' : 'right')),
    chars: NO_RULES,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
  });
  for (const row of rows) table.push([...row]);
  return table.toString().replaceAll(/ +$/gm, '');
}
