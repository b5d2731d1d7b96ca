import { RunError } from '../errors.js';
import type { ClientUpdate, ServerHalf } from '../methods/method.js';
import type { PendingUpdate, Received } from './types.js';

/** Weight of an update that is `age` merges old: (1 + age)^-exponent (FedBuff, Nguyen et al., arXiv 2106.06639, section 5). */
export function stalenessFactor(age: number, exponent: number): number {
  return (1 + age) ** -exponent;
}

/** A received update in the form that a method merges. */
export function updateOf({ client, update }: Pick<Received, 'client' | 'update'>): ClientUpdate {
  return { client, round: update.round, parts: update.parts, note: update.note };
}

/**
 * A late update as if its client had started from the adapter of now, discounted by its age in merges. Throws RunError
 * NOT_REBASABLE where the method cannot do that.
 */
export function rebase(
  { received, version }: PendingUpdate,
  server: ServerHalf,
  mergesDone: number,
  exponent: number,
): ClientUpdate {
  if (!server.rebase) {
    throw new RunError(
      'NOT_REBASABLE',
      `Expected a method that can move the late update of ${received.client} onto the adapter of now but it has none. ` +
        'Set late: drop, or leave async_buffer out.',
    );
  }
  const factor = stalenessFactor(mergesDone - version, exponent);
  return server.rebase(updateOf(received), received.sent, factor, mergesDone + 1);
}
