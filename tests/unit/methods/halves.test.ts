import { describe, expect, it } from 'vitest';
import type { Part } from '../../../src/adapter/part.js';
import { FedtuneError } from '../../../src/errors.js';
import { plainArithmetic } from '../../../src/merge/arithmetic.js';
import { METHODS, methodOf } from '../../../src/methods/index.js';
import type { ClientUpdate } from '../../../src/methods/method.js';
import { randomStream } from '../../../src/random.js';
import { quadraticToy, runToy, type Toy } from './federate.js';
import { type QuadraticClient, toyLayout } from './quadratic.js';

const wide = toyLayout(2, 4);
const clients = [0, 1, 2, 3, 4].map(
  (k): QuadraticClient => ({
    h: 1 + k / 2,
    c: Float32Array.from({ length: wide.size }, (_, p) => Math.cos(3 * k + p)),
    numTrain: 3 + k,
  }),
);

const CASES: readonly (readonly [string, Record<string, unknown>])[] = METHODS.flatMap((method) => {
  const { mutable } = methodOf(method).capabilities;
  const mutated = [
    { mutation: 'fedmut' },
    { mutation: 'fedqp', qp_constraints: 'clients' },
    { mutation: 'fedmut-released' },
    { mutation: 'pairs', merge_weights: 'size' },
  ];
  return [{}, ...(mutable ? mutated : [])].map((settings) => [method, settings] as const);
});

/** Other clients in every round, drawn from a seed. */
function sampled(toy: Toy, round: number) {
  const random = randomStream(7, 'sample', round);
  const chosen = toy.clients.filter(() => random() < 0.6);
  return chosen.length > 1 ? chosen : toy.clients.slice(0, 2);
}

const KEPT: typeof CASES = [
  ['perfit', { self_share: 0.5, self_share_course: 'rising' }],
  ['perfit', { average_last_rounds: 3, prune_factors: 'B', prune: 'rank' }],
  ['fedavgm', { average_last_rounds: 2 }],
];

function run(toy: Toy, rounds: number): void {
  while (toy.rounds.length < rounds) toy.round(sampled(toy, toy.rounds.length + 1));
}

describe('states', () => {
  it.each([...CASES, ...KEPT])('of %s %o bring both halves back to the same bits', (method, settings) => {
    const all = { method, num_rounds: 6, search_round: 2, ...settings };
    const whole = quadraticToy(all, clients);
    run(whole, 6);
    const resumed = quadraticToy(all, clients);
    resumed.goOn(whole, 3);
    run(resumed, 6);
    expect(resumed.rounds.slice(3)).toEqual(whole.rounds.slice(3));
    for (const client of whole.clients) expect(resumed.adapters(client)).toEqual(whole.adapters(client));
  });

  it('of clients stay at home: no message has them', () => {
    for (const method of ['ditto', 'fedsa-lora', 'scaffold', 'local']) {
      const toy = runToy({ method, num_rounds: 3 }, clients);
      const { sent, updates } = toy.rounds.at(-1)!;
      const numbers = new Set<number>();
      for (const { parts } of [...sent.values(), ...updates]) {
        for (const { values } of Object.values(parts)) for (const value of values) numbers.add(value);
      }
      const kept = toy.adapters(toy.clients[0]!).personalized ?? toy.adapters(toy.clients[0]!).local;
      const own = toy.kept.get('client-0');
      expect(own).toBeDefined();
      const secret =
        method === 'fedsa-lora'
          ? (own as Part).values
          : method === 'scaffold'
            ? (own as { control: Float32Array }).control
            : kept!.values;
      expect([...secret].filter((value) => value !== 0 && numbers.has(value))).toEqual([]);
    }
  });
});

describe('updates', () => {
  it.each(METHODS)('of %s are in memory that may leave with them: nobody keeps it', (method) => {
    const toy = runToy({ method, num_rounds: 3, search_round: 2, cluster_round: 2 }, clients);
    const buffersOf = (document: unknown): unknown[] => {
      if (ArrayBuffer.isView(document)) return document.byteLength > 0 ? [document.buffer] : [];
      return typeof document === 'object' && document !== null ? Object.values(document).flatMap(buffersOf) : [];
    };
    const kept = new Set(buffersOf(toy.init.initial));
    for (const { updates } of toy.rounds) {
      const own = updates.map(({ parts }) => new Set(buffersOf(parts)));
      for (const buffers of own) for (const buffer of buffers) expect(kept.has(buffer)).toBe(false);
      for (const buffers of own) for (const buffer of buffers) kept.add(buffer);
    }
  });
});

