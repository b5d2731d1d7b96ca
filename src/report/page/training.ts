import { shorten } from '../chart/label.js';
import { lineChart, type Point } from '../chart/line.js';
import type { Markup } from '../escape.js';
import type { ClientEvent, RunRecord } from '../record.js';
import { short } from './kinds.js';
import { figure, MAX_PICTURES, multiples, section, shownOf } from './parts.js';

/** More optimizer steps than this are drawn as means of neighbours. */
const MAX_POINTS = 120;

/** Name of the plan that trains on everybody's examples (`centralized`). */
const POOLED = '*';
const nameOf = (client: string): string => (client === POOLED ? 'all owners together' : client);

/** Losses by step, thinned by averaging neighbours; x is the last step of each mean, from 1. */
export function thin(losses: readonly number[], most = MAX_POINTS): Point[] {
  const width = Math.max(1, Math.ceil(losses.length / most));
  return Array.from({ length: Math.ceil(losses.length / width) }, (_, i) => {
    const part = losses.slice(i * width, (i + 1) * width);
    return [i * width + part.length, part.reduce((a, b) => a + b, 0) / part.length];
  });
}

const INTRO =
  'Mean loss in nats a target token, on the examples being trained on, step by step; every round starts from what the ' +
  'server sent.';

function lossesByClient(events: readonly ClientEvent[]): Map<string, number[]> {
  const byClient = new Map<string, number[]>();
  for (const { client, losses } of events) {
    const all = byClient.get(client);
    if (all) all.push(...losses);
    else byClient.set(client, [...losses]);
  }
  return new Map([...byClient].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Training losses: the mean of each round, and every step of each owner. */
export function trainingSection({ events }: RunRecord): Markup | undefined {
  const means = events.round.flatMap(({ round, loss }): Point[] => (loss === undefined ? [] : [[round, loss]]));
  const byClient = lossesByClient(events.client);
  if (means.length === 0 && byClient.size === 0) return undefined;
  const curves = [...byClient].slice(0, MAX_PICTURES).map(([client, losses]) => ({ client, points: thin(losses) }));
  const all = curves.flatMap(({ points }) => points);
  const mean = figure(
    'All owners, end of each round',
    lineChart({
      title: 'Mean training loss at the end of each round',
      xLabel: 'round',
      series: [{ label: 'mean loss', color: 'k-personalized', points: means }],
      format: short,
      log: false,
      alsoY: all.map(([, y]) => y),
      small: true,
    }),
  );
  const owners = curves.map(({ client, points }) =>
    figure(
      shorten(nameOf(client), 48),
      lineChart({
        title: `Training loss of ${nameOf(client)}`,
        xLabel: 'step',
        series: [{ label: 'loss', color: 'k-loss', points }],
        format: short,
        log: false,
        alsoX: all.map(([x]) => x),
        alsoY: all.map(([, y]) => y),
        small: true,
      }),
    ),
  );
  return section('training', 'Training loss', `${INTRO}${shownOf(curves.length, byClient.size)}`, [
    multiples(means.length > 0 ? [mean, ...owners] : owners),
  ]);
}
