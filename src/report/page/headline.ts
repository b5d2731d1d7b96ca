import { WHICH, type Which } from '../../contracts/evaluation.js';
import { html, type Markup } from '../escape.js';
import { formatBytes, formatSeconds, plural } from '../format.js';
import { ownersOf, type RunRecord, roundsDone } from '../record.js';
import { ppl } from './kinds.js';

/** The method with its mutation and robust merge, as the run file names them. */
export function methodName({ config }: RunRecord): string {
  const name = config.strategy ?? config.method;
  const robust = config.robust === 'none' ? [] : [config.robust];
  const mutation = config.mutation === 'none' ? [] : [config.mutation];
  return [name, ...robust, ...mutation].join(' + ');
}

const moved = (from: number, to: number): string => (to < from ? 'fell' : to > from ? 'rose' : 'stayed');

function takenHome(record: RunRecord): string {
  const counts = new Map<Which, number>();
  for (const { take_home: home } of record.metrics!.clients) counts.set(home.which, (counts.get(home.which) ?? 0) + 1);
  const parts = WHICH.filter((which) => counts.has(which)).map((which) => `${which} (${counts.get(which)})`);
  return `Taken home: ${parts.join(', ')}.`;
}

/** Which rounds it is of, where that need not be the last. */
function roundsTaken({ metrics, config }: RunRecord): string {
  const { best_round: best, stopped_early: stopped } = metrics!;
  if (best === undefined) return '';
  const kept = config.keep === 'last' ? '' : ' What they take home is of the round with the lowest loss on validation.';
  return `${stopped ? ' Stopped early.' : ''} Validation was best after round ${best}.${kept}`;
}

/** What came out, in a sentence or two. */
export function outcome(record: RunRecord): string {
  const { metrics, events } = record;
  const together = `${plural(ownersOf(record).length, 'owner')}, ${plural(roundsDone(record), 'round')}.`;
  if (metrics) {
    const { base, take_home: home } = metrics.macro;
    if (!base || !home)
      return `${together} There were no test examples to score. ${takenHome(record)}${roundsTaken(record)}`;
    const change = `mean perplexity ${moved(base.ppl, home.ppl)} from ${ppl(base.ppl)} (base) to ${ppl(home.ppl)} (what they take home)`;
    return `${together} On the owners’ own test examples, ${change}. ${takenHome(record)}${roundsTaken(record)}`;
  }
  const last = events.evaluation.at(-1);
  const best =
    last &&
    WHICH.filter((which) => which !== 'base' && last.macro[which]).sort(
      (a, b) => last.macro[a]!.ppl - last.macro[b]!.ppl,
    )[0];
  if (!last?.macro.base || !best) return `${together} Nothing has been scored yet.`;
  const split = last.split === 'valid' ? 'validation' : 'test';
  return (
    `${together} On the owners’ own ${split} examples, mean perplexity ${moved(last.macro.base.ppl, last.macro[best]!.ppl)} ` +
    `from ${ppl(last.macro.base.ppl)} (base) to ${ppl(last.macro[best]!.ppl)} (${best}) after round ${last.round}.`
  );
}

function tile(value: string, name: string): Markup {
  return html`<div class="tile"><b>${value}</b><span>${name}</span></div>`;
}

function tiles(record: RunRecord): Markup {
  const { metrics, events, config } = record;
  const { base, take_home: home } = metrics?.macro ?? {};
  const sum = (of: (event: (typeof events.round)[number]) => number) =>
    events.round.reduce((all, event) => all + of(event), 0);
  const clock = events.round.at(-1)?.virtual_seconds;
  return html`<div class="tiles">${[
    base && home && tile(`${ppl(base.ppl)} → ${ppl(home.ppl)}`, 'mean perplexity, base → taken home'),
    tile(`${roundsDone(record)} of ${config.num_rounds}`, 'rounds'),
    tile(formatBytes(sum((event) => event.bytes_up)), 'sent up by the owners'),
    tile(formatBytes(sum((event) => event.bytes_down)), 'sent down to them'),
    clock !== undefined && tile(formatSeconds(clock), 'on the simulated clock'),
    metrics && tile(formatSeconds(metrics.timing.seconds), `on this machine, ${metrics.timing.kernels} kernels`),
  ].map((part) => part || '')}</div>`;
}

/** Title, state of the run, what came out, and the main figures. */
export function headline(record: RunRecord): Markup {
  const { metrics, config } = record;
  const model = metrics?.model.name ?? config.model;
  const done = roundsDone(record);
  return html`<header id="headline"><p class="kicker">fedtune run</p><h1>${methodName(record)} <span>on ${model}</span></h1>${
    !metrics &&
    html`<p class="notice" role="status"><b>Not finished.</b> ${done} of ${plural(config.num_rounds, 'round')} done: the run is still going on, or was interrupted. Go on with it by <code>fedtune run --resume</code>, and refresh this page by <code>fedtune report</code>, each with the run folder.${record.torn && ' The last line of events.jsonl has no end, as it is being written or was cut; it is left out.'}</p>`
  }<p class="lead">${outcome(record)}</p>${tiles(record)}</header>\n`;
}