describe('sendings', () => {
  it.each(METHODS)('of %s are packed once for all who get the same', (method) => {
    const toy = runToy({ method, num_rounds: 2, search_round: 9, cluster_round: 9 }, clients);
    const sent = [...toy.server.send(toy.context(3)).values()];
    const names = Object.keys(sent[0]!.parts);
    for (const name of names) expect(new Set(sent.map(({ parts }) => parts[name])).size, name).toBe(1);
    const offered = toy.clients.map((client) => toy.server.offer(client));
    for (const name of Object.keys(offered[0]!.parts)) {
      expect(new Set(offered.map(({ parts }) => parts[name])).size, `offered ${name}`).toBe(1);
    }
  });

  it.each(
    CASES.filter(([method]) => !['local', 'fedsa-lora', 'clustered'].includes(method) && !method.startsWith('flor')),
  )(
    'of %s %o give a client the merged adapter, or a mutant in one factor, whatever rounds it missed',
    (method, settings) => {
      const toy = quadraticToy({ method, num_rounds: 8, search_round: 99, ...settings }, clients);
      for (let round = 1; round <= 8; round++) {
        const now = toy.global();
        const chosen = sampled(toy, round);
        const { tracks } = toy.round(chosen);
        for (const work of tracks.values()) {
          const start = work[0]!.adapter;
          expect(start.layout).toEqual(now.layout);
          const moved = start.layout.modules.map(({ offsetA, offsetB, outDim, rank }) => {
            const differs = (from: number, to: number) =>
              start.values.subarray(from, to).some((value, i) => value !== now.values[from + i]);
            return { A: differs(offsetA, offsetB), B: differs(offsetB, offsetB + outDim * rank) };
          });
          const { mutation } = settings;
          if (mutation === undefined || mutation === 'pairs') expect(moved.some(({ A, B }) => A || B)).toBe(false);
          else if (mutation !== 'fedmut-released')
            expect(moved.some(({ A }) => A) && moved.some(({ B }) => B)).toBe(false);
        }
      }
    },
  );

  it('of ditto show the merged adapter beside a mutant: the personal one begins there and is pulled to it', () => {
    const toy = quadraticToy({ method: 'ditto', mutation: 'fedmut', num_rounds: 9 }, clients);
    toy.round(toy.clients.slice(0, 2));
    toy.round(toy.clients.slice(0, 2));
    const theta = toy.global().values;
    const { sent, tracks } = toy.round(toy.clients.slice(0, 4));
    const mutants = [...sent].filter(([id]) => tracks.get(id)![0]!.adapter.values.some((v, p) => v !== theta[p]));
    expect(mutants).toHaveLength(4);
    for (const [id] of mutants) {
      const [, personal] = tracks.get(id)!;
      expect(personal!.phases[0]).toMatchObject({ kind: 'train', anchor: theta });
      if (Number(id.slice(7)) >= 2) expect(personal!.adapter.values).toEqual(theta);
    }
  });

  it('of rolora carry the factor that was merged', () => {
    const { rounds } = runToy({ method: 'rolora', num_rounds: 4 }, clients);
    const factors = rounds.map(({ sent }) => [...sent.values()].map(({ parts }) => parts.adapter!.factors));
    expect(factors.map((of) => [...new Set(of)])).toEqual([['A'], ['B'], ['A'], ['B']]);
  });
});

describe('late updates', () => {
  it.each(METHODS.filter((method) => methodOf(method).capabilities.rebasable))(
    'of %s count as if their client had started from the adapter of now: now + factor * (result - sent)',
    (method) => {
      const toy = quadraticToy({ method, num_rounds: 4 }, clients);
      const first = toy.round();
      const now = toy.global();
      const late = first.updates[1]!;
      const sent = first.sent.get('client-1')!;
      const moved = toy.server.rebase!(late, sent, 0.25, 2);
      expect(moved.round).toBe(2);
      const [was, is] = [late.parts.adapter!, moved.parts.adapter!];
      expect([is.mask, is.factors, is.bits]).toEqual([was.mask, was.factors, was.bits]);
      const { adapter: trained } = first.results.get('client-1')![0]!;
      const { adapter: begun } = first.tracks.get('client-1')![0]!;
      const travelled = [...trained.values.keys()].filter((p) => {
        const inside = trained.mask === null || trained.mask[p] === 1;
        const { offsetA, offsetB } = trained.layout.modules.findLast((module) => module.offsetA <= p)!;
        return inside && (was.factors === 'both' || (was.factors === 'A') === (p >= offsetA && p < offsetB));
      });
      expect(is.values).toHaveLength(travelled.length);
      travelled.forEach((p, i) => {
        const expected = now.values[p]! + 0.25 * (trained.values[p]! - begun.values[p]!);
        expect(is.values[i]).toBeCloseTo(expected, 6);
      });
      toy.server.send(toy.context(2));
      toy.server.aggregate([moved], toy.context(2));
    },
  );
});

