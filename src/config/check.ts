import { ConfigError } from '../errors.js';
import { MIXED_RANK_METHODS, MUTABLE_METHODS, REBASABLE_METHODS, ROBUST_METHODS } from './methods.js';
import type { RunConfig } from './schema.js';

type Rule = (config: RunConfig) => string | false;

const among = (method: string, methods: readonly string[]): boolean => methods.includes(method);

/** Each rule says what is wrong with two or more keys together and what to do, or nothing. */
const RULES: readonly Rule[] = [
  (c) =>
    c.local_steps !== null &&
    c.local_epochs !== null &&
    `Give local_steps (${c.local_steps}) or local_epochs (${c.local_epochs}), not both.`,
  (c) =>
    c.clients_per_round !== null &&
    c.participation !== 1 &&
    `Give clients_per_round (${c.clients_per_round}) or participation (${c.participation}), not both.`,
  (c) =>
    c.num_clients !== null &&
    (c.clients_per_round ?? 0) > c.num_clients &&
    `clients_per_round (${c.clients_per_round}) is more than num_clients (${c.num_clients}).`,
  (c) =>
    c.num_clients !== null &&
    c.min_clients > c.num_clients &&
    `min_clients (${c.min_clients}) is more than num_clients (${c.num_clients}).`,
  (c) => c.partition === 'size' && c.client_sizes === null && 'partition: size needs client_sizes, e.g. [100, 50, 25].',
  (c) => c.partition === 'column' && c.partition_column === null && 'partition: column needs partition_column.',
  (c) =>
    c.partition === 'domain' &&
    typeof c.data === 'string' &&
    'partition: domain makes one client of each data set; give several: data: [a, b].',
  (c) =>
    c.valid_fraction + c.test_fraction >= 1 &&
    'valid_fraction and test_fraction leave nothing to train on; make them smaller.',
  (c) =>
    c.finetune_epochs > 0 &&
    c.finetune_steps > 0 &&
    `Give finetune_epochs (${c.finetune_epochs}) or finetune_steps (${c.finetune_steps}), not both.`,
  (c) => c.take_home === 'local' && c.method !== 'local' && !c.also_local && 'take_home: local needs also_local: true.',
  (c) =>
    c.take_home === 'tuned' &&
    c.finetune_epochs === 0 &&
    c.finetune_steps === 0 &&
    'take_home: tuned needs finetune_epochs or finetune_steps.',
  (c) => c.deadline !== null && c.devices.length === 0 && 'deadline needs devices, which set the virtual clock.',
  (c) =>
    c.async_buffer !== null && c.devices.length === 0 && 'async_buffer needs devices, which set the virtual clock.',
  (c) => c.async_buffer !== null && c.deadline !== null && 'async_buffer and deadline exclude each other.',
  (c) =>
    c.async_buffer !== null &&
    c.mutation !== 'none' &&
    `mutation: ${c.mutation} needs synchronous rounds; leave async_buffer out.`,
  (c) =>
    (c.async_buffer !== null || (c.deadline !== null && c.late === 'discount')) &&
    c.strategy === null &&
    !among(c.method, REBASABLE_METHODS) &&
    `Late and asynchronous updates work with ${REBASABLE_METHODS.join(', ')}, not with ${c.method}.`,
  (c) =>
    c.robust !== 'none' &&
    c.strategy === null &&
    !among(c.method, ROBUST_METHODS) &&
    `robust: ${c.robust} stands in for the mean of ${ROBUST_METHODS.join(', ')}, not of ${c.method}.`,
  (c) =>
    (c.robust === 'krum' || c.robust === 'multi_krum') &&
    c.method === 'perfit' &&
    `robust: ${c.robust} compares whole adapters and needs equal masks; take median or trimmed_mean with perfit.`,
  (c) =>
    c.mutation !== 'none' &&
    c.strategy === null &&
    !among(c.method, MUTABLE_METHODS) &&
    `mutation: ${c.mutation} works with ${MUTABLE_METHODS.join(', ')}, not with ${c.method}.`,
  (c) => {
    const team = c.mutate === 'both' ? 4 : 2;
    const most = Math.min(c.clients_per_round ?? team, c.num_clients ?? team);
    return (
      c.mutation !== 'none' &&
      most < team &&
      `mutation: ${c.mutation} with mutate: ${c.mutate} needs ${team} clients a round or more, but there are ${most}.`
    );
  },
  (c) =>
    (c.rank_per_client !== null || c.memory_budget_mb !== null) &&
    c.strategy === null &&
    !among(c.method, MIXED_RANK_METHODS) &&
    `Unlike ranks (rank_per_client, memory_budget_mb) work with ${MIXED_RANK_METHODS.join(', ')}, not with ${c.method}.`,
  (c) => c.use_rslora && c.lora_alpha / Math.sqrt(c.lora_r) > 1e4 && 'lora_alpha is out of proportion to lora_r.',
];

/** Throws ConfigError CONFIG_CONFLICT with one line for each rule that is broken. */
export function checkConfig(config: RunConfig): void {
  const broken = RULES.map((rule) => rule(config)).filter((text) => text !== false);
  if (broken.length === 0) return;
  throw new ConfigError(
    broken.length === 1
      ? broken[0]!
      : `The configuration contradicts itself:\n${broken.map((line) => `  ${line}`).join('\n')}`,
    { code: 'CONFIG_CONFLICT' },
  );
}
