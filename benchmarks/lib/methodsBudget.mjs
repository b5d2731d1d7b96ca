/** Batches that score, where a row says nothing else. */
const SCORED_BATCHES = 2;

/** Batches that a search costs a client: warm-up, and those that score (forward and backward, as training) at each stage. */
function searchCost({ settings, spend }, batch) {
  if (settings.method !== 'perfit') return { batches: 0, settings: {} };
  const search = {
    warmup_steps: settings.warmup_steps ?? 0,
    stages: settings.stages ?? 1,
    importance_samples: settings.importance_samples ?? SCORED_BATCHES * batch,
  };
  const score = spend === 'as perfit' ? 'taylor' : (settings.prune_score ?? 'taylor');
  const scored = score === 'taylor' ? search.stages * Math.ceil(search.importance_samples / batch) : 0;
  // Chance needs no warmed values, unless they are kept.
  const warmup = score === 'random' && settings.rewind !== false ? 0 : search.warmup_steps;
  return { batches: warmup + scored, settings: search };
}

/** All rounds, or one less, of equally many steps that come out at exactly `left`; undefined where there are none. */
function evenRounds(left, { rounds, steps }) {
  const most = Math.min(rounds, left);
  const even = [most, most - 1].find((r) => r > 0 && left % r === 0 && left / r <= steps);
  return even === undefined ? undefined : { num_rounds: even, local_steps: left / even };
}

/**
 * Rounds and steps that cost as many training examples as `rounds * steps` plain steps a client: what a row needs besides
 * (search, a second track, fine-tuning of one round's length) is taken off, the rest spread over the rounds.
 */
export function equalBudget(entry, { rounds, steps, batch }) {
  const search = searchCost(entry, batch);
  const left = Math.floor((rounds * steps - search.batches - (entry.finetune ? steps : 0)) / entry.tracks);
  const finetune = entry.finetune ? { finetune_steps: steps } : {};
  const spread = entry.continuous
    ? { num_rounds: 1, local_steps: left }
    : (evenRounds(left, { rounds, steps }) ?? { num_rounds: Math.min(rounds, left), total_steps: left });
  return { ...spread, ...search.settings, ...finetune };
}

/** Steps of a run of the first `rounds` rounds, where the steps of all are spread over them: as near to it as whole steps allow. */
export function firstRounds({ num_rounds: all, total_steps: total }, rounds) {
  if (total === undefined || rounds >= all) return {};
  return { total_steps: Math.floor((total * rounds) / all) };
}
