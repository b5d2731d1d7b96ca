import { z } from 'zod';
import { METHODS } from '../methods.js';

const count = z.int().positive();
const perClient = <T extends z.ZodType>(value: T) =>
  z.union([value, z.array(value).min(1), z.record(z.string(), value)]).nullable();

/** The method and its options, as defined in docs/methods.md. */
export const methodKeys = {
  method: z.enum(METHODS).default('fedavg').describe('The federated method.'),
  strategy: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe('A file of your own that exports a strategy, instead of `method`.'),
  merge_weights: z.enum(['size', 'tokens', 'uniform']).default('size').describe('Weights of the clients in a merge.'),
  prox_mu: z.number().min(0).default(0.01).describe('fedprox: pull to the received adapter.'),
  ditto_lambda: z.number().min(0).default(0.1).describe('ditto: pull of the personal adapter to the global one.'),
  server_lr: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe('Server learning rate; null: 1e-2 for adaptive servers, 1 for fedavgm.'),
  server_momentum: z.number().min(0).max(0.9999).default(0.9).describe('fedavgm: momentum of the server.'),
  server_tau: z.number().positive().default(1e-3).describe('fedadagrad, fedadam, fedyogi: added to the square root.'),
  rank_per_client: perClient(count.max(1024))
    .default(null)
    .describe('Rank budget of each client: one number, a list in client order, or by client id.'),
  memory_budget_mb: perClient(z.number().positive())
    .default(null)
    .describe('Memory a client has for adapter and optimizer; bounds its rank.'),
  expansion: z
    .int()
    .min(1)
    .max(64)
    .default(2)
    .describe('perfit: factor by which the rank is expanded before the search.'),
  warmup_steps: z.int().min(0).default(3).describe('perfit: optimizer steps before scoring.'),
  importance_samples: count
    .nullable()
    .default(null)
    .describe("perfit: examples that score; null: min(100, 32 % of the client's), at least 8."),
  stages: count.max(64).default(2).describe('perfit: stages of pruning.'),
  prune: z.enum(['element', 'rank']).default('element').describe('perfit: prune entries or whole rank components.'),
  prune_scope: z
    .enum(['module', 'global'])
    .default('module')
    .describe('perfit: rank entries within a module or over all.'),
  rewind: z.boolean().default(true).describe('perfit: go back to the received values after the search.'),
  search_round: count
    .default(1)
    .describe('perfit: first round that searches; before it the expanded adapter is trained whole.'),
  search_every: z.int().min(0).default(0).describe('perfit: search again every so many rounds; 0: once.'),
  mutation: z
    .enum(['none', 'fedmut', 'fedqp'])
    .default('none')
    .describe('What the server does to the adapter it sends.'),
  alpha: z.number().min(0).default(1).describe('Strength of the mutation; 0 turns it off.'),
  beta_0: z
    .number()
    .min(0)
    .max(2)
    .nullable()
    .default(null)
    .describe('Unbalance of a mutated pair in round 1; null: 0.'),
  mutation_decay: count.nullable().default(null).describe('Rounds over which beta falls to 0; null: `num_rounds`.'),
  mutation_groups: z.enum(['module', 'layer', 'stage']).default('module').describe('What shares one sign.'),
  mutate: z
    .enum(['alternate', 'both'])
    .default('alternate')
    .describe('Mutate one factor a round, or both with independent signs.'),
  cone_degrees: z
    .number()
    .positive()
    .max(90)
    .default(90)
    .describe('fedqp: half-angle of the cone around the global step.'),
  qp_constraints: z
    .enum(['global', 'clients'])
    .default('global')
    .describe("fedqp: one constraint, or one for each client's direction."),
  momentum_cap: z
    .number()
    .positive()
    .nullable()
    .default(0.5)
    .describe("Bound on the mutation's share that acts as momentum; null: none."),
  centered: z.boolean().default(false).describe("Subtract the mutants' common part."),
  robust: z
    .enum(['none', 'median', 'trimmed_mean', 'krum', 'multi_krum', 'norm_clip'])
    .default('none')
    .describe('A robust merge instead of the weighted mean.'),
  trim_fraction: z.number().min(0).max(0.49).default(0.2).describe('trimmed_mean: share cut off at each end.'),
  byzantine: z.int().min(0).default(1).describe('krum, multi_krum: dishonest clients to withstand.'),
  krum_select: count.nullable().default(null).describe('multi_krum: clients to average; null: all but the dishonest.'),
  clip_norm: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe('norm_clip: longest update; null: the median of the round.'),
};
