/**
 * A row of the table: settings of the run file, which adapter counts (`report`; `home`: what each owner takes home), how many tracks a client trains side by
 * side, and what is tuned on validation besides the learning rate (`grid`). `continuous`: one round of all steps, so that the
 * optimizer is that of one training; its number of steps is tuned in place of the rounds. `spend`: a control that is given no
 * more steps than the method that it is held against. `ranks`: those of the owners, in turns (default: equal ones).
 */
const row = (id, report, settings, more = {}) => ({
  id,
  report,
  settings,
  tracks: 1,
  finetune: false,
  continuous: false,
  spend: 'all',
  ranks: null,
  grid: {},
  ...more,
});

const ADAPTIVE = { server_lr: [0.03, 0.1, 0.3], server_tau: [1e-2, 1e-1] };
/** Where the server's own keys are not tuned: the defaults are small for few rounds. */
const ADAPTIVE_UNTUNED = { server_lr: 0.1, server_tau: 1e-2 };
/** Every other owner has a quarter of the usual rank, so that most components of the merged adapter are of half of them. */
const UNLIKE = { ranks: [2, 8] };
const FINETUNE = { finetune: true };
const CONTINUOUS = { continuous: true };
/** The strength of mutation, where it is tuned; elsewhere the middle one. */
const ALPHAS = { alpha: [0.25, 0.5, 1] };
const FEDQP = { mutation: 'fedqp', alpha: 0.5 };
const FEDMUT = { mutation: 'fedmut', alpha: 0.5 };
const perfit = (id, settings = {}, more = {}) => row(id, 'personalized', { method: 'perfit', ...settings }, more);
const tunedPerfit = (id, settings = {}, more = {}) =>
  row(id, 'tuned', { method: 'perfit', ...settings }, { ...FINETUNE, ...more });
const fedavg = (id, settings = {}, more = {}) => row(id, 'global', { method: 'fedavg', ...settings }, more);

export const ROWS = [
  row('local', 'local', { method: 'local' }, CONTINUOUS),
  row('centralized', 'global', { method: 'centralized' }, CONTINUOUS),
  row('centralized+finetune', 'tuned', { method: 'centralized' }, { ...CONTINUOUS, ...FINETUNE }),
  fedavg('fedavg'),
  row('fedavg+finetune', 'tuned', { method: 'fedavg' }, FINETUNE),
  row('fedprox', 'global', { method: 'fedprox' }),
  row('scaffold', 'global', { method: 'scaffold' }),
  row('ditto', 'personalized', { method: 'ditto' }, { tracks: 2 }),
  row(
    'fedavgm',
    'global',
    { method: 'fedavgm', server_lr: 1, server_momentum: 0.3 },
    { grid: { server_lr: [0.3, 1], server_momentum: [0.3, 0.6] } },
  ),
  row('fedadagrad', 'global', { method: 'fedadagrad', ...ADAPTIVE_UNTUNED }, { grid: ADAPTIVE }),
  row('fedadam', 'global', { method: 'fedadam', ...ADAPTIVE_UNTUNED }, { grid: ADAPTIVE }),
  row('fedyogi', 'global', { method: 'fedyogi', ...ADAPTIVE_UNTUNED }, { grid: ADAPTIVE }),
  row('ffa-lora', 'global', { method: 'ffa-lora' }),
  row('fedsa-lora', 'personalized', { method: 'fedsa-lora' }),
  row('rolora', 'global', { method: 'rolora' }),
  row('hetlora', 'global', { method: 'hetlora' }),
  row('hetlora-ranks', 'global', { method: 'hetlora' }, UNLIKE),
  row('hetlora-rank-aware', 'global', { method: 'hetlora', rank_aware: true }, UNLIKE),
  row('flexlora', 'global', { method: 'flexlora' }),
  row('flexlora-ranks', 'global', { method: 'flexlora' }, UNLIKE),
  row('flexlora-rank-aware', 'global', { method: 'flexlora', rank_aware: true }, UNLIKE),
  row('flora', 'global', { method: 'flora' }),
  row('florist', 'global', { method: 'florist' }),
  row('fedex-lora', 'global', { method: 'fedex-lora' }),
  row('fedrot-lora', 'global', { method: 'fedrot-lora' }),
  row('lora-fair', 'global', { method: 'lora-fair' }),
  row('clustered', 'personalized', { method: 'clustered' }),
  perfit('perfit'),
  perfit('perfit-rank', { prune: 'rank' }),
  tunedPerfit('perfit+finetune'),
  fedavg('fedavg+fedmut', FEDMUT, { grid: ALPHAS }),
  fedavg('fedavg+fedmut-released', { mutation: 'fedmut-released', alpha: 1 }, { grid: { alpha: [1, 2, 4] } }),
  fedavg('fedavg+fedqp', FEDQP, { grid: ALPHAS }),
  perfit('perfit+fedqp', FEDQP, { grid: ALPHAS }),
  tunedPerfit('perfit+fedqp+finetune', FEDQP, { grid: ALPHAS }),
  row('fedavg+finetune@home', 'home', { method: 'fedavg' }, FINETUNE),
  row('perfit+finetune@home', 'home', { method: 'perfit' }, FINETUNE),
  row('perfit+fedqp+finetune@home', 'home', { method: 'perfit', ...FEDQP }, { ...FINETUNE, grid: ALPHAS }),
];