describe('updates that do not fit', () => {
  const broken: readonly [string, string, (update: ClientUpdate) => ClientUpdate][] = [
    ['of another round', 'STALE_UPDATE', (update) => ({ ...update, round: 7 })],
    ['of nobody', 'STALE_UPDATE', (update) => ({ ...update, client: 'stranger' })],
    ['without an adapter', 'MISSING_PART', (update) => ({ ...update, parts: {} })],
    ['too short', 'PART_SIZE', (update) => withAdapter(update, (part) => ({ ...part, values: part.values.slice(1) }))],
    ['of other ranks', 'UNLIKE_LAYOUT', (update) => withAdapter(update, (part) => widened(part))],
    ['of too few modules', 'PART_LAYOUT', (update) => withAdapter(update, (part) => ({ ...part, ranks: [1] }))],
    [
      'with NaN',
      'NON_FINITE',
      (update) => withAdapter(update, (part) => ({ ...part, values: part.values.with(0, Number.NaN) })),
    ],
  ];
  const withAdapter = (update: ClientUpdate, change: (part: Part) => Part): ClientUpdate => ({
    ...update,
    parts: { ...update.parts, adapter: change(update.parts.adapter!) },
  });
  const widened = (part: Part): Part => ({
    ranks: 1,
    factors: 'both',
    mask: 'none',
    values: new Float32Array(2 * (3 + 2)),
    bits: part.bits,
  });

  it.each(
    METHODS.filter((method) => method !== 'local' && method !== 'centralized').flatMap((method) =>
      broken.map(([what, code, change]) => [method, what, code, change] as const),
    ),
  )('%s: %s', (method, _what, code, change) => {
    const toy = quadraticToy({ method }, clients);
    const { updates } = toy.round();
    const again = quadraticToy({ method }, clients);
    again.server.send(again.context(1));
    const before = structuredClone(again.server.state());
    const wrong = updates.map((update, i) => (i === 2 ? change(update) : update));
    let error: unknown;
    try {
      again.server.aggregate(wrong, again.context(1));
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(FedtuneError);
    expect(error).toMatchObject({ code, message: expect.stringMatching(/client-2|stranger/) });
    expect(again.server.state()).toEqual(before);
  });
});

describe('sums over clients', () => {
  /** Counts the calls of each sum. */
  function counting() {
    const calls: Record<string, number> = {};
    const counted = Object.fromEntries(
      Object.entries(plainArithmetic).map(([name, sum]) => [
        name,
        (...params: never[]) => {
          calls[name] = (calls[name] ?? 0) + 1;
          return (sum as (...params: never[]) => unknown)(...params);
        },
      ]),
    ) as unknown as typeof plainArithmetic;
    return { calls, counted };
  }

  it.each([
    ['fedavg', { mutation: 'fedqp', qp_constraints: 'clients' }],
    ['fedavg', { mutation: 'fedqp', cone_degrees: 60, centered: true }],
    ['fedavg', { robust: 'multi_krum', byzantine: 0 }],
  ])('%s %o: as many calls for five clients as for three', (method, settings) => {
    const callsOf = (count: number) => {
      const { calls, counted } = counting();
      runToy({ method, num_rounds: 3, ...settings }, clients.slice(0, count), { arithmetic: counted });
      return calls;
    };
    // Each direction of a client is a product of its own with g, and each client gets a mutant.
    const without = ({ gram = 0, addCombination: _, ...rest }: Record<string, number>, rows: number) => ({
      ...rest,
      gram: 'qp_constraints' in settings ? gram - rows : gram,
    });
    expect(without(callsOf(5), 5)).toEqual(without(callsOf(3), 3));
  });

  it('perfit: overlaps of all pairs in one call a search', () => {
    const { calls, counted } = counting();
    runToy({ method: 'perfit', num_rounds: 3 }, clients, { arithmetic: counted });
    expect(calls.maskOverlaps).toBe(1);
  });
});
