import { type Scores, WHICH } from '../../contracts/evaluation.js';
import { POOLED } from '../../contracts/pooled.js';
import { mergeSeries } from '../mergeSeries.js';
import { ownersOf, type RunRecord } from '../record.js';
import type { Scalar } from './eventFile.js';

const seconds = (time: string): number => Date.parse(time) / 1000;

/** Names of a tag's parts may come from outside; `/` makes folders in TensorBoard. */
const part = (name: string): string => name.replaceAll('/', '_');

function scores(record: RunRecord): Scalar[] {
  const owners = ownersOf(record);
  return record.events.evaluation.flatMap(({ round, time, macro, clients, split }) =>
    WHICH.flatMap((which) => {
      const at = (tag: string, value: number | undefined): Scalar[] =>
        value === undefined ? [] : [{ tag: `${split}_perplexity/${tag}`, step: round, time: seconds(time), value }];
      const each = owners.flatMap((owner) => at(`${part(owner)}/${which}`, clients[owner]?.[which]?.ppl));
      return [...at(`mean/${which}`, macro[which]?.ppl), ...each];
    }),
  );
}

/** The scores of the end, on the test examples. */
function finalScores({ events, metrics }: RunRecord): Scalar[] {
  const final = events.final.at(-1);
  if (!final || !metrics) return [];
  const at = { step: metrics.rounds, time: seconds(final.time) };
  const of = (name: string, scores: Scores): Scalar[] =>
    WHICH.flatMap((which) => {
      const value = scores[which]?.ppl;
      return value === undefined ? [] : [{ tag: `final_perplexity/${name}/${which}`, ...at, value }];
    });
  return [...of('mean', final.macro as Scores), ...metrics.clients.flatMap((client) => of(part(client.id), client))];
}

/** Losses of every optimizer step; steps count on over the rounds of a client. */
function losses({ events }: RunRecord): Scalar[] {
  const steps = new Map<string, number>();
  return events.client.flatMap(({ client, losses, time }) => {
    const before = steps.get(client) ?? 0;
    steps.set(client, before + losses.length);
    return losses.map((value, i) => ({
      tag: `loss/${client === POOLED ? 'all_owners' : part(client)}`,
      step: before + i + 1,
      time: seconds(time),
      value,
    }));
  });
}

function rounds({ events }: RunRecord): Scalar[] {
  let up = 0;
  let down = 0;
  return events.round.flatMap(({ round, time, loss, bytes_up, bytes_down, virtual_seconds: clock, ...event }) => {
    up += bytes_up;
    down += bytes_down;
    const values: Record<string, number | undefined> = {
      'round/loss': loss,
      'round/clients': event.clients.length,
      'round/dropped': event.dropped.length,
      'round/late': event.late.length,
      'traffic/bytes_up': up,
      'traffic/bytes_down': down,
      'time/virtual_seconds': clock,
    };
    return Object.entries(values).flatMap(([tag, value]) =>
      value === undefined ? [] : [{ tag, step: round, time: seconds(time), value }],
    );
  });
}

function merges({ events }: RunRecord): Scalar[] {
  const times = new Map(events.round.map(({ round, time }) => [round, seconds(time)]));
  return [...mergeSeries(events.round)].flatMap(([name, { points }]) =>
    points.map(([step, value]) => ({
      tag: `server/${part(name).replaceAll('.', '/')}`,
      step,
      time: times.get(step)!,
      value,
    })),
  );
}

/** Everything of a run that TensorBoard can draw, in the order in which it happened. */
export function scalarsOf(record: RunRecord): Scalar[] {
  const all = [...scores(record), ...finalScores(record), ...losses(record), ...rounds(record), ...merges(record)];
  return all.filter(({ value }) => Number.isFinite(value)).sort((a, b) => a.time - b.time || a.step - b.step);
}
