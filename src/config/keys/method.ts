import { z } from 'zod';
import { mergeKeys } from '../../merge/options.js';
import { METHODS, optionKeys } from '../../methods/index.js';
import { mutationKeys } from '../../mutation/options.js';

const count = z.int().positive();
const perClient = <T extends z.ZodType>(value: T) =>
  z.union([value, z.array(value).min(1), z.record(z.string(), value)]).nullable();

const { merge_weights, average_last_rounds, ...robustKeys } = mergeKeys;

/** The method and its options, as defined in docs/methods.md. Each method's own keys stand in its file in src/methods. */
export const methodKeys = {
  method: z.enum(METHODS).default('fedavg').describe('The federated method.'),
  strategy: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe('A file of your own that exports a method, instead of `method`.'),
  strategy_options: z
    .record(z.string(), z.unknown())
    .default({})
    .describe('Options of the method in `strategy`, by their names there.'),
  merge_weights,
  average_last_rounds,
  ...optionKeys,
  rank_per_client: perClient(count.max(1024))
    .default(null)
    .describe('Rank budget of each client: one number, a list in client order, or by client id.'),
  memory_budget_mb: perClient(z.number().positive())
    .default(null)
    .describe('Memory a client has for adapter and optimizer; bounds its rank.'),
  ...mutationKeys,
  ...robustKeys,
};
