import type { RunConfig } from '../config/schema.js';
import { ConfigError } from '../errors.js';
import { methodOf } from '../methods/index.js';
import type { ServerInit } from '../methods/method.js';
import type { Federation, RunClient } from '../server/types.js';
import { nativeArithmetic } from './arithmetic.js';
import type { DescribedOwner } from './owners.js';
import type { Prepared } from './prepare.js';

/** Rounds are chosen among by validation and never by test examples. Throws ConfigError NO_VALIDATION. */
function requireValidation(config: RunConfig, clients: readonly RunClient[]): void {
  const isNeeded = config.keep !== 'last' || config.early_stopping_patience !== null;
  if (!isNeeded || clients.some(({ numValid }) => numValid > 0)) return;
  throw new ConfigError(
    `Expected validation examples, by which ${config.keep === 'last' ? 'early_stopping_patience' : `keep: ${config.keep}`} goes, but no owner has any. Raise valid_fraction.`,
    { code: 'NO_VALIDATION' },
  );
}

/** The server's halves over the owners as they described themselves. */
export function makeFederation(prepared: Prepared, owners: readonly DescribedOwner[]): Federation {
  const { config, method, options, layout, initial } = prepared;
  const clients = owners.map(
    ({ id, rank, description: d }): RunClient => ({
      id,
      rank,
      numTrain: d.train.examples,
      numTargets: d.train.targets,
      numValid: d.valid.examples,
      numTest: d.test.examples,
    }),
  );
  requireValidation(config, clients);
  const init: Omit<ServerInit<unknown>, 'options'> = {
    merge: config,
    layout,
    initial,
    clients,
    seed: config.seed,
    numRounds: config.num_rounds,
    arithmetic: nativeArithmetic,
  };
  const withLocal = config.also_local && method.id !== 'local';
  return {
    config,
    clients,
    capabilities: method.capabilities,
    arms: {
      main: method.server({ ...init, options }),
      ...(withLocal ? { local: methodOf('local').server({ ...init, options: {} }) } : {}),
    },
  };
}
