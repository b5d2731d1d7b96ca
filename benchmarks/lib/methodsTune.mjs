import { cellConfig } from './methodsCells.mjs';
import { mean } from './methodsStats.mjs';

/** How often a grid whose best value lies at its edge is extended by its own ratio. */
const EXTENSIONS = 3;

/** The kind of adapter of an owner that counts in a row: the same for all, or what each takes home. */
export const countedOf = (client, { report }) => (report === 'home' ? client.take_home.which : report);

const macroOf = (cell, entry) =>
  mean(cell.metrics.clients.map((client) => client.valid[countedOf(client, entry)]?.ppl ?? Number.NaN));

/** The round whose adapter is the best on validation, and its macro perplexity there; the last for adapters that exist at the end alone. */
export function bestRound(cell, entry) {
  if (cell.error) return { round: 0, ppl: Number.POSITIVE_INFINITY };
  const evaluated = cell.metrics.evaluations
    .filter(({ round, macro }) => round > 0 && macro[entry.report])
    .map(({ round, macro }) => ({ round, ppl: macro[entry.report].ppl }));
  const last = { round: cell.metrics.rounds, ppl: macroOf(cell, entry) };
  return evaluated.reduce((best, one) => (one.ppl < best.ppl ? one : best), evaluated[0] ?? last);
}

/** Next value beyond the edge of a geometric grid at which its best value lies; undefined inside of it. */
export function beyondEdge(values, best) {
  const sorted = [...values].sort((a, b) => a - b);
  if (sorted.length < 2) return undefined;
  const rounded = (value) => Number(value.toPrecision(3));
  if (best === sorted[0]) return rounded(sorted[0] ** 2 / sorted[1]);
  if (best === sorted.at(-1)) return rounded(sorted.at(-1) ** 2 / sorted.at(-2));
  return undefined;
}

/** Tries the values of one key, each with what is chosen already, and further ones where the best lies at the edge. */
async function tuneKey(key, grid, chosen, trial, extend) {
  const tried = [];
  const attempt = async (value) => {
    const found = await trial({ ...chosen, [key]: value });
    if (found) tried.push({ value, ...found });
    return found !== null;
  };
  for (const value of grid) if (!(await attempt(value))) return null;
  const best = () => tried.reduce((least, one) => (one.ppl < least.ppl ? one : least));
  for (let i = 0; extend && i < EXTENSIONS; i++) {
    const next = beyondEdge(
      tried.map(({ value }) => value),
      best().value,
    );
    if (next === undefined || !(await attempt(next))) break;
  }
  return { best: best(), tried };
}

/** Shorter trainings that are tried at the rate that was chosen: a third and two thirds of the steps of a continuous one. */
function shorter(part, entry, chosen, found) {
  const { num_rounds, local_steps } = cellConfig(part, entry, { seed: 1, tuned: chosen, phase: 'tune' });
  if (entry.continuous)
    return { local_steps: [1, 2, 3].map((third) => Math.max(1, Math.round((local_steps * third) / 3))) };
  if (!entry.finetune) return {};
  // Fine-tuning is tried from the last round and from the one that is the best before it.
  const before = bestRound(found.cell, {
    ...entry,
    report: entry.settings.method === 'perfit' ? 'personalized' : 'global',
  });
  return before.round > 0 && before.round < num_rounds ? { num_rounds: [before.round, num_rounds] } : {};
}

/**
 * Tunes a row on the validation splits of one seed, one key after the other: the learning rate over the part's grid, what the
 * row has besides, then the number of rounds (or steps). `cellOf` gives a cell of the row, or null where it is missing and may not be run.
 * Returns the chosen values, every score seen, and the cell that was the best; null where a cell is missing.
 */
export async function tuneRow(part, entry, { seed, tuneAll, cellOf }) {
  const tried = [];
  const trial = async (tuned) => {
    const cell = await cellOf({ seed, tuned, phase: 'tune' });
    if (!cell) return null;
    const { round, ppl } = bestRound(cell, entry);
    tried.push({ ...tuned, best_round: round, valid_ppl: Number.isFinite(ppl) ? ppl : null });
    return { ppl, round, cell };
  };
  let chosen = {};
  let found;
  const step = async (keys, extend) => {
    for (const [key, grid] of Object.entries(keys)) {
      const result = await tuneKey(key, grid, chosen, trial, extend);
      if (!result) return false;
      found = result.best;
      chosen = { ...chosen, [key]: found.value };
    }
    return true;
  };
  if (!(await step({ learning_rate: part.grid, ...(tuneAll ? entry.grid : {}) }, part.extend))) return null;
  if (!(await step(shorter(part, entry, chosen, found), false))) return null;
  // Fewer rounds of a run without fine-tuning are the beginning of the same run (but for perfit's search, which is in the middle of them).
  if (!entry.continuous && !entry.finetune && found.round > 0) chosen.num_rounds = found.round;
  return { chosen, tried, cell: found.cell };
}
