import Table from 'cli-table3';
import type { RunMetrics } from '../run/metrics.js';
import { WHICH, type Which } from '../server/types.js';

const LABELS: Readonly<Record<Which, string>> = {
  base: 'base',
  local: 'local',
  global: 'global',
  personalized: 'own',
  tuned: 'tuned',
};

const ppl = (value: number | undefined): string => (value === undefined ? '-' : value.toFixed(value < 100 ? 3 : 1));

/** Perplexity of every owner on its own test examples, the best of a row marked; means below. */
export function scoreTable(metrics: RunMetrics, color = false): string {
  const kinds = WHICH.filter((which) => metrics.clients.some((client) => client[which]));
  const table = new Table({
    head: ['owner', 'train', 'test', ...kinds.map((which) => LABELS[which]), 'takes home'],
    colAligns: ['left', 'right', 'right', ...kinds.map(() => 'right' as const), 'left'],
    style: color ? {} : { head: [], border: [] },
  });
  for (const client of metrics.clients) {
    const scores = kinds.map((which) => ppl(client[which]?.ppl));
    table.push([client.id, client.num_train, client.num_test, ...scores, LABELS[client.take_home.which]]);
  }
  const means = (name: string, of: RunMetrics['macro']) =>
    table.push([name, '', '', ...kinds.map((which) => ppl(of[which]?.ppl)), ppl(of.take_home?.ppl)]);
  means('mean of owners', metrics.macro);
  means('by tokens', metrics.weighted);
  return table.toString();
}
