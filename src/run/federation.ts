import { methodOf } from '../methods/index.js';
import type { ServerInit } from '../methods/method.js';
import type { Federation, RunClient } from '../server/types.js';
import { nativeArithmetic } from './arithmetic.js';
import type { DescribedOwner } from './owners.js';
import type { Prepared } from './prepare.js';

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
