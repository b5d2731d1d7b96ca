import { checkAdapter } from '../adapter/check.js';
import { type AdapterLayout, sameLayout } from '../adapter/layout.js';
import type { ClientResult, TrackResult } from '../client/job.js';
import { FedtuneError } from '../errors.js';
import type { ClientInfo, RoundContext } from './strategy.js';

/** The named track of a client's result. Throws FedtuneError MISSING_TRACK. */
export function trackOf(result: ClientResult, name: string): TrackResult {
  const track = result.tracks.find((candidate) => candidate.name === name);
  if (track === undefined) {
    throw new FedtuneError(
      'MISSING_TRACK',
      `Expected a track "${name}" in the update of client ${result.client} but it has ${result.tracks.map((t) => t.name).join(', ') || 'none'}.`,
    );
  }
  return track;
}

/** A client's uploaded adapter, checked, with what the server knows of the client. */
export interface CheckedResult {
  readonly client: ClientInfo;
  readonly result: ClientResult;
  readonly main: TrackResult;
}

/**
 * The round's updates sorted by client id, each checked before anything is merged: sampled in this round, trained in this
 * round, of the layout that was sent, finite and inside its mask. Throws FedtuneError or AdapterError naming the client.
 */
export function checkResults(
  results: readonly ClientResult[],
  context: RoundContext,
  layoutOf: (client: ClientInfo) => AdapterLayout,
): CheckedResult[] {
  const known = new Map(context.clients.map((client) => [client.id, client]));
  return [...results]
    .sort((a, b) => (a.client < b.client ? -1 : a.client > b.client ? 1 : 0))
    .map((result) => {
      const client = known.get(result.client);
      if (client === undefined || result.round !== context.round) {
        throw new FedtuneError(
          'STALE_UPDATE',
          `Expected updates of round ${context.round} from its sampled clients but received one of round ${result.round} from ${result.client}.`,
        );
      }
      const main = trackOf(result, 'main');
      if (!sameLayout(main.adapter.layout, layoutOf(client))) {
        throw new FedtuneError(
          'UNLIKE_LAYOUT',
          `Expected the update of client ${client.id} in the layout that it was sent (${layoutOf(client).size} entries) but it has ${main.adapter.layout.size} entries or other modules.`,
        );
      }
      checkAdapter(main.adapter, `the update of client ${client.id}`);
      return { client, result, main };
    });
}