/** What says where a gain comes from. */
export const CONTROLS = [
  // Masks by chance: at the same cost, and with as many steps of training as a client has that searches.
  perfit('perfit-random', { prune_score: 'random' }),
  perfit('perfit-random-steps', { prune_score: 'random' }, { spend: 'as perfit' }),
  tunedPerfit('perfit-random+finetune', { prune_score: 'random' }),
  perfit('perfit-magnitude', { prune_score: 'magnitude' }),
  // As wide an adapter as PerFIT searches in, and takes home all of: what its width alone gives.
  row('fedavg-wide+finetune', 'tuned', { method: 'fedavg', lora_r: 16, lora_alpha: 32 }, FINETUNE),
  // Mutation by chance of both factors: what the quadratic program is worth beside it (`fedqp-both`).
  fedavg('fedmut-both', { ...FEDMUT, mutate: 'both' }),
  // PerFIT before its last merge.
  row('perfit-unmerged', 'unmerged', { method: 'perfit' }),
  // Where weights follow sizes, what a mutated round's weights do without a mutation.
  fedavg('fedavg-size', { merge_weights: 'size' }),
  fedavg('fedavg-size-pairs', { merge_weights: 'size', mutation: 'pairs' }),
];

/** A search in the first round, as the paper has it: B is 0 then, so it warms up, and prunes in stages. */
const EARLY = { search_round: 1, warmup_steps: 3, stages: 2 };

/** Variations of PerFIT and FedQP, each against its plain form. */
export const ABLATIONS = [
  perfit('perfit-1', EARLY),
  perfit('perfit-1-random', { ...EARLY, prune_score: 'random' }),
  // Without a warm-up, as by default, there is nothing to go back from.
  perfit('perfit-1-warmed', { ...EARLY, rewind: false }),
  perfit('perfit-round-2', { search_round: 2 }),
  perfit('perfit-round-4', { search_round: 4 }),
  perfit('perfit-round-8', { search_round: 8 }),
  perfit('perfit-round-16', { search_round: 16 }),
  perfit('perfit-e4', { expansion: 4 }),
  perfit('perfit-e8', { expansion: 8 }),
  perfit('perfit-keep', { optimizer_state: 'keep' }),
  perfit('perfit-share', { self_share: 0.5 }),
  perfit('perfit-B', { prune_factors: 'B' }),
  perfit('perfit-average-2', { average_last_rounds: 2 }),
  tunedPerfit('perfit+finetune-prox', { finetune_prox: 0.1 }),
  tunedPerfit('perfit+finetune-keep', { optimizer_state: 'keep' }),
  fedavg('fedqp-90', { ...FEDQP, cone_degrees: 90 }),
  fedavg('fedqp-layer', { ...FEDQP, mutation_groups: 'layer' }),
  fedavg('fedqp-stage', { ...FEDQP, mutation_groups: 'stage' }),
  fedavg('fedqp-centered', { ...FEDQP, centered: true }),
  fedavg('fedqp-both', { ...FEDQP, mutate: 'both' }),
];

