/**
 * A row of the table: settings of the run file, which adapter counts (`report`), how many tracks a client trains side by
 * side, and what is tuned besides the learning rate (`grid`).
 */
const row = (id, report, settings, more = {}) => ({
  id,
  report,
  settings,
  tracks: 1,
  finetune: false,
  grid: {},
  ...more,
});

const ALPHAS = { alpha: [1, 2, 4] };
const ADAPTIVE = { server_lr: [1e-2, 1e-1] };
const perfit = (id, settings = {}, more = {}) => row(id, 'personalized', { method: 'perfit', ...settings }, more);
const mutated = (id, settings, more = {}) => row(id, 'global', { method: 'fedavg', ...settings }, more);

export const ROWS = [
  row('local', 'local', { method: 'local' }),
  row('centralized', 'global', { method: 'centralized' }),
  row('fedavg', 'global', { method: 'fedavg' }),
  row('fedavg+finetune', 'tuned', { method: 'fedavg' }, { finetune: true }),
  row('fedprox', 'global', { method: 'fedprox' }),
  row('scaffold', 'global', { method: 'scaffold' }),
  row('ditto', 'personalized', { method: 'ditto' }, { tracks: 2 }),
  row('fedavgm', 'global', { method: 'fedavgm' }, { grid: { server_lr: [0.3, 1] } }),
  row('fedadagrad', 'global', { method: 'fedadagrad' }, { grid: ADAPTIVE }),
  row('fedadam', 'global', { method: 'fedadam' }, { grid: ADAPTIVE }),
  row('fedyogi', 'global', { method: 'fedyogi' }, { grid: ADAPTIVE }),
  row('ffa-lora', 'global', { method: 'ffa-lora' }),
  row('fedsa-lora', 'personalized', { method: 'fedsa-lora' }),
  row('rolora', 'global', { method: 'rolora' }),
  row('hetlora', 'global', { method: 'hetlora' }),
  row('flexlora', 'global', { method: 'flexlora' }),
  row('flora', 'global', { method: 'flora' }),
  row('fedex-lora', 'global', { method: 'fedex-lora' }),
  perfit('perfit'),
  perfit('perfit-rank', { prune: 'rank' }),
  row('perfit+finetune', 'tuned', { method: 'perfit' }, { finetune: true }),
  mutated('fedavg+fedmut', { mutation: 'fedmut' }, { grid: ALPHAS }),
  mutated('fedavg+fedqp', { mutation: 'fedqp' }, { grid: ALPHAS }),
  perfit('perfit+fedmut', { mutation: 'fedmut' }, { grid: ALPHAS }),
  perfit('perfit+fedqp', { mutation: 'fedqp' }, { grid: ALPHAS }),
  row('perfit+fedqp+finetune', 'tuned', { method: 'perfit', mutation: 'fedqp' }, { finetune: true, grid: ALPHAS }),
];

/** Variations of PerFIT and FedQP, each against its plain form. */
export const ABLATIONS = [
  perfit('perfit-e4', { expansion: 4 }),
  perfit('perfit-e4-rank', { expansion: 4, prune: 'rank' }),
  perfit('perfit-warmed', { rewind: false }),
  perfit('perfit-warmup-6', { warmup_steps: 6 }),
  perfit('perfit-late-search', { search_round: 3 }),
  perfit('perfit-global-scope', { prune_scope: 'global' }),
  mutated('fedqp-layer', { mutation: 'fedqp', mutation_groups: 'layer' }, { grid: ALPHAS }),
  mutated('fedqp-stage', { mutation: 'fedqp', mutation_groups: 'stage' }, { grid: ALPHAS }),
  mutated('fedqp-cone-45', { mutation: 'fedqp', cone_degrees: 45 }, { grid: ALPHAS }),
  mutated('fedqp-centered', { mutation: 'fedqp', centered: true }, { grid: ALPHAS }),
  mutated('fedqp-clients', { mutation: 'fedqp', qp_constraints: 'clients' }, { grid: ALPHAS }),
  mutated('fedqp-both', { mutation: 'fedqp', mutate: 'both' }, { grid: ALPHAS }),
];

/** What the table on a real model holds at least. */
const CORE = [
  'local',
  'centralized',
  'fedavg',
  'fedavg+finetune',
  'ffa-lora',
  'fedsa-lora',
  'flora',
  'ditto',
  'perfit',
  'perfit-rank',
  'fedavg+fedmut',
  'fedavg+fedqp',
  'perfit+fedqp',
];

/** Differences that the paired bootstrap judges: [row, against]. */
export const PAIRS = [
  ['fedavg', 'local'],
  ['perfit', 'local'],
  ['perfit', 'fedavg'],
  ['perfit', 'fedavg+finetune'],
  ['perfit+finetune', 'fedavg+finetune'],
  ['perfit-rank', 'perfit'],
  ['fedavg+fedmut', 'fedavg'],
  ['fedavg+fedqp', 'fedavg'],
  ['fedavg+fedqp', 'fedavg+fedmut'],
  ['perfit+fedmut', 'perfit'],
  ['perfit+fedqp', 'perfit'],
  ['perfit+fedqp', 'perfit+fedmut'],
  ['ditto', 'fedavg+finetune'],
  ['fedsa-lora', 'perfit'],
  ['perfit+fedqp+finetune', 'fedavg+finetune'],
  ['perfit+fedqp+finetune', 'perfit+finetune'],
  ...ABLATIONS.map(({ id }) => [id, id.startsWith('perfit') ? 'perfit' : 'fedavg+fedqp']),
];

/** Rows by a comma list of ids and of the sets `all`, `core`, `ablations`. */
export function selectRows(list) {
  const sets = { all: ROWS.map(({ id }) => id), core: CORE, ablations: ABLATIONS.map(({ id }) => id) };
  const known = new Map([...ROWS, ...ABLATIONS].map((entry) => [entry.id, entry]));
  const ids = new Set(list.split(',').flatMap((name) => sets[name] ?? [name]));
  return [...ids].map((id) => {
    const found = known.get(id);
    if (!found) throw new Error(`Expected methods out of ${[...Object.keys(sets), ...known.keys()].join(', ')}: ${id}`);
    return found;
  });
}

/** Stages of pruning, and the share of one step's cost that scoring an example has (forward and backward, as training). */
const STAGES = 2;

/**
 * Rounds and steps that cost no more training examples than `rounds * steps` plain steps a client: what a row needs
 * besides (search, a second track, fine-tuning of one round's length) is taken off.
 */
export function equalBudget(entry, { rounds, steps, batch }) {
  const searches = entry.settings.method === 'perfit';
  const warmup = entry.settings.warmup_steps ?? 3;
  const search = searches ? { warmup_steps: warmup, stages: STAGES, importance_samples: 2 * batch } : {};
  const extra = (searches ? warmup + STAGES * 2 : 0) + (entry.finetune ? steps : 0);
  let best = { num_rounds: 1, local_steps: 1 };
  for (let r = 1; r <= rounds; r++) {
    const s = Math.min(steps, Math.floor((rounds * steps - extra) / (entry.tracks * r)));
    if (s >= 1 && r * s >= best.num_rounds * best.local_steps) best = { num_rounds: r, local_steps: s };
  }
  return { ...best, ...search, ...(entry.finetune ? { finetune_steps: steps } : {}) };
}
