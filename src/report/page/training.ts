import { POOLED } from '../../contracts/pooled.js';
import { extent } from '../../extent.js';
import { byCode } from '../../order.js';
import { shown } from '../../text.js';
import { lineChart, type Series } from '../chart/line.js';
import type { Point } from '../chart/thin.js';
import type { Markup } from '../escape.js';
import type { ClientEvent } from '../events.js';
import type { RunRecord } from '../record.js';
import { short } from './kinds.js';
import { figure, multiples, ownerFigure, section, thinned } from './parts.js';
import { pictured } from './pictured.js';

/** More optimizer steps than this are drawn as means of neighbours. */
const MAX_POINTS = 120;

const nameOf = (client: string): string => (client === POOLED ? 'all owners together' : client);

/** A loss by step; x is the last step of each mean, from 1. */
type LossCurve = Required<Pick<Series, 'points' | 'band'>>;

/** Losses by step; of many, the means of neighbours with their range. */
export function lossCurve(losses: readonly number[], most = MAX_POINTS): LossCurve {
  const width = Math.max(1, Math.ceil(losses.length / most));
  if (width === 1) return { points: losses.map((loss, i) => [i + 1, loss]), band: [] };
  const parts = Array.from({ length: Math.ceil(losses.length / width) }, (_, i) =>
    losses.slice(i * width, (i + 1) * width),
  );
  const lastStep = (i: number) => Math.min((i + 1) * width, losses.length);
  return {
    points: parts.map((part, i) => [lastStep(i), part.reduce((a, b) => a + b, 0) / part.length]),
    band: parts.map((part, i) => [lastStep(i), ...extent(part)]),
  };
}

const INTRO =
  'Mean loss in nats a target token, on the examples being trained on, step by step; every round starts from what the ' +
  'server sent.';
const MEANS = ' Of many steps, means of neighbours are drawn, in the band from the lowest to the highest of them.';

const clientsOf = (events: readonly ClientEvent[]): string[] =>
  [...new Set(events.map(({ client }) => client))].sort(byCode);

function lossesOf(client: string, events: readonly ClientEvent[]): number[] {
  return events.flatMap((event) => (event.client === client ? event.losses : []));
}

/** Training losses: the mean of each round, and every step of each owner. */
export function trainingSection(record: RunRecord): Markup | undefined {
  const { events } = record;
  const means = events.round.flatMap(({ round, loss }): Point[] => (loss === undefined ? [] : [[round, loss]]));
  const { items: clients, note, missing } = pictured(record, clientsOf(events.client), (id) => id);
  if (means.length === 0 && clients.length === 0) return undefined;
  const curves = clients.map((client) => ({ client, ...lossCurve(lossesOf(client, events.client)) }));
  const values = curves.flatMap(({ points, band }) => [
    ...points.map(([, y]) => y),
    ...band.flatMap(([, low, high]) => [low, high]),
  ]);
  const alsoY = extent(values.filter(Number.isFinite));
  const alsoX = curves.flatMap(({ points }) => points.slice(-1).map(([x]) => x)).concat(curves.length > 0 ? 1 : []);
  const mean = figure(
    'All owners, end of each round',
    lineChart({
      title: 'Mean training loss at the end of each round',
      xLabel: 'round',
      series: [{ label: 'mean loss', color: 'k-personalized', points: means }],
      format: short,
      log: false,
      alsoY,
      small: true,
    }),
  );
  const owners = curves.map(({ client, points, band }) => {
    const chart = lineChart({
      title: `Training loss of ${nameOf(client)}`,
      xLabel: 'step',
      series: [{ label: 'loss', color: 'k-loss', points, band }],
      format: short,
      log: false,
      alsoX,
      alsoY,
      small: true,
    });
    return client === POOLED ? figure(nameOf(client), chart) : ownerFigure(client, shown(client, 48), chart);
  });
  const many = curves.some(({ band }) => band.length > 0);
  const intro = `${INTRO}${many ? MEANS : ''}${thinned(means.length, true)}${note}`;
  return section('training', 'Training loss', intro, [
    missing,
    multiples(means.length > 0 ? [mean, ...owners] : owners),
  ]);
}
