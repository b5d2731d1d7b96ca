import type { ClientInfo, MethodOptions } from './strategy.js';

/** What a client weighs in a merge: its training examples, their target tokens, or 1. */
export function clientWeight(client: ClientInfo, merge: MethodOptions['merge_weights']): number {
  if (merge === 'uniform') return 1;
  return merge === 'size' ? client.numTrain : client.numTargets;
}
