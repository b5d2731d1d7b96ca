/** Ids of the methods, as the run file's `method` names them. */
export const METHODS = [
  'local',
  'centralized',
  'fedavg',
  'fedprox',
  'scaffold',
  'ditto',
  'fedavgm',
  'fedadagrad',
  'fedadam',
  'fedyogi',
  'ffa-lora',
  'fedsa-lora',
  'rolora',
  'hetlora',
  'flexlora',
  'flora',
  'fedex-lora',
  'perfit',
] as const;
export type MethodId = (typeof METHODS)[number];

export const MUTATIONS = ['none', 'fedmut', 'fedqp'] as const;
export const ROBUST_MERGES = ['none', 'median', 'trimmed_mean', 'krum', 'multi_krum', 'norm_clip'] as const;
export type RobustMergeId = (typeof ROBUST_MERGES)[number];

/**
 * The keys of the run file that methods read, complete (defaults filled in). The run file's schema
 * (src/config/schema.ts) has all of them, so a resolved RunConfig is a MethodOptions.
 */
export interface MethodOptions {
  readonly method: string;
  readonly lora_r: number;
  /** What a client weighs in a merge: training examples, target tokens of them, or 1. @default 'size' */
  readonly weighting: 'size' | 'tokens' | 'uniform';

  /** fedprox: strength of the pull to the received adapter. @default 0.01 */
  readonly prox_mu: number;
  /** ditto: strength of the pull of the personal adapter to the received one. @default 0.1 */
  readonly ditto_lambda: number;
  /** Server step: eta of fedadagrad, fedadam, fedyogi (null: 0.01) and of fedavgm (null: 1). @default null */
  readonly server_learning_rate: number | null;
  /** fedavgm. @default 0.9 */
  readonly server_momentum: number;
  /** fedadam, fedyogi. @default 0.9 */
  readonly server_beta1: number;
  /** fedadam, fedyogi. @default 0.99 */
  readonly server_beta2: number;
  /** fedadagrad, fedadam, fedyogi: added to the root of the second moment. @default 0.001 */
  readonly server_tau: number;

  /** perfit: the search space has `expansion * lora_r` ranks (a whole number of them). @default 2 */
  readonly expansion: number;
  /** perfit: single entries, or whole rank components. @default 'element' */
  readonly prune: 'element' | 'rank';
  /** perfit: budget per module, or one for all modules together. @default 'module' */
  readonly prune_scope: 'module' | 'global';
  /** perfit: optimizer steps before scoring. @default 3 */
  readonly warmup_steps: number;
  /** perfit: examples that score; null: min(100, 32 % of the client's), at least 8. @default null */
  readonly importance_samples: number | null;
  /** perfit: pruning stages. @default 2 */
  readonly stages: number;
  /** perfit: back to the received values after the search. @default true */
  readonly rewind: boolean;
  /** perfit: search again every so many rounds; 0: once. @default 0 */
  readonly search_every: number;
  /** perfit: the first round that searches; before it the expanded adapter is trained dense. @default 1 */
  readonly search_round: number;

  /** Mutation of the merged adapter before it is sent. @default 'none' */
  readonly mutation: (typeof MUTATIONS)[number];
  /** Length of a mutation in global steps; 0 turns it off. @default 1 */
  readonly mutation_alpha: number;
  /** beta_0 of the -1 + beta_t side; null: 0.5 for fedmut, 0 for fedqp. @default null */
  readonly mutation_beta: number | null;
  /** Rounds until beta_t is 0; null: num_rounds. @default null */
  readonly mutation_beta_rounds: number | null;
  /** How coarse the signs are; a stage is a third of the layers. @default 'module' */
  readonly mutation_groups: 'module' | 'layer' | 'stage';
  /** One factor a round (B on even rounds, A on odd ones), or A and B with signs of their own. @default 'alternate' */
  readonly mutate: 'alternate' | 'both';
  /** fedqp: half-angle of the cone around the global step, in (0, 90]; 90: the half-space. @default 90 */
  readonly cone_degrees: number;
  /** fedqp: one constraint (the global step) or one a client (GEM-style). @default 'global' */
  readonly mutation_constraints: 'global' | 'clients';
  /** Upper bound of alpha * c, the mutants' mean step in units of g; null: none. @default 0.5 */
  readonly momentum_cap: number | null;
  /** Subtract the mutants' mean step (an ablation). @default false */
  readonly centered: boolean;

  /** What stands in for the weighted mean. @default 'none' */
  readonly robust_merge: RobustMergeId;
  /** trimmed_mean: share cut off at each end, at least one client. @default 0.2 */
  readonly trim_fraction: number;
  /** krum, multi_krum: clients that may be faulty. @default 1 */
  readonly byzantine_clients: number;
  /** multi_krum: clients that are averaged; null: all but `byzantine_clients`. @default null */
  readonly multi_krum_keep: number | null;
  /** norm_clip: largest norm of a client's update; null: the median of the round's norms. @default null */
  readonly clip_norm: number | null;
}

/** The defaults of all options but `method` and `lora_r`. */
export const METHOD_DEFAULTS: Omit<MethodOptions, 'method' | 'lora_r'> = {
  weighting: 'size',
  prox_mu: 0.01,
  ditto_lambda: 0.1,
  server_learning_rate: null,
  server_momentum: 0.9,
  server_beta1: 0.9,
  server_beta2: 0.99,
  server_tau: 1e-3,
  expansion: 2,
  prune: 'element',
  prune_scope: 'module',
  warmup_steps: 3,
  importance_samples: null,
  stages: 2,
  rewind: true,
  search_every: 0,
  search_round: 1,
  mutation: 'none',
  mutation_alpha: 1,
  mutation_beta: null,
  mutation_beta_rounds: null,
  mutation_groups: 'module',
  mutate: 'alternate',
  cone_degrees: 90,
  mutation_constraints: 'global',
  momentum_cap: 0.5,
  centered: false,
  robust_merge: 'none',
  trim_fraction: 0.2,
  byzantine_clients: 1,
  multi_krum_keep: null,
  clip_norm: null,
};
