import { ConfigError } from '../errors.js';
import { isKrum, krumLeast, krumProblem } from '../merge/robust.js';
import { methodOf, methodsWith } from '../methods/index.js';
import type { Method } from '../methods/method.js';
import type { RunConfig } from './schema.js';

type Rule = (config: RunConfig) => string | false;
type MethodRule = (config: RunConfig, method: Method) => string | false;

/** Each rule says what is wrong with two or more keys together and what to do, or nothing. */
const RULES: readonly Rule[] = [
  (c) =>
    c.strategy === null &&
    Object.keys(c.strategy_options).length > 0 &&
    `strategy_options (${Object.keys(c.strategy_options).join(', ')}) belong to a method in a file of your own; set strategy.`,
  (c) => {
    const given = (['local_steps', 'local_epochs', 'total_steps'] as const).filter((key) => c[key] !== null);
    const named = given.map((key) => `${key} (${c[key]})`);
    return given.length > 1 && `Give ${named.join(' or ')}, one of them.`;
  },
  (c) =>
    c.total_steps !== null &&
    c.total_steps < c.num_rounds &&
    `total_steps (${c.total_steps}) leaves some of ${c.num_rounds} rounds without a step; give at least one a round.`,
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
  (c) =>
    c.local_learning_rate !== null &&
    !c.also_local &&
    'local_learning_rate is that of also_local: set also_local: true.',
  (c) =>
    c.finetune_epochs === 0 &&
    c.finetune_steps === 0 &&
    (c.finetune_learning_rate !== null || c.finetune_prox > 0) &&
    'finetune_learning_rate and finetune_prox need finetune_epochs or finetune_steps.',
  (c) =>
    c.eval_every === 0 &&
    (c.keep !== 'last' || c.early_stopping_patience !== null) &&
    `${c.keep === 'last' ? 'early_stopping_patience' : `keep: ${c.keep}`} needs scores during the run; set eval_every to 1 or more.`,
  (c) =>
    c.runtime === 'nats' &&
    c.samples.some((sample) => typeof sample !== 'string') &&
    'the questions of an owner on a machine of its own stay there: put them into samples of its owner.yaml.',
  (c) => c.samples_every > 0 && c.samples.length === 0 && 'samples_every needs samples, the questions.',
  (c) => c.take_home === 'local' && c.method !== 'local' && !c.also_local && 'take_home: local needs also_local: true.',
  (c) =>
    c.take_home === 'tuned' &&
    c.finetune_epochs === 0 &&
    c.finetune_steps === 0 &&
    'take_home: tuned needs finetune_epochs or finetune_steps.',
  (c) =>
    c.deadline !== null &&
    c.devices.length === 0 &&
    c.runtime !== 'nats' &&
    'deadline needs devices, which set the virtual clock.',
  (c) =>
    c.deadline !== null &&
    c.devices.length === 0 &&
    c.late === 'discount' &&
    'late: discount needs devices: what comes after a deadline of the real clock is not taken.',
  (c) =>
    c.async_buffer !== null && c.devices.length === 0 && 'async_buffer needs devices, which set the virtual clock.',
  (c) => c.async_buffer !== null && c.deadline !== null && 'async_buffer and deadline exclude each other.',
  (c) =>
    c.async_buffer !== null &&
    c.mutation !== 'none' &&
    `mutation: ${c.mutation} needs synchronous rounds; leave async_buffer out.`,
  (c) =>
    c.robust !== 'none' &&
    c.mutation !== 'none' &&
    `robust: ${c.robust} looks at what clients return, which mutation: ${c.mutation} moves apart; take one of the two.`,
  (c) => {
    const most = Math.min(c.clients_per_round ?? Number.POSITIVE_INFINITY, c.num_clients ?? Number.POSITIVE_INFINITY);
    return isKrum(c) && most < krumLeast(c) && krumProblem(c, most);
  },
  (c) =>
    c.sampling === 'size' &&
    (c.merge_weights === 'size' || c.merge_weights === 'tokens') &&
    `sampling: size with merge_weights: ${c.merge_weights} counts a client's size twice; leave merge_weights out, which is uniform there.`,
  (c) =>
    isKrum(c) &&
    c.method === 'perfit' &&
    `robust: ${c.robust} compares whole adapters and needs equal masks; take median or trimmed_mean with perfit.`,
  (c) => {
    const team = c.mutate === 'both' && c.mutation !== 'fedmut-released' ? 4 : 2;
    const most = Math.min(c.clients_per_round ?? team, c.num_clients ?? team);
    return (
      c.mutation !== 'none' &&
      most < team &&
      `mutation: ${c.mutation} with mutate: ${c.mutate} needs ${team} clients a round or more, but there are ${most}.`
    );
  },
  (c) =>
    c.runtime === 'nats' &&
    c.federation === null &&
    'runtime: nats needs federation, the folder that "fedtune federation init" made.',
  (c) => c.runtime !== 'nats' && c.federation !== null && 'federation needs runtime: nats.',
  (c) =>
    c.runtime === 'nats' &&
    (c.partition !== 'natural' || c.num_clients !== null) &&
    'runtime: nats takes the owners of the federation as they are; leave partition and num_clients out.',
  (c) =>
    c.runtime === 'nats' &&
    c.strategy !== null &&
    'runtime: nats takes methods of fedtune alone: no owner runs a program of others. Leave strategy out.',
  (c) => c.use_rslora && c.lora_alpha / Math.sqrt(c.lora_r) > 1e4 && 'lora_alpha is out of proportion to lora_r.',
];

