import type { RunConfig } from '../config/schema.js';
import { contentHash } from '../data/sameness.js';
import type { Example, Split } from '../data/types.js';
import { DataError } from '../errors.js';
import { byCode } from '../order.js';
import { randomStream, shuffled } from '../random.js';
import { dirichlet, iid, quantity, shards } from './drawn.js';
import { category, column, domain, natural } from './labelled.js';
import { pathological } from './pathological.js';
import { size } from './size.js';
import { splitCandidates } from './split.js';
import type { ClientSplit, Partitioner } from './types.js';

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

export interface Partition {
  /** Sorted by id. */
  readonly clients: readonly ClientSplit[];
  /** Examples that did not fit into `seq_length`, of those looked at. */
  readonly numDropped: number;
  /** Examples that belong to nobody: without the label that the partition goes by, or over the sizes of `client_sizes`. */
  readonly numUnlabelled: number;
}

/**
 * Divides the examples among clients and splits each client's into training, validation and test; everything drawn
 * comes from `config.seed`. `fits` says whether an example can be used (after tokenising).
 *
 * Throws ConfigError for a partition that the data does not allow, DataError TOO_FEW_EXAMPLES where a client is left
 * with fewer than `min_examples` to train on.
 */
export function partitionExamples(
  examples: readonly Example[],
  config: RunConfig,
  fits: (index: number) => boolean,
): Partition {
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
  const given = new Set<Split>(
    examples.flatMap(({ split }) => (split === undefined || split === 'train' ? [] : [split])),
  );
  let numDropped = 0;
  const clients = [...division]
    .sort(([a], [b]) => byCode(a, b))
    .map(([id, indices]) => {
      const order = shuffled(indices, randomStream(config.seed, 'split', id));
      const candidates = order.map((index) => ({
        index,
        split: examples[index]!.split,
        content: contentHash(examples[index]!),
      }));
      const { dropped, repeated, ...split } = splitCandidates(candidates, given, fits, {
        validFraction: config.valid_fraction,
        testFraction: config.test_fraction,
        caps: { train: config.max_train_examples, valid: config.max_valid_examples, test: config.max_test_examples },
      });
      numDropped += dropped + repeated;
      return { id, ...split };
    });
  checkSizes(clients, config, numDropped);
  const numDealt = [...division.values()].reduce((sum, indices) => sum + indices.length, 0);
  return { clients, numDropped, numUnlabelled: examples.length - numDealt };
}

function checkSizes(clients: readonly ClientSplit[], config: RunConfig, numDropped: number): void {
  const needed = Math.min(config.min_examples, config.max_train_examples ?? config.min_examples);
  const short = clients.filter((client) => client.train.length < needed);
  if (short.length === 0) return;
  const names = short
    .slice(0, 5)
    .map((client) => `${client.id} (${client.train.length})`)
    .join(', ');
  throw new DataError(
    'TOO_FEW_EXAMPLES',
    `Expected at least ${needed} training examples for every client, but ${short.length} have fewer: ${names}. ` +
      (numDropped > 0
        ? `${numDropped} examples do not fit into seq_length ${config.seq_length}; raise it, or set on_long: truncate.`
        : 'Lower num_clients or min_examples.'),
  );
}
