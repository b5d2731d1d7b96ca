import { type Chosen, chooseOwners } from '../chosen.js';
import { html, type Markup } from '../escape.js';
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

/** What a part of the page draws. */
interface Pictured<T> extends Chosen<T> {
  /** Where the search of the page says which of the owners that it finds are not drawn; nothing where all are. */
  readonly missing: Markup | false;
}

/** Those of some owners that a part of the page draws: the same in every part that has the same owners. */
export function pictured<T>(record: RunRecord, all: readonly T[], idOf: (item: T) => string): Pictured<T> {
  const ppl = perplexities(record);
  const asked = new Set(record.asked);
  const { items, note } = chooseOwners(
    all,
    (item) => ppl.get(idOf(item)),
    (item) => asked.has(idOf(item)),
  );
  const drawn = JSON.stringify(items.map(idOf));
  return { items, note, missing: note !== '' && html`<p class="intro" data-drawn="${drawn}" hidden=""></p>` };
}