/** What the table on a real model holds at least. */
const CORE = [
  'local',
  'centralized',
  'centralized+finetune',
  'fedavg',
  'fedavg+finetune',
  'fedsa-lora',
  'ditto',
  'perfit',
  'perfit+finetune',
  'fedavg+fedqp',
  'perfit+fedqp+finetune',
  'perfit-random+finetune',
  'perfit+finetune@home',
  'perfit+fedqp+finetune@home',
];

/** The least that answers what PerFIT and FedQP are worth. */
const SMALL = [
  'local',
  'fedavg',
  'perfit',
  'fedavg+finetune',
  'perfit+finetune',
  'ditto',
  'perfit-random+finetune',
  'perfit+fedqp+finetune',
  'fedavg+fedqp',
];

/** What a variation of PerFIT is held against. */
const plainForm = (id, finetune) => {
  if (finetune) return 'perfit+finetune';
  return id.startsWith('perfit-1-') ? 'perfit-1' : 'perfit';
};

/** The questions that a table answers: [row, against]. */
export const PAIRS = [
  ['fedavg', 'local'],
  ['fedavg+finetune', 'local'],
  ['ditto', 'local'],
  ['perfit', 'local'],
  ['perfit+finetune', 'local'],
  ['perfit+fedqp+finetune', 'local'],
  ['perfit', 'fedavg'],
  ['perfit+finetune', 'fedavg+finetune'],
  ['perfit+fedqp+finetune', 'fedavg+finetune'],
  ['perfit+fedqp+finetune', 'fedavg'],
  ['perfit+fedqp+finetune', 'perfit+finetune'],
  ['perfit+fedqp+finetune', 'ditto'],
  ['perfit+finetune@home', 'fedavg+finetune@home'],
  ['perfit+fedqp+finetune@home', 'local'],
  ['perfit+fedqp+finetune@home', 'fedavg+finetune@home'],
  ['perfit+fedqp+finetune@home', 'ditto'],
  ['centralized+finetune', 'local'],
  ['perfit', 'centralized'],
  ['perfit', 'centralized+finetune'],
  ['perfit+fedqp+finetune', 'centralized+finetune'],
  ...['flexlora', 'hetlora', 'flora', 'florist', 'fedex-lora', 'fedrot-lora', 'lora-fair', 'clustered'].map((id) => [
    id,
    'fedavg',
  ]),
  ['perfit', 'perfit-random'],
  ['perfit', 'perfit-random-steps'],
  ['perfit+finetune', 'perfit-random+finetune'],
  ['perfit', 'perfit-magnitude'],
  ['perfit-magnitude', 'perfit-random'],
  ['perfit-unmerged', 'perfit'],
  ['perfit-rank', 'perfit'],
  ['fedavg+fedqp', 'fedavg'],
  ['fedavg+fedqp', 'fedavg+fedmut'],
  ['fedavg+fedmut', 'fedavg'],
  ['fedqp-both', 'fedavg'],
  ['fedqp-both', 'fedmut-both'],
  ['fedavgm', 'fedavg'],
  ['fedqp-both', 'fedavgm'],
  ['fedavg-size-pairs', 'fedavg-size'],
  ['hetlora-rank-aware', 'hetlora-ranks'],
  ['flexlora-rank-aware', 'flexlora-ranks'],
  ['fedsa-lora', 'fedavg+finetune'],
  ['fedavg-wide+finetune', 'fedavg+finetune'],
  ['perfit+finetune', 'fedavg-wide+finetune'],
  ['perfit', 'fedavg-wide+finetune'],
  ...ABLATIONS.map(({ id, settings, finetune }) => [
    id,
    settings.method !== 'perfit' ? 'fedavg+fedqp' : plainForm(id, finetune),
  ]),
];

const SETS = {
  all: [...ROWS, ...CONTROLS].map(({ id }) => id),
  core: CORE,
  small: SMALL,
  ablations: ABLATIONS.map(({ id }) => id),
};

/** Rows by a comma list of ids and of the names of sets. */
export function selectRows(list) {
  const known = new Map([...ROWS, ...CONTROLS, ...ABLATIONS].map((entry) => [entry.id, entry]));
  const ids = new Set(list.split(',').flatMap((name) => SETS[name] ?? [name]));
  return [...ids].map((id) => {
    const found = known.get(id);
    if (!found) throw new Error(`Expected methods out of ${[...Object.keys(SETS), ...known.keys()].join(', ')}: ${id}`);
    return found;
  });
}
