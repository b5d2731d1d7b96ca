import Table from 'cli-table3';
import { WHICH, type Which } from '../contracts/evaluation.js';
import type { RunMetrics } from '../contracts/metrics.js';
import { extent } from '../extent.js';
import { shown } from '../text.js';

const LABELS: Readonly<Record<Which, string>> = {
  base: 'base',
  local: 'local',
  global: 'global',
  personalized: 'own',
  tuned: 'tuned',
};

const ppl = (value: number | undefined): string => (value === undefined ? '-' : value.toFixed(value < 100 ? 3 : 1));

const bold = (text: string): string => `\u001b[1m${text}\u001b[22m`;

const sides = ['top', 'bottom', 'left', 'right'].flatMap((side) => [
  side,
  `${side}-mid`,
  `${side}-left`,
  `${side}-right`,
]);
/** No line is drawn: columns stand two spaces apart. */
const NO_RULES = Object.fromEntries([...sides, 'mid', 'mid-mid', 'middle'].map((name) => [name, '']));

/** Perplexity of every owner on its own test examples, means below; with `mark`, the best of a row in bold. */
export function scoreTable(metrics: RunMetrics, mark = false): string {
  const kinds = WHICH.filter((which) => metrics.clients.some((client) => client[which]));
  const cells = (of: Partial<Record<Which, { readonly ppl: number }>>): string[] => {
    const scores = kinds.map((which) => of[which]?.ppl);
    const [best] = extent(scores.filter((score) => score !== undefined));
    return scores.map((score) => (mark && score === best ? bold(ppl(score)) : ppl(score)));
  };
  const table = new Table({
    head: ['owner', 'train', 'test', ...kinds.map((which) => LABELS[which]), 'takes home'],
    colAligns: ['left', 'right', 'right', ...kinds.map(() => 'right' as const), 'left'],
    chars: NO_RULES,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
  });
  for (const client of metrics.clients) {
    const home = LABELS[client.take_home.which];
    table.push([shown(client.id), client.num_train, client.num_test, ...cells(client), home]);
  }
  const means = (name: string, of: RunMetrics['macro']) =>
    table.push([name, '', '', ...cells(of), ppl(of.take_home?.ppl)]);
  means('mean of owners', metrics.macro);
  means('by tokens', metrics.weighted);
  return table.toString().replaceAll(/ +$/gm, '');
}
