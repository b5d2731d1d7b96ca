import { getEventListeners } from 'node:events';
import { setImmediate as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../../src/contracts/events.js';
import type { Progress } from '../../../src/contracts/progress.js';
import { AdapterError, ConfigError, EngineError, FedtuneError, InterruptedError } from '../../../src/errors.js';
import { runRounds } from '../../../src/server/loop.js';
import { trainClients } from '../../../src/server/train.js';
import type { LoopHost, LoopState } from '../../../src/server/types.js';
import { ToyOwners, toyFederation } from './toyOwners.js';

function setUp(settings: Record<string, unknown>, numClients?: number) {
  const link = new ToyOwners();
  const controller = new AbortController();
  const seen: Progress[] = [];
  const events: RunEvent[] = [];
  const states: LoopState[] = [];
  const host: LoopHost = {
    link,
    signal: controller.signal,
    emit: (event) => events.push(event),
    progress: (progress) => seen.push(progress),
    checkpoint: async (state) => {
      states.push(state);
    },
  };
  const federation = toyFederation(settings, numClients);
  const run = (from?: LoopState) => runRounds(federation, host, from);
  const listeners = () => getEventListeners(controller.signal, 'abort').length;
  return { link, controller, seen, events, states, federation, host, run, listeners };
}

const trained = (link: ToyOwners, owner: string) =>
  link.asked.filter((asked) => asked.owner === owner && asked.request.kind === 'train').length;

describe('interrupting a round', () => {
  it('listens to the signal once, however many clients there are, and no longer than the round', async () => {
    const { link, run, listeners } = setUp({ num_rounds: 1 }, 40);
    const counts = new Set<number>();
    link.onRequest = async () => {
      await pause();
      counts.add(listeners());
    };
    await run();
    expect([...counts]).toEqual([1]);
    expect(listeners()).toBe(0);
  });

  it('ends it at once, tries nothing again, shows no more progress, and keeps the last checkpoint', async () => {
    const { link, controller, seen, states, run, listeners } = setUp({ retries: 3 }, 40);
    const waiting: (() => void)[] = [];
    link.onRequest = (_, request) =>
      request.kind === 'train' &&
      new Promise<void>((_resolve, reject) => waiting.push(() => reject(new Error('gone'))));
    const outcome = run();
    while (waiting.length < 40) await pause();
    controller.abort();
    await expect(outcome).rejects.toThrow(InterruptedError);
    const shown = seen.length;
    for (const end of waiting) end();
    await pause();
    await pause();
    expect(link.asked.filter(({ request }) => request.kind === 'train')).toHaveLength(40);
    expect(seen).toHaveLength(shown);
    expect(states.map(({ round }) => round)).toEqual([0]);
    expect(listeners()).toBe(0);
  });
});

describe('a client that fails', () => {
  const failing = (error: Error) => {
    const set = setUp({ num_rounds: 1, retries: 2 });
    set.link.onRequest = (owner, request) => {
      if (owner === 'owner-1' && request.kind === 'train') throw error;
    };
    return set;
  };

  it('is tried again, then left out and reported with its causes', async () => {
    const { link, events, run } = failing(new FedtuneError('WORKER', 'It ended.', { cause: new Error('power cut') }));
    await run();
    expect(trained(link, 'owner-1')).toBe(3);
    expect(events.find(({ type }) => type === 'client_failed')).toMatchObject({
      client: 'owner-1',
      code: 'WORKER',
      causes: ['power cut'],
    });
    expect(events.find(({ type }) => type === 'round')).toMatchObject({ clients: ['owner-0', 'owner-2', 'owner-3'] });
  });

  it.each([
    ['DIVERGED', new EngineError('DIVERGED', 'The loss is NaN.')],
    ['EQUAL_SCORES', new AdapterError('EQUAL_SCORES', 'All are 0.')],
    ['CONFIG', new ConfigError('Wrong.')],
  ])('is not tried again where the seed alone decides: %s', async (code, error) => {
    const { link, events, run } = failing(error);
    await run();
    expect(trained(link, 'owner-1')).toBe(1);
    expect(events.find(({ type }) => type === 'client_failed')).toMatchObject({ client: 'owner-1', code });
  });

  it('ends the run where too few are left, with the first failure as cause', async () => {
    const { link, run } = setUp({ num_rounds: 1, retries: 0, min_clients: 2 }, 2);
    const error = new EngineError('DIVERGED', 'The loss is NaN.');
    link.onRequest = (_, { kind }) => {
      if (kind === 'train') throw error;
    };
    await expect(run()).rejects.toMatchObject({ code: 'TOO_FEW_CLIENTS', cause: error });
  });

  it('cannot send the update of another round, or one that is not finite', async () => {
    const { link, events, federation, run } = setUp({ num_rounds: 1, retries: 0 });
    const ask = link.ask.bind(link);
    link.ask = async (owner, request) => {
      const answer = await ask(owner, request);
      if (request.kind !== 'train') return answer;
      const values = Float32Array.of(1, owner === 'owner-0' ? Number.NaN : 2);
      const parts = { adapter: { ranks: 1, factors: 'both', mask: 'none', values, bits: new Uint8Array(0) } };
      return { ...answer, reply: { ...answer.reply, parts, ...(owner === 'owner-1' ? { turn: 7 } : {}) } } as never;
    };
    await run();
    const failed = events.flatMap((event) => (event.type === 'client_failed' ? [[event.client, event.code]] : []));
    expect(failed).toEqual([
      ['owner-0', 'NON_FINITE'],
      ['owner-1', 'WRONG_RESULT'],
    ]);
    expect(federation.server.merged).toEqual(['1 owner-2:1 owner-3:1']);
  });
});

const DEVICES = [
  { name: 'desk', tokens_per_second: 1000, share: 1 },
  { name: 'phone', tokens_per_second: 100, share: 1 },
];

describe('what owners keep', () => {
  it.each([
    ['synchronous', { clients_per_round: 2, also_local: true }],
    ['dropouts', { dropout_rate: 0.4, retries: 5 }],
    ['deadline, late dropped', { devices: DEVICES, deadline: 2, clients_per_round: 3 }],
    ['deadline, late discounted', { devices: DEVICES, deadline: 2, late: 'discount', clients_per_round: 3 }],
    ['asynchronous', { devices: DEVICES, async_buffer: 2, clients_per_round: 3 }],
  ])('leads from any of the last two states to the same merges: %s', async (_, settings) => {
    const whole = setUp({ num_rounds: 12, ...settings });
    await whole.run();
    for (let cut = 1; cut < 12; cut++) {
      const { link, federation, run, states } = setUp({ num_rounds: 12, ...settings });
      const stopAt = new Error('killed');
      let asked = 0;
      // Cut in the middle of the work after the checkpoint, some of it done already.
      link.onRequest = (_owner, { kind }) => {
        if (kind === 'train' && states.length > cut && asked++ >= 1) throw new InterruptedError(stopAt.message);
      };
      await expect(run()).rejects.toThrow(InterruptedError);
      link.onRequest = () => {};
      const from = states.slice(-2)[cut % 2]!;
      await run(structuredClone(from));
      expect(federation.server.merged).toEqual(whole.federation.server.merged);
    }
  });

  it('goes on from what was merged, not from what was dropped', async () => {
    const { federation, link, run } = setUp({ devices: DEVICES, deadline: 2, num_rounds: 8 });
    const state = await run();
    const told = federation.server.merged.at(-1)!;
    expect(told).toContain('1>2>3>4>5>6>7>8');
    for (const { id } of federation.clients) {
      const merges = federation.server.merged.filter((line) => line.includes(`${id}:`)).length;
      expect(link.history(id, state.turns.main[id] ?? 0)).toHaveLength(merges);
    }
    expect(Object.keys(state.turns.main).length).toBeLessThan(federation.clients.length);
  });
});

describe('asynchronous rounds', () => {
  it('show merges as rounds and name the dispatch beside', async () => {
    const { events, seen, run } = setUp({ devices: DEVICES, async_buffer: 2, clients_per_round: 3, num_rounds: 5 });
    await run();
    const clients = events.filter(({ type }) => type === 'client');
    expect(
      clients.every((event) => event.type === 'client' && event.round <= 5 && event.dispatch! >= event.round),
    ).toBe(true);
    expect(clients.some((event) => event.type === 'client' && event.dispatch! > 5)).toBe(true);
    expect(seen.filter(({ kind }) => kind === 'job').every((job) => job.kind === 'job' && job.round <= 5)).toBe(true);
  });
});

describe('updates that are taken as they come', () => {
  it('are taken in the order of their clients, each as soon as those before it are there; who failed is passed over', async () => {
    const { link, federation, run, states, host } = setUp({ num_rounds: 1, retries: 0 }, 4);
    await run();
    const ids = federation.clients.map(({ id }) => id);
    const taken: string[] = [];
    const done: string[] = [];
    const waiting = new Map<string, () => void>();
    link.onRequest = (owner) =>
      new Promise<void>((resolve, reject) => {
        waiting.set(owner, () => (owner === ids[1] ? reject(new EngineError('DIVERGED', 'gone')) : resolve()));
      });
    const sendings = new Map([...ids].reverse().map((id) => [id, { parts: {}, note: null }]));
    const batch = { arm: 'main', sendings, round: 2, turn: 2 } as const;
    const outcome = trainClients(federation, states.at(-1)!, batch, host, (received) => {
      taken.push(received.client);
      return { ...received, update: { ...received.update, note: 'taken' } };
    });
    for (const [owner, expected] of [
      [ids[2]!, []],
      [ids[0]!, [ids[0]!]],
      [ids[3]!, [ids[0]!]],
      [ids[1]!, [ids[0]!, ids[2]!, ids[3]!]],
    ] as const) {
      waiting.get(owner)!();
      done.push(owner);
      for (let i = 0; i < 5; i++) await pause();
      expect(taken, `after ${done.join(', ')}`).toEqual(expected);
    }
    const { received, failures } = await outcome;
    expect(received.map(({ client, update }) => [client, update.note])).toEqual(
      [ids[0], ids[2], ids[3]].map((id) => [id, 'taken']),
    );
    expect(failures.map(({ client }) => client)).toEqual([ids[1]]);
  });

  it('that cannot be taken are failures of their clients; what is no fault of an update ends the round', async () => {
    const { federation, run, states, host } = setUp({ num_rounds: 1 }, 4);
    await run();
    const sendings = new Map(federation.clients.map(({ id }) => [id, { parts: {}, note: null }]));
    const batch = { arm: 'main', sendings, round: 2, turn: 2 } as const;
    const bad = federation.clients[1]!.id;
    const outcome = await trainClients(federation, states.at(-1)!, batch, host, (one) => {
      if (one.client === bad) throw new AdapterError('NON_FINITE', 'not a number');
      return one;
    });
    expect(outcome.failures).toMatchObject([{ client: bad, error: { code: 'NON_FINITE' } }]);
    expect(outcome.received.map(({ client }) => client)).toEqual(
      federation.clients.map(({ id }) => id).filter((id) => id !== bad),
    );
    const broken = trainClients(federation, states.at(-1)!, batch, host, () => {
      throw new TypeError('a fault of ours');
    });
    await expect(broken).rejects.toThrow('a fault of ours');
  });
});
