import { expect, it } from 'vitest';
import { Owner } from '../../../src/client/owner.js';
import type { Link } from '../../../src/links/link.js';
import { makeFederation as serverOf } from '../../../src/run/federation.js';
import { prepare } from '../../../src/run/prepare.js';
import { finishRun } from '../../../src/server/finish.js';
import { runRounds } from '../../../src/server/loop.js';
import type { LoopHost } from '../../../src/server/types.js';
import { describeRequest, makeFederation } from '../../links/owners.js';
import { type ToyEngine, toyHost } from './toyHost.js';

/** Batches of examples that go through the model, to be scored, in a whole run of two owners; each split is one batch. */
async function forwardsOf(settings: Record<string, unknown>): Promise<{ forwards: number; tokens: number }> {
  const federation = await makeFederation({ num_rounds: 4, eval_every: 1, ...settings }, { owners: 2 });
  const engine: ToyEngine = { steps: 0, evaluations: 0 };
  const owners = new Map(federation.homes.map((home) => [home.id, new Owner(home, toyHost(engine))]));
  const link = {
    workers: 1,
    ask: async (owner: string, request: Parameters<Link['ask']>[1]) => {
      const reply = await owners.get(owner)!.handle(request);
      if (reply.kind === 'error') throw new Error(reply.error.message);
      return { reply, bytesDown: 0, bytesUp: 0 };
    },
    close: async () => {},
  } as unknown as Link;
  const described = await Promise.all(
    federation.homes.map(async ({ id }) => {
      const { reply: description } = await link.ask(id, describeRequest(federation));
      return { id, folder: id, rank: federation.config.lora_r, description };
    }),
  );
  const server = serverOf(await prepare(federation.config), described);
  const host: LoopHost = {
    link,
    emit: () => {},
    checkpoint: async () => {},
    progress: () => {},
    signal: new AbortController().signal,
  };
  const { state } = await finishRun(server, await runRounds(server, host), host);
  return { forwards: engine.evaluations, tokens: state.totals.eval };
}

it('scores no adapter twice on the same examples in a run', async () => {
  const { forwards } = await forwardsOf({ also_local: true, finetune_steps: 1 });
  // An owner: the base at first, what is shared and its own after each round; at the end what was tuned, its last training
  // and its own after as much more of it, and five on test examples.
  expect(forwards).toBe(2 * (1 + 4 * 2 + 3 + 5));
});

it('nor one that stays as it is while others train; its tokens count all the same', async () => {
  const all = await forwardsOf({ method: 'local' });
  const one = await forwardsOf({ method: 'local', clients_per_round: 1 });
  expect(all.forwards).toBe(2 * (1 + 4 + 2));
  // One owner trains a round; before its first its adapter is the fresh one.
  expect(one.forwards).toBeLessThanOrEqual(2 * (1 + 1 + 2) + 4);
  expect(one.tokens).toBe(all.tokens);
});
