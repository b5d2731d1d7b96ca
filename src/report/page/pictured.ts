import { type Chosen, chooseOwners } from '../chosen.js';
import type { RunRecord } from '../record.js';

/** By owner, what it takes home, or while the run goes on the best of what was scored last. */
function perplexities({ metrics, events }: RunRecord): ReadonlyMap<string, number | undefined> {
  if (metrics) return new Map(metrics.clients.map(({ id, take_home: home }) => [id, home.ppl]));
  const last = Object.entries(events.evaluation.at(-1)?.clients ?? {});
  return new Map(
    last.map(([id, { base: _, ...scores }]) => {
      const least = Object.values(scores).reduce((best, { ppl }) => Math.min(best, ppl), Number.POSITIVE_INFINITY);
      return [id, least];
    }),
  );
}

/** Those of some owners that a part of the page draws: the same in every part that has the same owners. */
export function pictured<T>(record: RunRecord, items: readonly T[], idOf: (item: T) => string): Chosen<T> {
  const ppl = perplexities(record);
  return chooseOwners(items, (item) => ppl.get(idOf(item)));
}
