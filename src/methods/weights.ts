import type { MergeOptions } from '../merge/options.js';
import type { ClientInfo } from './method.js';

/** What a client weighs in a merge: its training examples, their target tokens, or 1. */
export function clientWeight(client: ClientInfo, { merge_weights: by }: Pick<MergeOptions, 'merge_weights'>): number {
  if (by === 'uniform') return 1;
  return by === 'size' ? client.numTrain : client.numTargets;
}
