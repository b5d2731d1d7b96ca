/** Steps of warm-up, stages of pruning, and batches that score, where a row says nothing else. */
const WARMUP = 3;
const STAGES = 2;
const SCORED_BATCHES = 2;

/** Batches that a search costs a client: warm-up, and those that score (forward and backward, as training) at each stage. */
function searchCost({ settings, spend }, batch) {
  if (settings.method !== 'perfit') return { batches: 0, settings: {} };
  const search = {
    warmup_steps: settings.warmup_steps ?? WARMUP,
    stages: settings.stages ?? STAGES,
    importance_samples: settings.importance_samples ?? SCORED_BATCHES * batch,
  };
  const score = spend === 'as perfit' ? 'taylor' : (settings.prune_score ?? 'taylor');
  const scored = score === 'taylor' ? search.stages * Math.ceil(search.importance_samples / batch) : 0;
  // Chance needs no warmed values, unless they are kept.
  const warmup = score === 'random' && settings.rewind !== false ? 0 : search.warmup_steps;
  return { batches: warmup + scored, settings: search };
}

/**
 * Rounds and steps that cost no more training examples than `rounds * steps` plain steps a client: what a row needs
 * besides (search, a second track, fine-tuning of one round's length) is taken off.
 */
export function equalBudget(entry, { rounds, steps, batch }) {
  const search = searchCost(entry, batch);
  const left = Math.floor((rounds * steps - search.batches - (entry.finetune ? steps : 0)) / entry.tracks);
  const finetune = entry.finetune ? { finetune_steps: steps } : {};
  if (entry.continuous) return { num_rounds: 1, local_steps: left, ...search.settings, ...finetune };
  let best = { num_rounds: 1, local_steps: 1 };
  for (let r = 1; r <= rounds; r++) {
    const s = Math.min(steps, Math.floor(left / r));
    if (s >= 1 && r * s >= best.num_rounds * best.local_steps) best = { num_rounds: r, local_steps: s };
  }
  return { ...best, ...search.settings, ...finetune };
}
