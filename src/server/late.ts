import { type Adapter, sameLayout } from '../adapter/layout.js';
import type { ClientResult } from '../client/job.js';
import { RunError } from '../errors.js';
import type { PendingUpdate } from './types.js';

/** Weight of an update that is `age` merges old: (1 + age)^-exponent (FedBuff, Nguyen et al., arXiv 2106.06639, section 5). */
export function stalenessFactor(age: number, exponent: number): number {
  return (1 + age) ** -exponent;
}

/**
 * The late result as if its client had started from the adapter of now: now + factor * (result - sent), inside its mask.
 * Throws RunError where the method has no adapter that this could start from.
 */
export function rebase(pending: PendingUpdate, now: Adapter | undefined, factor: number, round: number): ClientResult {
  const tracks = pending.result.tracks.map((track) => {
    if (track.name !== 'main') return track;
    if (!now || !sameLayout(now.layout, track.adapter.layout)) {
      throw new RunError(
        'NOT_REBASABLE',
        `Expected a merged adapter with the layout of the late update of ${pending.result.client} but the method has none. ` +
          'Set late: drop, or leave async_buffer out.',
      );
    }
    const { mask } = track.adapter;
    const values = track.adapter.values.map((value, p) =>
      mask && mask[p] === 0 ? 0 : now.values[p]! + factor * (value - pending.sent.values[p]!),
    );
    return { ...track, adapter: { ...track.adapter, values } };
  });
  return { ...pending.result, round, tracks };
}
