import { z } from 'zod';

const count = z.int().positive();

/** How the data is divided among owners, who takes part, and for how long. */
export const federationKeys = {
  partition: z
    .enum(['natural', 'iid', 'category', 'dirichlet', 'shards', 'quantity', 'pathological', 'size', 'column', 'domain'])
    .default('natural')
    .describe(
      'How examples are divided: by their owner, evenly, one client a category (or value of a column, or data set), skewed, or by sizes.',
    ),
  num_clients: count
    .max(100_000)
    .nullable()
    .default(null)
    .describe('Number of clients; null: 8 where the partition makes them, else as many as the data has.'),
  dirichlet_alpha: z
    .number()
    .positive()
    .default(0.5)
    .describe('Concentration of `dirichlet`: small values give clients of few categories.'),
  shards_per_client: count.default(2).describe('Category-sorted shards that each client gets under `shards`.'),
  categories_per_client: count.default(2).describe('Different categories that each client has under `pathological`.'),
  client_sizes: z
    .array(z.number().positive())
    .min(1)
    .nullable()
    .default(null)
    .describe('Examples of each client under `size`, or (all below 1) its shares of the data.'),
  partition_column: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe('Column whose values are the clients under `column`.'),
  quantity_alpha: z.number().positive().default(1).describe('Concentration of client sizes under `quantity`.'),
  min_examples: count.default(2).describe('Training examples that a client needs; see `on_small_owner`.'),
  on_small_owner: z
    .enum(['error', 'drop'])
    .default('error')
    .describe('What an owner does with fewer training examples than `min_examples`: stop the run, or stay out of it.'),
  clients_per_round: count.nullable().default(null).describe('Clients sampled a round; null: by `participation`.'),
  participation: z.number().positive().max(1).default(1).describe('Share of the clients sampled a round.'),
  sampling: z
    .enum(['uniform', 'size'])
    .default('uniform')
    .describe('Sample clients uniformly or in proportion to their size.'),
  min_clients: count.default(1).describe('A round with fewer results than this stops the run, state saved.'),
  retries: z
    .int()
    .min(0)
    .max(100)
    .default(1)
    .describe('How often a client whose job failed is tried again in a round.'),
  num_rounds: z.int().min(0).max(1_000_000).default(10).describe('Training rounds.'),
  eval_every: z
    .int()
    .min(0)
    .default(1)
    .describe('Evaluate after every so many rounds; 0: only at the start and the end.'),
  keep: z
    .enum(['last', 'best_on_validation'])
    .default('last')
    .describe(
      'The round whose adapters are taken home: the last, or the one with the lowest loss on validation, of the shared adapter and of every owner by itself.',
    ),
  samples: z
    .array(z.union([z.string().min(1), z.strictObject({ owner: z.string().min(1), question: z.string().min(1) })]))
    .default([])
    .describe(
      'Questions that are answered before the first round and at the end, for the report; llama.cpp answers. One of an owner ({owner, question}) is answered by what it has alone.',
    ),
  samples_every: z
    .int()
    .min(0)
    .default(0)
    .describe('Let the shared adapter, and those of owners, answer them after every so many rounds as well; 0: never.'),
  early_stopping_patience: count
    .nullable()
    .default(null)
    .describe(
      'Ends the rounds after so many evaluations in a row that found no lower mean loss on validation; null: never.',
    ),
  also_local: z
    .boolean()
    .default(false)
    .describe('Train each client alone as well, with the same steps, fine-tuning included, and report it as `local`.'),
  local_learning_rate: z
    .number()
    .positive()
    .max(10)
    .nullable()
    .default(null)
    .describe('Peak learning rate of `also_local`; null: that of the method.'),
  finetune_epochs: z
    .number()
    .min(0)
    .default(0)
    .describe('Local epochs of every client after the last round (`tuned`).'),
  finetune_steps: z.int().min(0).default(0).describe('Local optimizer steps after the last round, instead of epochs.'),
  finetune_learning_rate: z
    .number()
    .positive()
    .max(10)
    .nullable()
    .default(null)
    .describe('Learning rate of that; null: those of the last round.'),
  finetune_prox: z
    .number()
    .min(0)
    .default(0)
    .describe('Pull of that to the adapter that it starts from, as `prox_mu`; 0: none.'),
  take_home: z
    .enum(['best_on_validation', 'base', 'local', 'global', 'personalized', 'unmerged', 'tuned'])
    .default('best_on_validation')
    .describe('Which adapter an owner goes home with.'),
  dropout_rate: z.number().min(0).max(1).default(0).describe('Chance that a sampled client drops out of a round.'),
  devices: z
    .array(
      z.strictObject({
        name: z.string().min(1).describe('Name of the kind of device.'),
        tokens_per_second: z.number().positive().describe('Training speed.'),
        upload_mbps: z.number().positive().default(20).describe('Upload bandwidth, megabits a second.'),
        download_mbps: z.number().positive().default(100).describe('Download bandwidth, megabits a second.'),
        share: z.number().positive().default(1).describe('Relative share of clients that have this device.'),
      }),
    )
    .default([])
    .describe('Device profiles of the virtual clock; none: no clock.'),
  deadline: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe(
      'Seconds after which a round closes, of the virtual clock (`devices`) or, under `runtime: nats`, of the real one; null: never.',
    ),
  late: z
    .enum(['drop', 'discount'])
    .default('drop')
    .describe('An update after the deadline is dropped, or joins a later round discounted by its age.'),
  async_buffer: count
    .nullable()
    .default(null)
    .describe('Asynchronous mode: the server merges whenever so many updates have arrived; null: synchronous rounds.'),
  staleness_exponent: z.number().min(0).default(0.5).describe('An update that is a rounds old counts (1 + a)^-x.'),
};