/** What a method can be combined with is what its capabilities say. */
const METHOD_RULES: readonly MethodRule[] = [
  (c, { id, capabilities }) =>
    c.runtime === 'nats' &&
    capabilities.pooled === true &&
    `Method ${id} trains on the examples of all owners in one place, which owners on machines of their own do not give away.`,
  (c, { id, capabilities }) =>
    (c.async_buffer !== null || (c.deadline !== null && c.late === 'discount')) &&
    !capabilities.rebasable &&
    `Late and asynchronous updates work with ${methodsWith('rebasable').join(', ')}, not with ${id}.`,
  (c, { id, capabilities }) =>
    c.robust !== 'none' &&
    !capabilities.robust &&
    `robust: ${c.robust} stands in for the mean of ${methodsWith('robust').join(', ')}, not of ${id}.`,
  (c, { id, capabilities }) =>
    c.mutation !== 'none' &&
    !capabilities.mutable &&
    `mutation: ${c.mutation} works with ${methodsWith('mutable').join(', ')}, not with ${id}.`,
  (c, { id, capabilities }) =>
    c.optimizer_state === 'keep' &&
    !capabilities.aligned &&
    `optimizer_state: keep works with ${methodsWith('aligned').join(', ')}, not with ${id}, whose entries change their meaning.`,
  (c, { id, capabilities }) =>
    c.average_last_rounds > 1 &&
    (capabilities.aligned !== true || capabilities.silent === true) &&
    `average_last_rounds works with ${methodsWith('aligned')
      .filter((other) => !methodsWith('silent').includes(other))
      .join(', ')}, not with ${id}.`,
  (c, { id }) =>
    id === 'perfit' &&
    c.self_share > 0 &&
    (c.async_buffer !== null || (c.deadline !== null && c.late === 'discount')) &&
    'self_share needs rounds that wait for their updates; leave async_buffer and late: discount out.',
  (c, { id, capabilities }) =>
    (c.rank_per_client !== null || c.memory_budget_mb !== null) &&
    !capabilities.mixedRanks &&
    `Unlike ranks (rank_per_client, memory_budget_mb) work with ${methodsWith('mixedRanks').join(', ')}, not with ${id}.`,
];

function requireNone(broken: readonly (string | false)[]): void {
  const lines = broken.filter((text) => text !== false);
  if (lines.length === 0) return;
  throw new ConfigError(
    lines.length === 1
      ? lines[0]!
      : `The configuration contradicts itself:\n${lines.map((line) => `  ${line}`).join('\n')}`,
    { code: 'CONFIG_CONFLICT' },
  );
}

/** Throws ConfigError CONFIG_CONFLICT where the configuration asks for what the method cannot be combined with. */
export function checkMethod(config: RunConfig, method: Method): void {
  requireNone(METHOD_RULES.map((rule) => rule(config, method)));
}

/**
 * Throws ConfigError CONFIG_CONFLICT with one line for each rule that is broken. A method in a file of the user is not
 * loaded yet; `checkMethod` looks at it once it is.
 */
export function checkConfig(config: RunConfig): void {
  const method = config.strategy === null ? methodOf(config.method) : null;
  requireNone([
    ...RULES.map((rule) => rule(config)),
    ...(method === null ? [] : METHOD_RULES.map((rule) => rule(config, method))),
  ]);
}
