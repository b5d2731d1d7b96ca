import type { RunConfig } from '../config/schema.js';
import { EVAL_SPLITS, type EvalSplit } from '../contracts/evaluation.js';
import type { Example } from '../data/types.js';
import { byCode } from '../order.js';
import { dirichlet, iid, quantity, shards } from './drawn.js';
import { category, column, domain, natural } from './labelled.js';
import { pathological } from './pathological.js';
import { size } from './size.js';
import type { Partitioner } from './types.js';

/** Every kind of partition by its id. */
export const PARTITIONERS: Readonly<Record<RunConfig['partition'], Partitioner>> = {
  natural,
  iid,
  category,
  dirichlet,
  shards,
  quantity,
  pathological,
  size,
  column,
  domain,
};

/** Who gets which examples. */
export interface Dealing {
  /** Sorted by id; `indices` count in the examples given, in the order dealt. */
  readonly owners: readonly { readonly id: string; readonly indices: readonly number[] }[];
  /** Splits that the data gives for anybody; the owners draw the others from their own examples. */
  readonly givenSplits: readonly EvalSplit[];
  /** Examples that belong to nobody: without the label that the partition goes by, or over the sizes of `client_sizes`. */
  readonly numUnlabelled: number;
}

/**
 * Deals the examples out to owners; everything drawn comes from `config.seed`. What an owner holds out for validation and
 * test is the owner's own affair (src/client). Throws ConfigError for a partition that the data does not allow.
 */
export function dealExamples(examples: readonly Example[], config: RunConfig): Dealing {
  const items = examples.map(({ category, owner, label, domain }, index) => ({
    index,
    category,
    owner,
    label,
    domain,
  }));
  const division = PARTITIONERS[config.partition](items, {
    numClients: config.num_clients,
    dirichletAlpha: config.dirichlet_alpha,
    shardsPerClient: config.shards_per_client,
    quantityAlpha: config.quantity_alpha,
    categoriesPerClient: config.categories_per_client,
    clientSizes: config.client_sizes,
    minExamples: config.min_examples,
    seed: config.seed,
  });
  const given = new Set(examples.map(({ split }) => split));
  const owners = [...division].map(([id, indices]) => ({ id, indices })).sort((a, b) => byCode(a.id, b.id));
  const numDealt = owners.reduce((sum, { indices }) => sum + indices.length, 0);
  return {
    owners,
    givenSplits: EVAL_SPLITS.filter((split) => given.has(split)),
    numUnlabelled: examples.length - numDealt,
  };
}
