import { byCode } from '../../order.js';
import { type BarPart, stackedBars, swatches } from '../chart/bars.js';
import type { Markup } from '../escape.js';
import type { RunRecord } from '../record.js';
import { figure, grid, section } from './parts.js';
import { pictured } from './pictured.js';
import { readingList, rowsTable } from './rows.js';

const SPLITS: readonly BarPart[] = [
  { label: 'training', color: 'c-0' },
  { label: 'validation', color: 'c-1' },
  { label: 'test', color: 'c-2' },
];
/** Colours that can be told apart; rarer categories share the last. */
const MAX_CATEGORIES = 8;

/** Categories by how many examples they have, the most frequent first; what exceeds the colours is `others`. */
function categoryParts(counts: readonly Readonly<Record<string, number>>[]): { names: string[]; others: boolean } {
  const totals = new Map<string, number>();
  for (const one of counts)
    for (const [name, count] of Object.entries(one)) totals.set(name, (totals.get(name) ?? 0) + count);
  const sorted = [...totals].sort(([a, x], [b, y]) => y - x || byCode(a, b)).map(([name]) => name);
  const others = sorted.length > MAX_CATEGORIES;
  return { names: sorted.slice(0, others ? MAX_CATEGORIES - 1 : MAX_CATEGORIES), others };
}

/** How the examples are divided. */
export function dataSection(record: RunRecord): Markup | undefined {
  const { partition, config } = record;
  if (!partition) return undefined;
  const { items: shown, note, missing } = pictured(record, partition.clients, ({ id }) => id);
  const { names, others } = categoryParts(partition.clients.map(({ categories }) => categories));
  const parts = [...names, ...(others ? ['others'] : [])].map((label, i) => ({ label, color: `c-${i}` }));
  const rows = shown.map(({ id, categories }) => {
    const values = names.map((name) => categories[name] ?? 0);
    const rest = Object.values(categories).reduce((a, b) => a + b, 0) - values.reduce((a, b) => a + b, 0);
    return { label: id, values: others ? [...values, rest] : values };
  });
  const sizes = shown.map(({ id, train, valid, test }) => ({
    label: id,
    values: [train, valid, test],
  }));
  const capped = config.max_train_examples ?? config.max_valid_examples ?? config.max_test_examples;
  const beyond =
    capped === null
      ? ''
      : ' Rows beyond max_train_examples, or that of another split, are neither in use nor left out.';
  const intro =
    `Divided by partition ${config.partition}, cut at ${config.seq_length} tokens. In use are examples: a row, or an answer of ` +
    `a conversation. Lost: the share of the target tokens that was cut off.${beyond}`;
  return section('data', 'The owners’ data', intro, [
    missing,
    grid(
      figure(`Examples.${note}`, stackedBars('Examples of every owner', 'examples', SPLITS, sizes), swatches(SPLITS)),
      parts.length > 0 &&
        figure(
          `Categories of the training examples.${note}`,
          stackedBars('Categories of every owner', 'training examples', parts, rows),
          swatches(parts),
        ),
    ),
    rowsTable(partition, config),
    readingList(partition),
  ]);
}
