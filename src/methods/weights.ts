import type { MergeOptions } from '../merge/options.js';
import { isMutated, type MutationOptions } from '../mutation/options.js';
import type { ClientInfo } from './method.js';

/** The keys of the run file that say what clients weigh. */
export type WeightOptions = Pick<MergeOptions, 'merge_weights'> &
  Pick<MutationOptions, 'mutation' | 'alpha'> & {
    /** Clients that are sampled by their size already count by it. */
    readonly sampling: 'uniform' | 'size';
  };

/** What a client weighs in a merge: its training examples, their target tokens, or 1. */
export function clientWeight(client: ClientInfo, options: WeightOptions): number {
  const usual = isMutated(options) || options.sampling === 'size' ? 'uniform' : 'size';
  const by = options.merge_weights ?? usual;
  if (by === 'uniform') return 1;
  return by === 'size' ? client.numTrain : client.numTargets;
}
