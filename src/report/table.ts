import { WHICH, type Which } from '../contracts/evaluation.js';
import type { RunMetrics } from '../contracts/metrics.js';
import { extent } from '../extent.js';
import { shown } from '../text.js';
import { plainTable } from './plainTable.js';

const LABELS: Readonly<Record<Which, string>> = {
  base: 'base',
  local: 'local',
  global: 'global',
  personalized: 'own',
  unmerged: 'unmerged',
  tuned: 'tuned',
};

const ppl = (value: number | undefined): string => (value === undefined ? '-' : value.toFixed(value < 100 ? 3 : 1));

const bold = (text: string): string => `\u001b[1m${text}\u001b[22m`;

/** Perplexity of every owner on its own test examples, means below; with `mark`, the best of a row in bold. */
export function scoreTable(metrics: RunMetrics, mark = false): string {
  const kinds = WHICH.filter((which) => metrics.clients.some((client) => client[which]));
  const cells = (of: Partial<Record<Which, { readonly ppl: number }>>): string[] => {
    const scores = kinds.map((which) => of[which]?.ppl);
    const [best] = extent(scores.filter((score) => score !== undefined));
    return scores.map((score) => (mark && score === best ? bold(ppl(score)) : ppl(score)));
  };
  const rows = metrics.clients.map((client) => [
    shown(client.id),
    client.num_train,
    client.num_test,
    ...cells(client),
    LABELS[client.take_home.which],
  ]);
  const means = (name: string, of: RunMetrics['macro']) => [name, '', '', ...cells(of), ppl(of.take_home?.ppl)];
  return plainTable(
    ['owner', 'train', 'test', ...kinds.map((which) => LABELS[which]), 'takes home'],
    [...rows, means('mean of owners', metrics.macro), means('by tokens', metrics.weighted)],
    ['takes home'],
  );
}
